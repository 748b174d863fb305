"""The features: one snapshot from the lines in force, a range from one pass over its lines."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import ibis.expr.types as ir

from abintel_pipeline.contract import (
    CUSTOMER_FEATURES,
    RAW_CUSTOMERS,
    RAW_TRANSACTIONS,
    Table,
)
from abintel_pipeline.contract.line_traits import LineTraits
from abintel_pipeline.engine.connection import bound_day, temporary_table
from abintel_pipeline.metrics.features import customer_features
from abintel_pipeline.metrics.in_force import lines_in_force, window_start
from abintel_pipeline.metrics.range_features import customer_changes, customer_states, features_on
from abintel_pipeline.metrics.snapshot_range import SnapshotRange
from abintel_pipeline.snapshots.publishing import DailyStep, Days, Inputs, Reads
from abintel_pipeline.store.locks import await_intakes
from abintel_pipeline.store.snapshot_store import Staged
from abintel_pipeline.store.step_context import StepContext
from abintel_pipeline.store.windows import NothingDelivered, Window, spans, window_of


def features_snapshot(context: StepContext, day: date) -> tuple[Staged, Window]:
    """`customer_features` of one snapshot, from the deliveries of its trailing window."""
    (made,) = features_snapshots(context, [day])
    return made


def features_snapshots(
    context: StepContext, days: Iterable[date]
) -> Iterator[tuple[Staged, Window]]:
    """`customer_features` of many snapshots, each published and yielded as it is ready.

    In the order of the days. Days whose windows overlap are made from one pass over their lines; a
    day on its own from the lines in force on it. Both give the same bytes.

    Raises NothingDelivered when the windows of some days hold no delivery, after the others have
    been published: a range that begins before the first delivery is made as far as it can be.
    Raises VerificationFailed, likewise, for days that were rejected.
    """
    wanted = sorted(set(days))
    step = FeaturesStep(context)
    for (staged,) in step.publish(wanted):
        yield staged, step.windows[staged.day]
    if impossible := [day for day in wanted if day not in step.windows]:
        raise NothingDelivered(impossible, context.rules.history_days)


class FeaturesStep(DailyStep):
    def __init__(self, context: StepContext) -> None:
        super().__init__(context)
        self.windows: dict[date, Window] = {}
        """The window that each day was last computed from."""

    def chunks(self, days: list[date]) -> list[list[date]]:
        if not days:
            return []
        await_intakes(self.context.store.root, days[-1])
        return [[window.end for window in chunk] for chunk in spans(self._windows(days))]

    def inputs(self, days: list[date]) -> Inputs:
        """Intakes under way are waited for first."""
        await_intakes(self.context.store.root, days[-1])
        return super().inputs(days)

    def reads(self, day: date) -> Reads:
        start = window_start(day, self.context.rules.history_days)
        return {RAW_TRANSACTIONS: (start, day), RAW_CUSTOMERS: (date.min, day)}

    def reach(self, table: Table, read: date) -> date | None:
        """As `affected_snapshots` tells it."""
        store = self.context.store
        if table is RAW_CUSTOMERS:
            return date.max if store.rows(table, read) else None
        return store.newest_date(read)

    def compute(self, folder: Path, days: list[date]) -> Days:
        windows = self._windows(days)
        if gone := sorted(set(days) - {window.end for window in windows}):
            raise NothingDelivered(gone, self.context.rules.history_days)
        if len(windows) == 1:
            return self._from_lines(folder, windows[0])
        return self._from_states(folder, windows)

    def _windows(self, days: list[date]) -> list[Window]:
        """The window of each day, where anything was delivered in it."""
        context = self.context
        taken_in = context.store.days(RAW_TRANSACTIONS)
        found = (window_of(taken_in, day, context.rules.history_days) for day in days)
        windows = [window for window in found if window]
        self.windows |= {window.end: window for window in windows}
        return windows

    def _from_lines(self, folder: Path, window: Window) -> Days:
        """A snapshot that aggregates the lines in force on its day."""
        context, day = self.context, window.end
        given = _deliveries(context, window)
        in_force = lines_in_force(
            given.lines,
            day,
            context.rules.history_days,
            late_lines=given.late_lines,
            traits=given.traits,
        )
        rows = customer_features(in_force, given.customers, day, context.rules, traits=given.traits)
        yield (context.store.stage(folder, CUSTOMER_FEATURES, day, rows, self.origin(day)),)

    def _from_states(self, folder: Path, windows: list[Window]) -> Days:
        """Snapshots that pick their rows from the states of one pass."""
        first, last = windows[0], windows[-1]
        delivered = sorted({day for window in windows for day in window.delivered})
        whole = Window(first.start, last.end, delivered, first.first_delivery)
        span = SnapshotRange(first.end, last.end, self.context.rules.history_days)
        days = [window.end for window in windows]
        with _states(self.context, _deliveries(self.context, whole), span) as states:
            rows = features_on(states, bound_day())
            with self.written(folder, CUSTOMER_FEATURES, rows, days) as staged:
                yield from ((one,) for one in staged)


@contextmanager
def _states(context: StepContext, given: "_Deliveries", span: SnapshotRange) -> Iterator[ir.Table]:
    """The states that the changes run up to, sorted by customer so that each day finds them so."""
    changes = customer_changes(
        given.lines, given.customers, span, late_lines=given.late_lines, traits=given.traits
    )
    with ExitStack() as rest:
        with temporary_table(context.connection, *changes) as together:
            states = customer_states(together, given.customers, context.rules, traits=given.traits)
            in_order = states.order_by("customer_id", "valid_from")
            held = rest.enter_context(temporary_table(context.connection, in_order))
        yield held


@dataclass(frozen=True)
class _Deliveries:
    """What was delivered in a window."""

    lines: ir.Table
    late_lines: ir.Table
    """Of the days that brought late ones; of those, the others too."""
    customers: ir.Table
    traits: LineTraits


def _deliveries(context: StepContext, window: Window) -> _Deliveries:
    store, connection = context.store, context.connection
    lines = store.read(connection, RAW_TRANSACTIONS, window.delivered)
    traits = store.line_traits(window.delivered)
    late_days = [day for day, one in traits.items() if one.late]
    late = store.read(connection, RAW_TRANSACTIONS, late_days) if late_days else lines
    customers = store.read(connection, RAW_CUSTOMERS, store.days(RAW_CUSTOMERS, end=window.end))
    return _Deliveries(lines, late, customers, LineTraits.of_all(traits.values()))
