"""The steps of the pipeline: read the store, apply the formulas, publish whole files.

This is the pipeline without an orchestrator: the Dagster assets, the benchmarks and anything else
that makes snapshots call these functions. A day's tables are published together or, on any error or
failed check (`verification`), not at all; a step over many days publishes them one by one.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.engines import kept, native
from abintel_pipeline.intake import (
    DeliveryError,
    Intake,
    take_in_customers,
    take_in_transactions,
)
from abintel_pipeline.metrics.features import customer_features
from abintel_pipeline.metrics.in_force import lines_in_force, lines_in_window
from abintel_pipeline.metrics.loyalty import customer_loyalty, loyalty_bounds, loyalty_summary
from abintel_pipeline.metrics.rfm import customer_rfm, rfm_cuts, rfm_thresholds
from abintel_pipeline.metrics.states import Span, customer_changes, customer_states, features_on
from abintel_pipeline.settings import Rules, Settings
from abintel_pipeline.store import SnapshotStore, Staged, bind_day, scan, view_of_day
from abintel_pipeline.verification import reconciled, verified
from abintel_pipeline.windows import NothingDelivered, Window, spans, window_of

RAW_TRANSACTIONS = TABLES["raw_transactions"]
RAW_CUSTOMERS = TABLES["raw_customers"]
CUSTOMER_FEATURES = TABLES["customer_features"]
CUSTOMER_LOYALTY = TABLES["customer_loyalty"]
LOYALTY_SUMMARY = TABLES["loyalty_summary"]
CUSTOMER_RFM = TABLES["customer_rfm"]
RFM_THRESHOLDS = TABLES["rfm_thresholds"]

QUANTILE_BYTES = 100
"""Of a customer in one cohort: five metrics of eight bytes, in lists that grow by doubling."""

WRITERS = 2
"""Files of a range that are written at a time."""

TakeIn = Callable[[Backend, Settings, date, Path], Intake | None]
OnCursor = Callable[[duckdb.DuckDBPyConnection], Staged]


@dataclass(frozen=True)
class StepContext:
    """What every step needs: an engine, the settings, and the rules of this run."""

    connection: Backend
    settings: Settings
    rules: Rules

    @property
    def store(self) -> SnapshotStore:
        return SnapshotStore(self.settings.store)


def take_in(step: StepContext, day: date, how: TakeIn) -> Intake | None:
    """Take in and publish one day's delivery of one request table.

    None when nothing was delivered for that day; what was published before stays.
    """
    with step.store.staging() as folder:
        intake = how(step.connection, step.settings, day, folder)
        if intake is not None:
            intake = reconciled(intake)
            step.store.publish(intake.refused_rows, intake.accepted_rows)
    return intake


def take_in_days(
    step: StepContext, days: Iterable[date], how: TakeIn
) -> Iterator[tuple[date, Intake | None]]:
    """Take in and publish one day's delivery after the other.

    A delivery that can't be taken in doesn't hold up those after it.

    Raises DeliveryError at the end, telling of all that failed.
    """
    failed: list[DeliveryError] = []
    for day in days:
        try:
            taken = take_in(step, day, how)
        except DeliveryError as error:
            failed.append(error)
        else:
            yield day, taken
    if failed:
        raise DeliveryError("\n".join(map(str, failed)))


def transactions_intake(step: StepContext, day: date) -> Intake | None:
    """`raw_transactions` and `rejected_transactions` of one delivery day."""
    return take_in(step, day, take_in_transactions)


def customers_intake(step: StepContext, day: date) -> Intake | None:
    """`raw_customers` and `rejected_customers` of one delivery day."""
    return take_in(step, day, take_in_customers)


def features_snapshot(step: StepContext, day: date) -> tuple[Staged, Window]:
    """`customer_features` of one snapshot, from the deliveries of its trailing window."""
    (made,) = features_snapshots(step, [day])
    return made


def features_snapshots(step: StepContext, days: Iterable[date]) -> Iterator[tuple[Staged, Window]]:
    """`customer_features` of many snapshots, each published and yielded as it is ready.

    In the order of the days. Days whose windows overlap are made from one pass over their lines; a
    day on its own from the lines in force on it. Both give the same bytes.

    Raises NothingDelivered when the windows of some days hold no delivery, after the others have
    been published: a range that begins before the first delivery is made as far as it can be.
    """
    taken_in = step.store.days(RAW_TRANSACTIONS)
    wanted = sorted(set(days))
    windows = {day: window_of(taken_in, day, step.rules.history_days) for day in wanted}
    possible = [window for window in windows.values() if window]
    for chunk in spans(possible):
        make = _features_alone if len(chunk) == 1 else _features_together
        yield from make(step, chunk)
    if impossible := [day for day, window in windows.items() if not window]:
        raise NothingDelivered(impossible, step.rules.history_days)


def _features_alone(step: StepContext, windows: list[Window]) -> Iterator[tuple[Staged, Window]]:
    """Snapshots each of which aggregates the lines in force on its day."""
    for window in windows:
        lines, late, customers = _deliveries(step, window)
        if late is None:
            in_force = lines_in_window(lines, window.end, step.rules.history_days)
        else:
            in_force = lines_in_force(lines, window.end, step.rules.history_days, late_lines=late)
        features = customer_features(in_force, customers, window.end, step.rules)
        with step.store.staging() as folder:
            staged = step.store.stage(folder, CUSTOMER_FEATURES, window.end, features, step.rules)
            for (one,) in verified(step.connection, step.store, [(staged,)]):
                step.store.publish(one)
                yield one, window


def _features_together(step: StepContext, windows: list[Window]) -> Iterator[tuple[Staged, Window]]:
    """Snapshots that pick their rows from the states of one pass."""
    first, last = windows[0], windows[-1]
    delivered = sorted({day for window in windows for day in window.delivered})
    whole = Window(first.start, last.end, delivered, first.first_delivery)
    lines, late, customers = _deliveries(step, whole)
    span = Span(first.end, last.end, step.rules.history_days)
    with (
        _states(
            step, customer_changes(lines, customers, span, late_lines=late), customers
        ) as states,
        step.store.staging() as folder,
    ):
        written = _stage_all(step, (_writing_state(step, folder, states, w.end) for w in windows))
        read = {window.end: window for window in windows}
        for (one,) in verified(step.connection, step.store, ((each,) for each in written)):
            step.store.publish(one)
            yield one, read[one.day]


def _writing_state(step: StepContext, folder: Path, states: ir.Table, day: date) -> OnCursor:
    features = features_on(states, day)
    write = step.store.writing(step.connection, CUSTOMER_FEATURES, features, step.rules)
    return lambda cursor: write(cursor, folder, day)


@contextmanager
def _states(step: StepContext, changes: list[ir.Table], customers: ir.Table) -> Iterator[ir.Table]:
    """The states that the changes run up to, sorted by customer so that each day finds them so."""
    with ExitStack() as rest:
        with kept(step.connection, *changes) as together:
            states = customer_states(together, customers, step.rules).order_by(
                "customer_id", "valid_from"
            )
            held = rest.enter_context(kept(step.connection, states))
        yield held


def _deliveries(step: StepContext, window: Window) -> tuple[ir.Table, ir.Table | None, ir.Table]:
    """The window's lines, those that may have come late (None: none has), and the customers."""
    store, connection = step.store, step.connection
    lines = store.read(connection, RAW_TRANSACTIONS, window.delivered)
    late_days = store.late_days(window.delivered)
    late = store.read(connection, RAW_TRANSACTIONS, late_days) if late_days else None
    customers = store.read(connection, RAW_CUSTOMERS, store.days(RAW_CUSTOMERS, end=window.end))
    return lines, late, customers


def loyalty_snapshot(step: StepContext, day: date) -> tuple[Staged, Staged]:
    """`customer_loyalty` and `loyalty_summary` of one snapshot, from its features."""
    (made,) = loyalty_snapshots(step, [day])
    return made


def loyalty_snapshots(step: StepContext, days: Iterable[date]) -> Iterator[tuple[Staged, Staged]]:
    """`customer_loyalty` and `loyalty_summary` of many snapshots, published and yielded by day.

    In the order of the days; the bounds and the summaries of many days come from one query each.

    Raises SnapshotMissing, before anything is written, when the features of a day aren't published.
    """
    store, connection, rules = step.store, step.connection, step.rules
    for chunk in cohorts(store, days, step.settings.memory_bytes):
        features = store.read(connection, CUSTOMER_FEATURES, chunk)
        with kept(connection, loyalty_bounds(features, rules)) as bounds, store.staging() as folder:
            rows = customer_loyalty(view_of_day(CUSTOMER_FEATURES), rules, bounds=bounds)
            writes = _writing(step, folder, CUSTOMER_LOYALTY, rows, chunk, CUSTOMER_FEATURES)
            scored = list(_stage_all(step, writes))
            loyalty = scan(connection, CUSTOMER_LOYALTY, [one.path for one in scored])
            summaries = loyalty_summary(features, loyalty, rules, bounds=bounds)
            yield from _publish_with(step, folder, scored, LOYALTY_SUMMARY, summaries)


def rfm_snapshot(step: StepContext, day: date) -> tuple[Staged, Staged]:
    """`customer_rfm` and `rfm_thresholds` of one snapshot, from its features and loyalty."""
    (made,) = rfm_snapshots(step, [day])
    return made


def rfm_snapshots(step: StepContext, days: Iterable[date]) -> Iterator[tuple[Staged, Staged]]:
    """`customer_rfm` and `rfm_thresholds` of many snapshots, published and yielded by day.

    In the order of the days; the thresholds of many days come from one query.

    Raises SnapshotMissing, before anything is written, when the features or the loyalty of a day
    aren't published.
    """
    store, connection, rules = step.store, step.connection, step.rules
    wanted = list(days)
    store.paths(CUSTOMER_LOYALTY, wanted)
    for chunk in cohorts(store, wanted, step.settings.memory_bytes):
        features = store.read(connection, CUSTOMER_FEATURES, chunk)
        with kept(connection, rfm_cuts(features, rules)) as cuts, store.staging() as folder:
            of_day, loyalty_of_day = view_of_day(CUSTOMER_FEATURES), view_of_day(CUSTOMER_LOYALTY)
            rows = customer_rfm(of_day, loyalty_of_day, rules, cuts=cuts)
            needed = (CUSTOMER_FEATURES, CUSTOMER_LOYALTY)
            writes = _writing(step, folder, CUSTOMER_RFM, rows, chunk, *needed)
            scored = list(_stage_all(step, writes))
            thresholds = rfm_thresholds(cuts, rules)
            yield from _publish_with(step, folder, scored, RFM_THRESHOLDS, thresholds)


def _writing(
    step: StepContext, folder: Path, table: Table, rows: ir.Table, days: list[date], *needed: Table
) -> Iterator[OnCursor]:
    """Write each day's file from one compiled query over the views of the tables it needs."""
    write = step.store.writing(step.connection, table, rows, step.rules)

    def on_cursor(day: date) -> OnCursor:
        def run(cursor: duckdb.DuckDBPyConnection) -> Staged:
            for one in needed:
                bind_day(cursor, one, step.store.path(one, day))
            return write(cursor, folder, day)

        return run

    return map(on_cursor, days)


def _stage_all(step: StepContext, writes: Iterable[OnCursor]) -> Iterator[Staged]:
    """Stage file after file, in order, two at a time.

    DuckDB sorts and writes one file on little more than one core.
    """
    connection = native(step.connection)

    def with_cursor(write: OnCursor) -> Staged:
        with connection.cursor() as cursor:
            return write(cursor)

    with ThreadPoolExecutor(WRITERS) as pool:
        ahead: deque[Future[Staged]] = deque()
        for write in writes:
            ahead.append(pool.submit(with_cursor, write))
            if len(ahead) > WRITERS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _publish_with(
    step: StepContext, folder: Path, scored: list[Staged], table: Table, rows: ir.Table
) -> Iterator[tuple[Staged, Staged]]:
    """Publish each day's scores together with its rows of a small table that has all the days'."""
    store = step.store
    with kept(step.connection, rows) as every:
        of_day = ((one, every.filter(every.snapshot_date == one.day)) for one in scored)
        made = ((o, store.stage(folder, table, o.day, own, step.rules)) for o, own in of_day)
        for one, small in verified(step.connection, store, made):
            store.publish(one, small)
            yield one, small


def cohorts(store: SnapshotStore, days: Iterable[date], memory_bytes: float) -> list[list[date]]:
    """Chunks of days, in order, whose cohorts' quantiles fit into a quarter of the memory.

    Raises SnapshotMissing when the features of a day aren't published.
    """
    wanted = sorted(set(days))
    store.paths(CUSTOMER_FEATURES, wanted)
    chunks: list[list[date]] = []
    room = 0.0
    for day in wanted:
        needed = QUANTILE_BYTES * store.rows(CUSTOMER_FEATURES, day)
        if not chunks or needed > room:
            chunks.append([])
            room = memory_bytes / 4
        chunks[-1].append(day)
        room -= needed
    return chunks
