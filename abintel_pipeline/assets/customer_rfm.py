"""RFM scores, class and tier per customer, and the thresholds they come from."""

from collections.abc import Iterator, Mapping
from datetime import date

from abintel_pipeline.assets.step import Made, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.findings import Finding
from abintel_pipeline.metadata import Metadata, picture, published
from abintel_pipeline.pictures import customers_by_score, spend_by_segment
from abintel_pipeline.snapshots import StepContext, rfm_snapshots
from abintel_pipeline.verification import verified_again
from abintel_pipeline.warning import rfm_warnings

RFM, THRESHOLDS = TABLES["customer_rfm"], TABLES["rfm_thresholds"]


def snapshot_days(step: StepContext, days: list[date]) -> Iterator[Made]:
    """Make the snapshots of the scores and of their thresholds."""
    for rfm, thresholds in rfm_snapshots(step, days):
        findings = (*rfm.findings, *thresholds.findings)
        yield Made(rfm.day, published(step, rfm, thresholds), findings)


def rfm_pictures(step: StepContext, day: date) -> dict[str, Metadata]:
    """Customers by recency and frequency score, with their tiers, and the spend by segment."""
    return {
        RFM.name: {
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
            RFM,
            THRESHOLDS,
        ),
        told,
    )


CUSTOMER_RFM_STEP = Step(
    "customer_rfm",
    "snapshots",
    (RFM, THRESHOLDS),
    ("customer_features", "customer_loyalty"),
    snapshot_days,
    looked_at_again,
    rfm_warnings,
    {RFM.name: ("tier_shares",), THRESHOLDS.name: ("cohort_size",)},
    rfm_pictures,
)
