"""Loyalty score and segment per customer, and the summary of the cohort."""

from collections.abc import Iterator, Mapping
from datetime import date

from abintel_pipeline.contract import CUSTOMER_LOYALTY, LOYALTY_SUMMARY
from abintel_pipeline.contract.findings import Finding
from abintel_pipeline.orchestration.asset_page.metadata import Metadata, picture, published
from abintel_pipeline.orchestration.asset_page.pictures import score_histogram
from abintel_pipeline.orchestration.assets.step import Made, Step
from abintel_pipeline.quality.blocking import verified_again
from abintel_pipeline.quality.warnings import loyalty_warnings
from abintel_pipeline.snapshots import StepContext, loyalty_snapshots


def snapshot_days(step: StepContext, days: list[date]) -> Iterator[Made]:
    """Make the snapshots of the scores and of their summaries."""
    for loyalty, summary in loyalty_snapshots(step, days):
        findings = (*loyalty.findings, *summary.findings)
        yield Made(loyalty.day, published(step, loyalty, summary), findings)


def loyalty_pictures(step: StepContext, day: date) -> dict[str, Metadata]:
    """The histogram of the scores with the segments' cuts."""
    return {CUSTOMER_LOYALTY.name: {"scores": picture(score_histogram(step, day))}}


def looked_at_again(step: StepContext, told: Mapping[date, Metadata]) -> list[Finding]:
    """What verifying the published days finds."""
    return verified_again(
        step.connection,
        step.store,
        (
            CUSTOMER_LOYALTY,
            LOYALTY_SUMMARY,
        ),
        told,
    )


CUSTOMER_LOYALTY_STEP = Step(
    "customer_loyalty",
    "snapshots",
    (CUSTOMER_LOYALTY, LOYALTY_SUMMARY),
    ("customer_features",),
    snapshot_days,
    looked_at_again,
    loyalty_warnings,
    {LOYALTY_SUMMARY.name: ("empty_segment", "constant_metric")},
    loyalty_pictures,
)
