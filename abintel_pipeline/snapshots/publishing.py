"""How a step's days are computed, verified and published, one day after the other.

A day is published only if its inputs have not changed since it was computed. Otherwise, of two runs
over the same days, the slower one would publish what it had read before the other replaced it. So
the files that were read are looked at again under the lock. If another run has replaced one, the
days that are left are computed again.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

import ibis.expr.types as ir

from abintel_pipeline.contract import CUSTOMER_FEATURES, Table
from abintel_pipeline.contract.findings import Finding, VerificationFailed
from abintel_pipeline.engine.connection import (
    EngineError,
    Interrupted,
    bind_day,
    bind_figures,
    bound_day,
    native,
    temporary_table,
)
from abintel_pipeline.engine.parallel import parallel_map
from abintel_pipeline.quality.blocking import verified
from abintel_pipeline.rules import Rules
from abintel_pipeline.snapshots.rules_in_force import rules_in_force
from abintel_pipeline.store.proofs import MadeFrom, Origin, hash_of
from abintel_pipeline.store.snapshot_store import Outdated, SnapshotStore, Staged, bind_files
from abintel_pipeline.store.step_context import StepContext

WRITERS = 2
"""Files of a range that are written at a time: DuckDB writes one on little more than one core."""

MOST_TRIES = 10
"""How often in a row a day is computed again; on a file system with wrong file times, for ever."""

QUANTILE_BYTES = 100
"""Of a customer in one cohort: five metrics of eight bytes, in lists that grow by doubling."""

Day = tuple[Staged, ...]
"""A step's files of one day, the table of customers first."""
Days = Generator[Day, None, None]
Reads = dict[Table, tuple[date, date]]
"""{table: the first and the last day of it that are read}"""


class DailyStep(ABC):
    """A step that computes each day's files from published ones; `publish` is the whole of it."""

    def __init__(self, context: StepContext) -> None:
        self.context = context
        self._inputs: Inputs

    @abstractmethod
    def chunks(self, days: list[date]) -> list[list[date]]:
        """The days that can be computed, in order, in chunks that the engine's memory holds.

        Raises SnapshotMissing when what a day is computed from isn't published.
        """

    @abstractmethod
    def reads(self, day: date) -> Reads:
        """What a day is computed from."""

    @abstractmethod
    def compute(self, folder: Path, days: list[date]) -> Days:
        """Stage the files of each day into a folder, in the order of the days."""

    def inputs(self, days: list[date]) -> "Inputs":
        """The files that the days are computed from, as they are now."""
        return Inputs(self.context.store, {day: self.reads(day) for day in days})

    def publish(self, days: Iterable[date]) -> Days:
        """Compute, verify and publish each day; yield it once it is published.

        An error or a rejection while an input has changed is taken for its consequence.

        Raises VerificationFailed, at the end, for days that were rejected though their inputs had
        not changed: they don't hold up the others; Outdated when a day can't be published because
        its inputs never stop changing.
        """
        store = self.context.store
        rejected: list[Finding] = []
        for chunk in self.chunks(sorted(set(days))):
            left, tries = list(chunk), 0
            while left:
                tries += 1
                if tries > MOST_TRIES:
                    raise Outdated(_never_rests(left[0]))
                inputs = self._inputs = self.inputs(left)
                try:
                    with closing(self._computed(list(left))) as computed:
                        for files in computed:
                            store.publish(*files, unchanged=inputs.unchanged)
                            left.remove(files[0].day)
                            tries = 0
                            yield files
                    break
                except Outdated:
                    continue
                except VerificationFailed as failed:
                    left = [day for day in left if not inputs.unchanged(day)]
                    rejected += [one for one in failed.findings if one.day not in left]
                except (EngineError, OSError) as error:
                    if isinstance(error, Interrupted) or all(map(inputs.unchanged, left)):
                        raise
        if rejected:
            raise VerificationFailed(rejected)

    def _computed(self, days: list[date]) -> Days:
        """Each day's files, staged and verified; they are gone at the end, unless published."""
        context = self.context
        with context.store.staging() as folder, closing(self.compute(folder, days)) as staged:
            yield from verified(context.connection, context.store, staged)

    def computed_again(self, days: list[date]) -> Days:
        """Each day's files, computed and not published: they are gone when the next are asked for.

        Raises what `publish` raises before it writes anything.
        """
        for chunk in self.chunks(days):
            self._inputs = self.inputs(chunk)
            with (
                self.context.store.staging() as folder,
                closing(self.compute(folder, chunk)) as made,
            ):
                yield from made

    def made_from(self, day: date) -> MadeFrom:
        """What the day would be computed from now."""
        return Inputs(self.context.store, {day: self.reads(day)}).hashes(day, self.reach)

    def origin(self, day: date) -> Origin:
        """By which rules a day is computed, and from what."""
        return Origin(self.rules(day), self._inputs.hashes(day, self.reach))

    def reach(self, _table: Table, _read: date) -> date | None:
        """The newest date that a day's file tells of; None where it tells nothing.

        A day that reads it is the same without it if its span begins later.
        """
        return date.max

    def rules(self, _day: date) -> Rules:
        """The rules that decide a day's values."""
        return self.context.rules

    # ── how a step writes its files ──────────────────────────────────────────

    @contextmanager
    def written(
        self,
        folder: Path,
        table: Table,
        rows: ir.Table,
        days: list[date],
        *,
        beside: tuple[Table, ...] = (),
        figures: ir.Table | None = None,
    ) -> Iterator[Iterator[Staged]]:
        """Stage each day's file, in order, from one query; at the end of the block none is written.

        `rows` are those of the `bound_day`. Or, with `beside`, a row for each published row: made
        of the `view_of_day` of these tables and of the day's `bound_figures`, of which `figures`
        has a row for each day that has any customer.
        """
        context = self.context
        write = context.store.writing(
            context.connection, table, rows, self.origin, in_order=bool(beside)
        )
        known = _by_day(figures)

        def of_day(day: date) -> Staged:
            with native(context.connection).cursor() as cursor:
                bind_day(cursor, day)
                if beside:
                    bind_files(cursor, *((one, context.store.proved(one, day)) for one in beside))
                bind_figures(cursor, known.get(day, known[None]))
                return write(cursor, folder, day)

        with closing(parallel_map(of_day, days, WRITERS)) as made:
            yield (staged for _, staged in made)

    @contextmanager
    def picked(
        self, folder: Path, table: Table, rows: ir.Table, days: list[date]
    ) -> Iterator[Iterator[Staged]]:
        """`written`, of rows of all the days, computed once."""
        with temporary_table(self.context.connection, rows) as every:
            of_day = every.filter(every.snapshot_date == bound_day())
            with self.written(folder, table, of_day, days) as staged:
                yield staged


class CohortStep(DailyStep):
    """A step that computes a day from published snapshots of that day."""

    parents: tuple[Table, ...]
    _rules: dict[date, Rules]

    def chunks(self, days: list[date]) -> list[list[date]]:
        for table in self.parents:
            self.context.store.paths(table, days)
        self._rules = rules_in_force(self.context.store, self.parents, days, self.context.rules)
        return cohorts(self.context.store, days, self.context.settings.memory_bytes)

    def reads(self, day: date) -> Reads:
        return dict.fromkeys(self.parents, (day, day))

    def rules(self, day: date) -> Rules:
        return self._rules[day]


def cohorts(store: SnapshotStore, days: list[date], memory_bytes: float) -> list[list[date]]:
    """Chunks of days, in order, whose cohorts' quantiles fit into a quarter of the memory."""
    chunks: list[list[date]] = []
    room = 0.0
    for day in days:
        needed = QUANTILE_BYTES * store.rows(CUSTOMER_FEATURES, day)
        if not chunks or needed > room:
            chunks.append([])
            room = memory_bytes / 4
        chunks[-1].append(day)
        room -= needed
    return chunks


class Inputs:
    """The published files that some days are computed from, as they are now."""

    def __init__(self, store: SnapshotStore, reads: dict[date, Reads]) -> None:
        self._store, self._reads = store, reads
        self._entries: dict[Table, list[tuple[date, str, str, date]]] = {}
        spans: dict[Table, list[date]] = {}
        for one in reads.values():
            for table, ends in one.items():
                spans.setdefault(table, []).extend(ends)
        self._versions = {
            table: store.versions(table, min(ends), max(ends)) for table, ends in spans.items()
        }

    def unchanged(self, day: date) -> bool:
        """Whether the files that a day is computed from are still those."""
        return all(
            self._store.versions(table, first, last) == self._seen(table, first, last)
            for table, (first, last) in self._reads[day].items()
        )

    def hashes(self, day: date, reach: Callable[[Table, date], date | None]) -> MadeFrom:
        """{table: {day: hash of its file}} of what a day is computed from, in order.

        Of what reaches it: what doesn't leaves the day's files as they are, their footers too.
        """
        found = {}
        for table, (first, last) in self._reads[day].items():
            entries = self._entries_of(table, reach)
            begin = bisect_left(entries, first, key=_day_of)
            end = bisect_right(entries, last, key=_day_of)
            found[table.name] = {
                named: hashed for _, named, hashed, until in entries[begin:end] if until >= first
            }
        return found

    def _entries_of(
        self, table: Table, reach: Callable[[Table, date], date | None]
    ) -> list[tuple[date, str, str, date]]:
        """(day, the same as text, hash of its file, the newest date that it tells of), in order.

        Of the files as they are when first asked for: `unchanged` sees whether one was replaced.
        """
        if table not in self._entries:
            reaching = ((day, reach(table, day)) for day in sorted(self._versions[table]))
            self._entries[table] = [
                (day, str(day), hash_of(self._store.path(table, day)), until)
                for day, until in reaching
                if until is not None
            ]
        return self._entries[table]

    def _seen(self, table: Table, first: date, last: date) -> dict[date, object]:
        versions = self._versions[table].items()
        return {day: version for day, version in versions if first <= day <= last}


def _day_of(entry: tuple[date, str, str, date]) -> date:
    return entry[0]


def _by_day(figures: ir.Table | None) -> dict[date | None, dict[str, float | None]]:
    """{day: its figures by name}; None: those of a day that has none."""
    if figures is None:
        return {None: {}}
    names = [name for name in figures.columns if name != "snapshot_date"]
    known = {row.pop("snapshot_date"): row for row in figures.to_pyarrow().to_pylist()}
    return {None: dict.fromkeys(names), **known}


def _never_rests(day: date) -> str:
    return (
        f"what {day} is made from was replaced {MOST_TRIES} times while it was made:"
        " which other runs write to this store?"
    )
