"""RFM scores, class and tier per customer, and the thresholds they come from."""

from datetime import date

from abintel_pipeline.assets.steps import DayMetadata, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.metadata import published
from abintel_pipeline.snapshots import StepContext, rfm_snapshot

RFM, THRESHOLDS = TABLES["customer_rfm"], TABLES["rfm_thresholds"]


def snapshot_day(step: StepContext, day: date) -> DayMetadata:
    """Make one snapshot of the scores and of their thresholds."""
    return published(step, *rfm_snapshot(step, day))


CUSTOMER_RFM_STEP = Step(
    "customer_rfm",
    "snapshots",
    (RFM, THRESHOLDS),
    ("customer_features", "customer_loyalty"),
    snapshot_day,
)
