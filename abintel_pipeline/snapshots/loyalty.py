"""The loyalty step: scores and segments of a snapshot, and their summary."""

from collections.abc import Iterable, Iterator
from datetime import date
from functools import partial

from abintel_pipeline.contract import CUSTOMER_FEATURES, CUSTOMER_LOYALTY, LOYALTY_SUMMARY
from abintel_pipeline.engine.connection import bound_figures, kept
from abintel_pipeline.metrics.loyalty import customer_loyalty, loyalty_bounds, loyalty_summary
from abintel_pipeline.snapshots.chunks import chunk_by_chunk, cohorts
from abintel_pipeline.snapshots.files import publish_with, staged_all, writing_rows
from abintel_pipeline.snapshots.unchanged import Unchanged, files_unchanged, until_unchanged
from abintel_pipeline.store.snapshot_store import Staged, scan, view_of_day
from abintel_pipeline.store.step_context import StepContext


def loyalty_snapshot(step: StepContext, day: date) -> tuple[Staged, Staged]:
    """`customer_loyalty` and `loyalty_summary` of one snapshot, from its features."""
    (made,) = loyalty_snapshots(step, [day])
    return made


def loyalty_snapshots(step: StepContext, days: Iterable[date]) -> Iterator[tuple[Staged, Staged]]:
    """`customer_loyalty` and `loyalty_summary` of many snapshots, published and yielded by day.

    In the order of the days; the bounds and the summaries of many days come from one query each.

    Raises SnapshotMissing, before anything is written, when the features of a day aren't published;
    VerificationFailed, after the other days, for those that were refused.
    """
    chunks = cohorts(step.store, days, step.settings.memory_bytes)
    look, make = partial(files_unchanged, step, (CUSTOMER_FEATURES,)), partial(_scored, step)
    yield from chunk_by_chunk(chunks, lambda chunk: until_unchanged(chunk, look, make))


def _scored(
    step: StepContext, days: list[date], unchanged: Unchanged
) -> Iterator[tuple[Staged, Staged]]:
    store, connection, rules = step.store, step.connection, step.rules
    features = store.read(connection, CUSTOMER_FEATURES, days)
    with kept(connection, loyalty_bounds(features, rules)) as bounds, store.staging() as folder:
        of_day = view_of_day(CUSTOMER_FEATURES)
        rows = customer_loyalty(of_day, rules, bounds=bound_figures(bounds))
        writes = writing_rows(
            step, folder, CUSTOMER_LOYALTY, rows, days, CUSTOMER_FEATURES, figures=bounds
        )
        with staged_all(step, writes) as made:
            scored = list(made)
        loyalty = scan(connection, CUSTOMER_LOYALTY, [one.path for one in scored])
        summaries = loyalty_summary(features, loyalty, rules, bounds=bounds)
        yield from publish_with(
            step, folder, scored, LOYALTY_SUMMARY, summaries, days=days, unchanged=unchanged
        )
