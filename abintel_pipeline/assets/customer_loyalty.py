"""Loyalty score and segment per customer, and the summary of the cohort."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.assets.steps import DayMetadata, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.metadata import published
from abintel_pipeline.snapshots import StepContext, loyalty_snapshots

LOYALTY, SUMMARY = TABLES["customer_loyalty"], TABLES["loyalty_summary"]


def snapshot_days(step: StepContext, days: list[date]) -> Iterator[tuple[date, DayMetadata]]:
    """Make the snapshots of the scores and of their summaries."""
    for loyalty, summary in loyalty_snapshots(step, days):
        yield loyalty.day, published(step, loyalty, summary)


CUSTOMER_LOYALTY_STEP = Step(
    "customer_loyalty", "snapshots", (LOYALTY, SUMMARY), ("customer_features",), snapshot_days
)
