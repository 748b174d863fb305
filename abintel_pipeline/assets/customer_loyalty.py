"""Loyalty score and segment per customer, and the summary of the cohort."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.assets.step import Made, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.metadata import Metadata, picture, published
from abintel_pipeline.pictures import score_histogram
from abintel_pipeline.snapshots import StepContext, loyalty_snapshots
from abintel_pipeline.warning import loyalty_warnings

LOYALTY, SUMMARY = TABLES["customer_loyalty"], TABLES["loyalty_summary"]


def snapshot_days(step: StepContext, days: list[date]) -> Iterator[Made]:
    """Make the snapshots of the scores and of their summaries."""
    for loyalty, summary in loyalty_snapshots(step, days):
        findings = (*loyalty.findings, *summary.findings)
        yield Made(loyalty.day, published(step, loyalty, summary), findings)


def loyalty_pictures(step: StepContext, day: date) -> dict[str, Metadata]:
    """The histogram of the scores with the segments' cuts."""
    return {LOYALTY.name: {"scores": picture(score_histogram(step, day))}}


CUSTOMER_LOYALTY_STEP = Step(
    "customer_loyalty",
    "snapshots",
    (LOYALTY, SUMMARY),
    ("customer_features",),
    snapshot_days,
    loyalty_warnings,
    {SUMMARY.name: ("empty_segment", "constant_metric")},
    loyalty_pictures,
)
