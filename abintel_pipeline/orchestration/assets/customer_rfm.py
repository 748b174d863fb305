"""RFM scores, class and tier per customer, and the thresholds they come from."""

from collections.abc import Iterator, Mapping
from datetime import date

from abintel_pipeline.contract import CUSTOMER_RFM, RFM_THRESHOLDS
from abintel_pipeline.contract.findings import Finding
from abintel_pipeline.orchestration.asset_page.metadata import Metadata, picture, published
from abintel_pipeline.orchestration.asset_page.pictures import customers_by_score, spend_by_segment
from abintel_pipeline.orchestration.assets.step import Made, Step
from abintel_pipeline.quality.blocking import verified_again
from abintel_pipeline.quality.warnings import rfm_warnings
from abintel_pipeline.snapshots import StepContext, rfm_snapshots


def snapshot_days(step: StepContext, days: list[date]) -> Iterator[Made]:
    """Make the snapshots of the scores and of their thresholds."""
    for rfm, thresholds in rfm_snapshots(step, days):
        findings = (*rfm.findings, *thresholds.findings)
        yield Made(rfm.day, published(step, rfm, thresholds), findings)


def rfm_pictures(step: StepContext, day: date) -> dict[str, Metadata]:
    """Customers by recency and frequency score, with their tiers, and the spend by segment."""
    return {
        CUSTOMER_RFM.name: {
            "recency_and_frequency": picture(customers_by_score(step, day)),
            "spend": picture(spend_by_segment(step, day)),
        }
    }


def looked_at_again(step: StepContext, told: Mapping[date, Metadata]) -> list[Finding]:
    """What verifying the published days finds."""
    return verified_again(
        step.connection,
        step.store,
        (
            CUSTOMER_RFM,
            RFM_THRESHOLDS,
        ),
        told,
    )


CUSTOMER_RFM_STEP = Step(
    "customer_rfm",
    "snapshots",
    (CUSTOMER_RFM, RFM_THRESHOLDS),
    ("customer_features", "customer_loyalty"),
    snapshot_days,
    looked_at_again,
    rfm_warnings,
    {CUSTOMER_RFM.name: ("tier_shares",), RFM_THRESHOLDS.name: ("cohort_size",)},
    rfm_pictures,
)
