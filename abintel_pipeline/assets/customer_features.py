"""Six features per customer over the trailing window of a snapshot."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.assets.step import Made, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.metadata import published, window_metadata
from abintel_pipeline.snapshots import StepContext, features_snapshots
from abintel_pipeline.warning import features_warnings

FEATURES = TABLES["customer_features"]


def snapshot_days(step: StepContext, days: list[date]) -> Iterator[Made]:
    """Make the snapshots of the features and tell what each one's window held."""
    for features, window in features_snapshots(step, days):
        metadata = published(step, features, facts=window_metadata(window))
        yield Made(features.day, metadata, features.findings)


CUSTOMER_FEATURES_STEP = Step(
    "customer_features",
    "snapshots",
    (FEATURES,),
    ("raw_transactions", "raw_customers"),
    snapshot_days,
    features_warnings,
    {FEATURES.name: ("missing_deliveries",)},
)
