"""The formulas and the store as a contender: the same files, without looking at them beforehand.

What `snapshots` adds to it is the verification, and what holds its steps together.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.contract.line_traits import LineTraits
from abintel_pipeline.engine.connection import (
    bind_day,
    bind_figures,
    bound_day,
    bound_figures,
    engine,
    native,
    temporary_table,
)
from abintel_pipeline.metrics.features import customer_features
from abintel_pipeline.metrics.in_force import lines_in_force, window_start
from abintel_pipeline.metrics.loyalty import customer_loyalty, loyalty_bounds, loyalty_summary
from abintel_pipeline.metrics.range_features import customer_changes, customer_states, features_on
from abintel_pipeline.metrics.rfm import rfm_beside_loyalty, rfm_cuts, rfm_thresholds
from abintel_pipeline.metrics.snapshot_range import SnapshotRange
from abintel_pipeline.rules import Rules
from abintel_pipeline.store.proofs import Origin
from abintel_pipeline.store.snapshot_store import (
    SnapshotStore,
    Staged,
    Write,
    bind_files,
    scan,
    view_of_day,
)
from benchmarks.in_pipeline import settings
from benchmarks.job import ChainJob

RAW, CUSTOMERS = TABLES["raw_transactions"], TABLES["raw_customers"]
FEATURES, RFM, THRESHOLDS = (
    TABLES[name] for name in ("customer_features", "customer_rfm", "rfm_thresholds")
)
LOYALTY, SUMMARY = TABLES["customer_loyalty"], TABLES["loyalty_summary"]
WRITERS = 2
"""Files that are written at a time, as `snapshots` does."""
Bind = Callable[[duckdb.DuckDBPyConnection, date], None]


@dataclass(frozen=True)
class Work:
    """The days to make, and what they are made with."""

    connection: Backend
    store: SnapshotStore
    rules: Rules
    days: list[date]

    def origin(self, _day: date) -> Origin:
        return Origin(self.rules)

    def read(self, table: Table, days: list[date]) -> ir.Table:
        return self.store.read(self.connection, table, days)

    def stage(self, folder: Path, table: Table, rows: ir.Table) -> list[Staged]:
        """A file per day of `rows` on the bound day."""
        return self._stage(self.store.writing(self.connection, table, rows, self.origin), folder)

    def stage_rows(
        self, folder: Path, table: Table, rows: ir.Table, *needed: Table, figures: ir.Table
    ) -> list[Staged]:
        """A file per day of `rows` on what is published of `needed`, and that day's figures."""
        write = self.store.writing(self.connection, table, rows, self.origin, in_order=True)
        known = {row.pop("snapshot_date"): row for row in figures.to_pyarrow().to_pylist()}

        def bind(cursor: duckdb.DuckDBPyConnection, day: date) -> None:
            one, *others = ((one, self.store.path(one, day)) for one in needed)
            bind_files(cursor, one, *others)
            bind_figures(cursor, known[day])

        return self._stage(write, folder, bind)

    def _stage(self, write: Write, folder: Path, bind: Bind = bind_day) -> list[Staged]:
        def one(day: date) -> Staged:
            with native(self.connection).cursor() as cursor:
                bind(cursor, day)
                return write(cursor, folder, day)

        with ThreadPoolExecutor(WRITERS) as pool:
            return list(pool.map(one, self.days))

    def stage_small(self, folder: Path, table: Table, rows: ir.Table) -> list[Staged]:
        """A file per day of a small table that has all days' rows."""
        with temporary_table(self.connection, rows) as every:
            return self.stage(folder, table, every.filter(every.snapshot_date == bound_day()))


def run(job: ChainJob) -> dict[str, float]:
    """Compute and publish the five tables of the job's days; the seconds of each step."""
    own = settings(job)
    taken = {}
    with engine(own) as connection:
        work = Work(connection, SnapshotStore(own.store), own.rules, job.range)
        for step in (features, loyalty, rfm):
            before = time.perf_counter()
            with work.store.staging() as folder:
                for staged in step(work, folder):
                    work.store.publish(*staged)
            taken[step.__name__] = time.perf_counter() - before
    return taken


def features(work: Work, folder: Path) -> Iterator[tuple[Staged, ...]]:
    """One day from the lines in force, a range from one pass over its lines."""
    first, last, history = work.days[0], work.days[-1], work.rules.history_days
    days = work.store.days(RAW, window_start(first, history), last)
    lines, told = work.read(RAW, days), work.store.line_traits(days)
    late_days = [day for day, one in told.items() if one.late]
    late = work.read(RAW, late_days) if late_days else lines
    traits = LineTraits.of_all(told.values())
    customers = work.read(CUSTOMERS, work.store.days(CUSTOMERS, end=last))
    if first == last:
        in_force = lines_in_force(lines, last, history, late_lines=late, traits=traits)
        rows = customer_features(in_force, customers, last, work.rules, traits=traits)
        yield (work.store.stage(folder, FEATURES, last, rows, work.origin(last)),)
        return
    span = SnapshotRange(first, last, history)
    changes = customer_changes(lines, customers, span, late_lines=late, traits=traits)
    with temporary_table(work.connection, *changes) as together:
        states = customer_states(together, customers, work.rules, traits=traits)
        with temporary_table(work.connection, states.order_by("customer_id", "valid_from")) as held:
            rows = features_on(held, bound_day())
            yield from zip(work.stage(folder, FEATURES, rows), strict=True)


def loyalty(work: Work, folder: Path) -> Iterator[tuple[Staged, ...]]:
    """Scores of each day and their summaries."""
    of_days = work.read(FEATURES, work.days)
    with temporary_table(work.connection, loyalty_bounds(of_days, work.rules)) as bounds:
        rows = customer_loyalty(view_of_day(FEATURES), work.rules, bounds=bound_figures(bounds))
        scored = work.stage_rows(folder, LOYALTY, rows, FEATURES, figures=bounds)
        written = scan(work.connection, LOYALTY, [one.path for one in scored])
        summaries = loyalty_summary(of_days, written, work.rules, bounds=bounds)
        yield from zip(scored, work.stage_small(folder, SUMMARY, summaries), strict=True)


def rfm(work: Work, folder: Path) -> Iterator[tuple[Staged, ...]]:
    """Scores of each day and the thresholds they come from."""
    with temporary_table(
        work.connection, rfm_cuts(work.read(FEATURES, work.days), work.rules)
    ) as cuts:
        of_day = view_of_day(FEATURES, LOYALTY)
        rows = rfm_beside_loyalty(of_day, work.rules, cuts=bound_figures(cuts))
        scored = work.stage_rows(folder, RFM, rows, FEATURES, LOYALTY, figures=cuts)
        thresholds = work.stage_small(folder, THRESHOLDS, rfm_thresholds(cuts, work.rules))
        yield from zip(scored, thresholds, strict=True)
