"""The features: one snapshot from the lines in force, a range from one pass over its lines."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial

import ibis.expr.types as ir

from abintel_pipeline.contract import CUSTOMER_FEATURES, RAW_CUSTOMERS, RAW_TRANSACTIONS
from abintel_pipeline.contract.line_traits import LineTraits
from abintel_pipeline.engine.connection import bound_day, kept
from abintel_pipeline.metrics.features import customer_features
from abintel_pipeline.metrics.in_force import lines_in_force
from abintel_pipeline.metrics.span import Span
from abintel_pipeline.metrics.states import customer_changes, customer_states, features_on
from abintel_pipeline.quality.blocking import verified
from abintel_pipeline.snapshots.chunks import chunk_by_chunk
from abintel_pipeline.snapshots.files import staged_all, writing
from abintel_pipeline.snapshots.unchanged import (
    Unchanged,
    deliveries_unchanged,
    until_unchanged,
)
from abintel_pipeline.store.locks import await_intakes
from abintel_pipeline.store.snapshot_store import Staged
from abintel_pipeline.store.step_context import StepContext
from abintel_pipeline.store.windows import NothingDelivered, Window, spans, window_of


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
    Raises VerificationFailed, likewise, for days that were refused.
    """
    wanted = sorted(set(days))
    if not wanted:
        return
    await_intakes(step.store.root, wanted[-1])
    windows = _windows(step, wanted)
    yield from chunk_by_chunk(
        spans(list(windows.values())),
        lambda chunk: until_unchanged(
            [window.end for window in chunk],
            partial(deliveries_unchanged, step),
            partial(_made, step),
        ),
    )
    if impossible := [day for day in wanted if day not in windows]:
        raise NothingDelivered(impossible, step.rules.history_days)


def _windows(step: StepContext, days: list[date]) -> dict[date, Window]:
    """The window of each day, where anything was delivered in it."""
    taken_in = step.store.days(RAW_TRANSACTIONS)
    windows = ((day, window_of(taken_in, day, step.rules.history_days)) for day in days)
    return {day: window for day, window in windows if window}


def _made(
    step: StepContext, days: list[date], unchanged: Unchanged
) -> Iterator[tuple[Staged, Window]]:
    windows = list(_windows(step, days).values())
    if len(windows) == 1:
        return _alone(step, windows[0], unchanged)
    return _together(step, windows, unchanged)


def _alone(
    step: StepContext, window: Window, unchanged: Unchanged
) -> Iterator[tuple[Staged, Window]]:
    """A snapshot that aggregates the lines in force on its day."""
    given = _deliveries(step, window)
    in_force = lines_in_force(
        given.lines,
        window.end,
        step.rules.history_days,
        late_lines=given.late_lines,
        traits=given.traits,
    )
    features = customer_features(
        in_force, given.customers, window.end, step.rules, traits=given.traits
    )
    with step.store.staging() as folder:
        staged = step.store.stage(folder, CUSTOMER_FEATURES, window.end, features, step.rules)
        for (one,) in verified(step.connection, step.store, [(staged,)]):
            step.store.publish(one, unchanged=unchanged)
            yield one, window


def _together(
    step: StepContext, windows: list[Window], unchanged: Unchanged
) -> Iterator[tuple[Staged, Window]]:
    """Snapshots that pick their rows from the states of one pass."""
    first, last = windows[0], windows[-1]
    delivered = sorted({day for window in windows for day in window.delivered})
    whole = Window(first.start, last.end, delivered, first.first_delivery)
    span = Span(first.end, last.end, step.rules.history_days)
    with (
        _states(step, _deliveries(step, whole), span) as states,
        step.store.staging() as folder,
    ):
        features = features_on(states, bound_day())
        read = {window.end: window for window in windows}
        writes = writing(step, folder, CUSTOMER_FEATURES, features, list(read))
        with staged_all(step, writes) as staged:
            made = ((each,) for each in staged)
            for (one,) in verified(step.connection, step.store, made):
                step.store.publish(one, unchanged=unchanged)
                yield one, read[one.day]


@contextmanager
def _states(step: StepContext, given: "_Deliveries", span: Span) -> Iterator[ir.Table]:
    """The states that the changes run up to, sorted by customer so that each day finds them so."""
    changes = customer_changes(
        given.lines, given.customers, span, late_lines=given.late_lines, traits=given.traits
    )
    with ExitStack() as rest:
        with kept(step.connection, *changes) as together:
            states = customer_states(together, given.customers, step.rules, traits=given.traits)
            in_order = states.order_by("customer_id", "valid_from")
            held = rest.enter_context(kept(step.connection, in_order))
        yield held


@dataclass(frozen=True)
class _Deliveries:
    """What was delivered in a window."""

    lines: ir.Table
    late_lines: ir.Table
    """Of the days that brought late ones; of those, the others too."""
    customers: ir.Table
    traits: LineTraits


def _deliveries(step: StepContext, window: Window) -> _Deliveries:
    store, connection = step.store, step.connection
    lines = store.read(connection, RAW_TRANSACTIONS, window.delivered)
    traits = store.line_traits(window.delivered)
    late_days = [day for day, one in traits.items() if one.late]
    late = store.read(connection, RAW_TRANSACTIONS, late_days) if late_days else lines
    customers = store.read(connection, RAW_CUSTOMERS, store.days(RAW_CUSTOMERS, end=window.end))
    return _Deliveries(lines, late, customers, LineTraits.of_all(traits.values()))
