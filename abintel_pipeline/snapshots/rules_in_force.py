"""The rules that decide a snapshot's values: a step's own, and those of what it is computed from.

A step may run with other rules than the files that it reads were made by, as when history_days is
changed and the RFM step alone runs again. Its file would then say what isn't so.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

from abintel_pipeline.contract import DECIDED_BY, RAW_TRANSACTIONS, Table
from abintel_pipeline.metrics.in_force import window_start
from abintel_pipeline.rules import Rules
from abintel_pipeline.store.proofs import snapshot_rules
from abintel_pipeline.store.snapshot_store import SnapshotStore


class OtherRules(Exception):
    """A snapshot can't be computed: what it is computed from was made by other rules."""

    def __init__(self, table: Table, other: dict[date, dict[str, tuple[Any, Any]]]) -> None:
        day, differing = min(other.items())
        told = (f"{name} {old} there, {new} now" for name, (old, new) in differing.items())
        rules = "; ".join(told)
        more = f", and {len(other) - 1} other days," if len(other) > 1 else ""
        last = f" {max(other)}" if len(other) > 1 else ""
        super().__init__(
            f"{table.name} of {day}{more} was made by other rules than this run's ({rules}):"
            f" make it again by the rules of now: abintel run {day}{last} --only snapshots"
        )


def rules_in_force(
    store: SnapshotStore, tables: Iterable[Table], days: list[date], own: Rules
) -> dict[date, Rules]:
    """{day: the rules that decide its values}: this run's, and those of what it is computed from.

    The latter may be others only where that can't have decided a value. Raises OtherRules.
    """
    decided: dict[date, dict[str, Any]] = {day: {} for day in days}
    for table in tables:
        other = {}
        for day in days:
            stored = snapshot_rules(store.path(table, day))
            if differing := _differing(store, table, day, stored, own):
                other[day] = differing
            decided[day] |= {name: getattr(stored, name) for name in DECIDED_BY[table]}
        if other:
            raise OtherRules(table, other)
    return {day: own.model_copy(update=values) for day, values in decided.items()}


def _differing(
    store: SnapshotStore, table: Table, day: date, stored: Rules, own: Rules
) -> dict[str, tuple[Any, Any]]:
    """{rule: its value in the file, its value now}, of those that may have decided a value."""
    if stored == own:
        return {}
    differing = {
        name: (getattr(stored, name), getattr(own, name))
        for name in DECIDED_BY[table]
        if getattr(stored, name) != getattr(own, name)
    }
    if "history_days" in differing and not _window_matters(store, day, *differing["history_days"]):
        del differing["history_days"]
    return differing


def _window_matters(store: SnapshotStore, day: date, one: int, other: int) -> bool:
    """Whether any line may stand in one window and not in the other, by footers alone."""
    short, long = sorted((one, other))
    later = window_start(day, short)
    taken_in = store.days(RAW_TRANSACTIONS, window_start(day, long), day)
    oldest = (store.oldest_date(delivery) for delivery in taken_in)
    return any(found is not None and found < later for found in oldest)
