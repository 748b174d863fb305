"""RFM scores, class and tier per customer, and the thresholds they come from."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.assets.steps import DayMetadata, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.metadata import published
from abintel_pipeline.snapshots import StepContext, rfm_snapshots

RFM, THRESHOLDS = TABLES["customer_rfm"], TABLES["rfm_thresholds"]


def snapshot_days(step: StepContext, days: list[date]) -> Iterator[tuple[date, DayMetadata]]:
    """Make the snapshots of the scores and of their thresholds."""
    for rfm, thresholds in rfm_snapshots(step, days):
        yield rfm.day, published(step, rfm, thresholds)


CUSTOMER_RFM_STEP = Step(
    "customer_rfm",
    "snapshots",
    (RFM, THRESHOLDS),
    ("customer_features", "customer_loyalty"),
    snapshot_days,
)
