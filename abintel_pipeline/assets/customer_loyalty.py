"""Loyalty score and segment per customer, and the summary of the cohort."""

from datetime import date

from abintel_pipeline.assets.steps import DayMetadata, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.metadata import published
from abintel_pipeline.snapshots import StepContext, loyalty_snapshot

LOYALTY, SUMMARY = TABLES["customer_loyalty"], TABLES["loyalty_summary"]


def snapshot_day(step: StepContext, day: date) -> DayMetadata:
    """Make one snapshot of the scores and of their summary."""
    return published(step, *loyalty_snapshot(step, day))


CUSTOMER_LOYALTY_STEP = Step(
    "customer_loyalty", "snapshots", (LOYALTY, SUMMARY), ("customer_features",), snapshot_day
)
