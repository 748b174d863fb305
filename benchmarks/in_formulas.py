"""The formulas and the store as a contender: the same files, without looking at them beforehand.

What `snapshots` adds to it is the verification, and what holds its steps together.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.engines import bind_day, bound_day, engine, kept, native
from abintel_pipeline.metrics.features import customer_features
from abintel_pipeline.metrics.in_force import lines_in_force, lines_in_window, window_start
from abintel_pipeline.metrics.loyalty import customer_loyalty, loyalty_bounds, loyalty_summary
from abintel_pipeline.metrics.rfm import customer_rfm, rfm_cuts, rfm_thresholds
from abintel_pipeline.metrics.states import Span, customer_changes, customer_states, features_on
from abintel_pipeline.settings import Rules
from abintel_pipeline.store import SnapshotStore, Staged, bind_file, scan, view_of_day
from benchmarks.in_pipeline import settings
from benchmarks.job import ChainJob

RAW, CUSTOMERS = TABLES["raw_transactions"], TABLES["raw_customers"]
FEATURES, RFM, THRESHOLDS = (
    TABLES[name] for name in ("customer_features", "customer_rfm", "rfm_thresholds")
)
LOYALTY, SUMMARY = TABLES["customer_loyalty"], TABLES["loyalty_summary"]
WRITERS = 2
"""Files that are written at a time, as `snapshots` does."""


@dataclass(frozen=True)
class Work:
    """The days to make, and what they are made with."""

    connection: Backend
    store: SnapshotStore
    rules: Rules
    days: list[date]

    def read(self, table: Table, days: list[date]) -> ir.Table:
        return self.store.read(self.connection, table, days)

    def stage(self, folder: Path, table: Table, rows: ir.Table, *needed: Table) -> list[Staged]:
        """A file per day of `rows` on the bound day, which read `needed` of that day."""
        write = self.store.writing(self.connection, table, rows, self.rules)

        def one(day: date) -> Staged:
            with native(self.connection).cursor() as cursor:
                bind_day(cursor, day)
                for other in needed:
                    bind_file(cursor, other, self.store.path(other, day))
                return write(cursor, folder, day)

        with ThreadPoolExecutor(WRITERS) as pool:
            return list(pool.map(one, self.days))

    def stage_small(self, folder: Path, table: Table, rows: ir.Table) -> list[Staged]:
        """A file per day of a small table that has all days' rows."""
        with kept(self.connection, rows) as every:
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
    lines, late_days = work.read(RAW, days), work.store.late_days(days)
    late = work.read(RAW, late_days) if late_days else None
    customers = work.read(CUSTOMERS, work.store.days(CUSTOMERS, end=last))
    if first == last:
        in_force = (
            lines_in_window(lines, last, history)
            if late is None
            else lines_in_force(lines, last, history, late_lines=late)
        )
        rows = customer_features(in_force, customers, last, work.rules)
        yield (work.store.stage(folder, FEATURES, last, rows, work.rules),)
        return
    changes = customer_changes(lines, customers, Span(first, last, history), late_lines=late)
    with kept(work.connection, *changes) as together:
        states = customer_states(together, customers, work.rules)
        with kept(work.connection, states.order_by("customer_id", "valid_from")) as held:
            rows = features_on(held, bound_day())
            yield from zip(work.stage(folder, FEATURES, rows), strict=True)


def loyalty(work: Work, folder: Path) -> Iterator[tuple[Staged, ...]]:
    """Scores of each day and their summaries."""
    of_days = work.read(FEATURES, work.days)
    with kept(work.connection, loyalty_bounds(of_days, work.rules)) as bounds:
        rows = customer_loyalty(view_of_day(FEATURES), work.rules, bounds=bounds)
        scored = work.stage(folder, LOYALTY, rows, FEATURES)
        written = scan(work.connection, LOYALTY, [one.path for one in scored])
        summaries = loyalty_summary(of_days, written, work.rules, bounds=bounds)
        yield from zip(scored, work.stage_small(folder, SUMMARY, summaries), strict=True)


def rfm(work: Work, folder: Path) -> Iterator[tuple[Staged, ...]]:
    """Scores of each day and the thresholds they come from."""
    with kept(work.connection, rfm_cuts(work.read(FEATURES, work.days), work.rules)) as cuts:
        of_day, loyalty_of_day = view_of_day(FEATURES), view_of_day(LOYALTY)
        rows = customer_rfm(of_day, loyalty_of_day, work.rules, cuts=cuts)
        scored = work.stage(folder, RFM, rows, FEATURES, LOYALTY)
        thresholds = work.stage_small(folder, THRESHOLDS, rfm_thresholds(cuts, work.rules))
        yield from zip(scored, thresholds, strict=True)
