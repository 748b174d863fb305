"""The loyalty step: scores and segments of a snapshot, and their summary."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from abintel_pipeline.contract import (
    CUSTOMER_FEATURES,
    CUSTOMER_LOYALTY,
    LOYALTY_SUMMARY,
    MADE_FROM,
)
from abintel_pipeline.engine.connection import bound_figures, temporary_table
from abintel_pipeline.metrics.loyalty import customer_loyalty, loyalty_bounds, loyalty_summary
from abintel_pipeline.snapshots.publishing import CohortStep, Day, Days
from abintel_pipeline.store.snapshot_store import scan, view_of_day
from abintel_pipeline.store.step_context import StepContext


def loyalty_snapshot(context: StepContext, day: date) -> Day:
    """`customer_loyalty` and `loyalty_summary` of one snapshot, from its features."""
    (made,) = loyalty_snapshots(context, [day])
    return made


def loyalty_snapshots(context: StepContext, days: Iterable[date]) -> Days:
    """`customer_loyalty` and `loyalty_summary` of many snapshots, published and yielded by day.

    In the order of the days; the bounds and the summaries of many days come from one query each.

    Raises SnapshotMissing, before anything is written, when the features of a day aren't published;
    VerificationFailed, after the other days, for those that were rejected.
    """
    return LoyaltyStep(context).publish(days)


class LoyaltyStep(CohortStep):
    parents = MADE_FROM[CUSTOMER_LOYALTY]

    def compute(self, folder: Path, days: list[date]) -> Days:
        connection, rules = self.context.connection, self.context.rules
        features = self.context.store.read(connection, CUSTOMER_FEATURES, days)
        with temporary_table(connection, loyalty_bounds(features, rules)) as bounds:
            of_day = view_of_day(*self.parents)
            rows = customer_loyalty(of_day, rules, bounds=bound_figures(bounds))
            with self.written(
                folder, CUSTOMER_LOYALTY, rows, days, beside=self.parents, figures=bounds
            ) as staged:
                scored = list(staged)
            loyalty = scan(connection, CUSTOMER_LOYALTY, [one.path for one in scored])
            summaries = loyalty_summary(features, loyalty, rules, bounds=bounds)
            with self.picked(folder, LOYALTY_SUMMARY, summaries, days) as summary:
                yield from zip(scored, summary, strict=True)
