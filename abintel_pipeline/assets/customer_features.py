"""Six features per customer over the trailing window of a snapshot."""

from datetime import date

from abintel_pipeline.assets.steps import DayMetadata, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.metadata import published, window_metadata
from abintel_pipeline.snapshots import StepContext, features_snapshot

FEATURES = TABLES["customer_features"]


def snapshot_day(step: StepContext, day: date) -> DayMetadata:
    """Make one snapshot of the features and tell what its window held."""
    features, window = features_snapshot(step, day)
    return published(step, features, facts=window_metadata(window))


CUSTOMER_FEATURES_STEP = Step(
    "customer_features",
    "snapshots",
    (FEATURES,),
    ("raw_transactions", "raw_customers"),
    snapshot_day,
)
