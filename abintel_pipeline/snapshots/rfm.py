"""The RFM step: scores, classes and tiers of a snapshot, and the thresholds they come from."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from abintel_pipeline.contract import (
    CUSTOMER_FEATURES,
    CUSTOMER_RFM,
    MADE_FROM,
    RFM_THRESHOLDS,
)
from abintel_pipeline.engine.connection import bound_figures, temporary_table
from abintel_pipeline.metrics.rfm import rfm_beside_loyalty, rfm_cuts, rfm_thresholds
from abintel_pipeline.snapshots.publishing import CohortStep, Day, Days
from abintel_pipeline.store.snapshot_store import view_of_day
from abintel_pipeline.store.step_context import StepContext


def rfm_snapshot(context: StepContext, day: date) -> Day:
    """`customer_rfm` and `rfm_thresholds` of one snapshot, from its features and loyalty."""
    (made,) = rfm_snapshots(context, [day])
    return made


def rfm_snapshots(context: StepContext, days: Iterable[date]) -> Days:
    """`customer_rfm` and `rfm_thresholds` of many snapshots, published and yielded by day.

    In the order of the days; the thresholds of many days come from one query.

    Raises SnapshotMissing, before anything is written, when the features or the loyalty of a day
    aren't published; VerificationFailed, after the other days, for those that were rejected.
    """
    return RfmStep(context).publish(days)


class RfmStep(CohortStep):
    parents = MADE_FROM[CUSTOMER_RFM]

    def compute(self, folder: Path, days: list[date]) -> Days:
        connection, rules = self.context.connection, self.context.rules
        features = self.context.store.read(connection, CUSTOMER_FEATURES, days)
        with temporary_table(connection, rfm_cuts(features, rules)) as cuts:
            of_day = view_of_day(*self.parents)
            rows = rfm_beside_loyalty(of_day, rules, cuts=bound_figures(cuts))
            thresholds = rfm_thresholds(cuts, rules)
            with (
                self.written(
                    folder, CUSTOMER_RFM, rows, days, beside=self.parents, figures=cuts
                ) as scored,
                self.picked(folder, RFM_THRESHOLDS, thresholds, days) as listed,
            ):
                yield from zip(scored, listed, strict=True)
