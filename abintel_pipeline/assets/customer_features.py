"""Six features per customer over the trailing window of a snapshot."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.assets.steps import DayMetadata, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.metadata import published, window_metadata
from abintel_pipeline.snapshots import StepContext, features_snapshots

FEATURES = TABLES["customer_features"]


def snapshot_days(step: StepContext, days: list[date]) -> Iterator[tuple[date, DayMetadata]]:
    """Make the snapshots of the features and tell what each one's window held."""
    for features, window in features_snapshots(step, days):
        yield features.day, published(step, features, facts=window_metadata(window))


CUSTOMER_FEATURES_STEP = Step(
    "customer_features",
    "snapshots",
    (FEATURES,),
    ("raw_transactions", "raw_customers"),
    snapshot_days,
)
