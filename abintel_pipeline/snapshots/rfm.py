"""The RFM step: scores, classes and tiers of a snapshot, and the thresholds they come from."""

from collections.abc import Iterable, Iterator
from datetime import date
from functools import partial

from abintel_pipeline.contract import (
    CUSTOMER_FEATURES,
    CUSTOMER_LOYALTY,
    CUSTOMER_RFM,
    RFM_THRESHOLDS,
)
from abintel_pipeline.engine.connection import bound_figures, kept
from abintel_pipeline.metrics.rfm import rfm_beside_loyalty, rfm_cuts, rfm_thresholds
from abintel_pipeline.snapshots.chunks import chunk_by_chunk, cohorts
from abintel_pipeline.snapshots.files import publish_with, staged_all, writing_rows
from abintel_pipeline.snapshots.unchanged import Unchanged, files_unchanged, until_unchanged
from abintel_pipeline.store.snapshot_store import Staged, view_of_day
from abintel_pipeline.store.step_context import StepContext

NEEDED = (CUSTOMER_FEATURES, CUSTOMER_LOYALTY)
"""What RFM is made from, each by its file of the day."""


def rfm_snapshot(step: StepContext, day: date) -> tuple[Staged, Staged]:
    """`customer_rfm` and `rfm_thresholds` of one snapshot, from its features and loyalty."""
    (made,) = rfm_snapshots(step, [day])
    return made


def rfm_snapshots(step: StepContext, days: Iterable[date]) -> Iterator[tuple[Staged, Staged]]:
    """`customer_rfm` and `rfm_thresholds` of many snapshots, published and yielded by day.

    In the order of the days; the thresholds of many days come from one query.

    Raises SnapshotMissing, before anything is written, when the features or the loyalty of a day
    aren't published; VerificationFailed, after the other days, for those that were refused.
    """
    wanted = list(days)
    step.store.paths(CUSTOMER_LOYALTY, wanted)
    chunks = cohorts(step.store, wanted, step.settings.memory_bytes)
    look, make = partial(files_unchanged, step, NEEDED), partial(_scored, step)
    yield from chunk_by_chunk(chunks, lambda chunk: until_unchanged(chunk, look, make))


def _scored(
    step: StepContext, days: list[date], unchanged: Unchanged
) -> Iterator[tuple[Staged, Staged]]:
    store, connection, rules = step.store, step.connection, step.rules
    features = store.read(connection, CUSTOMER_FEATURES, days)
    with kept(connection, rfm_cuts(features, rules)) as cuts, store.staging() as folder:
        rows = rfm_beside_loyalty(view_of_day(*NEEDED), rules, cuts=bound_figures(cuts))
        writes = writing_rows(step, folder, CUSTOMER_RFM, rows, days, *NEEDED, figures=cuts)
        thresholds = rfm_thresholds(cuts, rules)
        with staged_all(step, writes) as scored:
            yield from publish_with(
                step, folder, scored, RFM_THRESHOLDS, thresholds, days=days, unchanged=unchanged
            )
