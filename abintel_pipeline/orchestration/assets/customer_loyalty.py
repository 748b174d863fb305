"""Loyalty score and segment per customer, and the summary of the cohort."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.contract import CUSTOMER_LOYALTY, LOYALTY_SUMMARY
from abintel_pipeline.orchestration.asset_page.metadata import Metadata, picture
from abintel_pipeline.orchestration.asset_page.pictures import score_histogram
from abintel_pipeline.orchestration.assets.step import Published, daily_step, published_snapshot
from abintel_pipeline.quality.warnings import loyalty_warnings
from abintel_pipeline.snapshots import StepContext, loyalty_snapshots


def loyalty_pictures(context: StepContext, day: date) -> dict[str, Metadata]:
    """The histogram of the scores with the segments' cuts."""
    return {CUSTOMER_LOYALTY.name: {"scores": picture(score_histogram(context, day))}}


@daily_step(
    tables=(CUSTOMER_LOYALTY, LOYALTY_SUMMARY),
    group="snapshots",
    depends_on=("customer_features",),
    warnings=loyalty_warnings,
    warning_checks={LOYALTY_SUMMARY.name: ("empty_segment", "constant_metric")},
    pictures=loyalty_pictures,
)
def customer_loyalty(context: StepContext, days: list[date]) -> Iterator[Published]:
    """Publish the scores of each day together with their summary."""
    for loyalty, summary in loyalty_snapshots(context, days):
        yield published_snapshot(context, loyalty, summary)
