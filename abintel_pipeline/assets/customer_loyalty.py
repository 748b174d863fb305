"""Loyalty score and segment per customer, and the summary of the cohort."""

from collections.abc import Iterator, Mapping
from datetime import date

from abintel_pipeline.assets.step import Made, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.findings import Finding
from abintel_pipeline.metadata import Metadata, picture, published
from abintel_pipeline.pictures import score_histogram
from abintel_pipeline.snapshots import StepContext, loyalty_snapshots
from abintel_pipeline.verification import verified_again
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


def looked_at_again(step: StepContext, told: Mapping[date, Metadata]) -> list[Finding]:
    """What verifying the published days finds."""
    return verified_again(
        step.connection,
        step.store,
        (
            LOYALTY,
            SUMMARY,
        ),
        told,
    )


CUSTOMER_LOYALTY_STEP = Step(
    "customer_loyalty",
    "snapshots",
    (LOYALTY, SUMMARY),
    ("customer_features",),
    snapshot_days,
    looked_at_again,
    loyalty_warnings,
    {SUMMARY.name: ("empty_segment", "constant_metric")},
    loyalty_pictures,
)
