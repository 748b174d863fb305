"""What a day was made from must be what is published when it is published itself.

Runs at once over the same days would otherwise leave whatever the slower one had read. So the files
that were read are looked at again in the turn to publish; if another run has replaced one, the days
that are left are made again.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import TypeVar

from abintel_pipeline.contract import RAW_CUSTOMERS, RAW_TRANSACTIONS, Table
from abintel_pipeline.contract.findings import Finding, VerificationFailed
from abintel_pipeline.engine.connection import EngineError, Interrupted
from abintel_pipeline.metrics.in_force import window_start
from abintel_pipeline.store.locks import await_intakes
from abintel_pipeline.store.snapshot_store import Outdated, Staged
from abintel_pipeline.store.step_context import StepContext

MOST_TRIES = 10
"""How often in a row a day is made again; on a file system that tells nothing right, for ever."""

Unchanged = Callable[[date], bool]
"""Whether what a day's snapshot is made from is as it was when the making began."""

Made = TypeVar("Made", bound=tuple[Staged, *tuple[object, ...]])


def deliveries_unchanged(step: StepContext, days: list[date]) -> Unchanged:
    """Of the deliveries in the days' windows; intakes under way are waited for first."""
    store, history_days = step.store, step.rules.history_days
    await_intakes(store.root, max(days))

    def read(start: date, end: date) -> tuple[dict[date, object], ...]:
        return (
            store.versions(RAW_TRANSACTIONS, start, end),
            store.versions(RAW_CUSTOMERS, date.min, end),
        )

    lines, customers = read(window_start(min(days), history_days), max(days))

    def unchanged(day: date) -> bool:
        start = window_start(day, history_days)
        return read(start, day) == (_between(lines, start, day), _between(customers, date.min, day))

    return unchanged


def files_unchanged(step: StepContext, tables: tuple[Table, ...], days: list[date]) -> Unchanged:
    """Of the published files of the same day."""

    def read(day: date) -> list[dict[date, object]]:
        return [step.store.versions(table, day, day) for table in tables]

    before = {day: read(day) for day in days}
    return lambda day: read(day) == before[day]


def until_unchanged(
    days: Iterable[date],
    look: Callable[[list[date]], Unchanged],
    make: Callable[[list[date], Unchanged], Iterator[Made]],
) -> Iterator[Made]:
    """What `make` publishes and yields of each day, the days that are outdated made again.

    An error or a refusal while what was read has changed is taken for its consequence.

    Raises VerificationFailed, at the end, for days that were refused though nothing had changed;
    Outdated when no day can be published because it never stops changing.
    """
    left = list(days)
    refused: list[Finding] = []
    tries = 0
    while left:
        tries += 1
        if tries > MOST_TRIES:
            raise Outdated(
                f"what {left[0]} is made from was replaced {MOST_TRIES} times while it was made:"
                " which other runs write to this store?"
            )
        unchanged = look(left)
        try:
            for made in make(list(left), unchanged):
                left.remove(made[0].day)
                tries = 0
                yield made
            break
        except Outdated:
            continue
        except VerificationFailed as failed:
            left = [day for day in left if not unchanged(day)]
            refused += [finding for finding in failed.findings if finding.day not in left]
        except (EngineError, OSError) as error:
            if isinstance(error, Interrupted) or all(map(unchanged, left)):
                raise
    if refused:
        raise VerificationFailed(refused)


def _between(versions: dict[date, object], start: date, end: date) -> dict[date, object]:
    return {day: version for day, version in versions.items() if start <= day <= end}
