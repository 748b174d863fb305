"""RFM scores, class and tier per customer, and the thresholds they come from."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.contract import CUSTOMER_RFM, RFM_THRESHOLDS
from abintel_pipeline.orchestration.asset_page.metadata import Metadata, picture
from abintel_pipeline.orchestration.asset_page.pictures import customers_by_score, spend_by_segment
from abintel_pipeline.orchestration.assets.step import Published, daily_step, published_snapshot
from abintel_pipeline.quality.warnings import rfm_warnings
from abintel_pipeline.snapshots import StepContext, rfm_snapshots


def rfm_pictures(context: StepContext, day: date) -> dict[str, Metadata]:
    """Customers by recency and frequency score, with their tiers, and the spend by segment."""
    return {
        CUSTOMER_RFM.name: {
            "recency_and_frequency": picture(customers_by_score(context, day)),
            "spend": picture(spend_by_segment(context, day)),
        }
    }


@daily_step(
    tables=(CUSTOMER_RFM, RFM_THRESHOLDS),
    group="snapshots",
    depends_on=("customer_features", "customer_loyalty"),
    warnings=rfm_warnings,
    warning_checks={CUSTOMER_RFM.name: ("tier_shares",), RFM_THRESHOLDS.name: ("cohort_size",)},
    pictures=rfm_pictures,
)
def customer_rfm(context: StepContext, days: list[date]) -> Iterator[Published]:
    """Publish the scores of each day together with their thresholds."""
    for rfm, thresholds in rfm_snapshots(context, days):
        yield published_snapshot(context, rfm, thresholds)
