"""Six features per customer over the trailing window of a snapshot."""

from collections.abc import Iterator, Mapping
from datetime import date

from abintel_pipeline.assets.step import Made, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.findings import Finding
from abintel_pipeline.metadata import Metadata, published, window_metadata
from abintel_pipeline.snapshots import StepContext, features_snapshots
from abintel_pipeline.verification import verified_again
from abintel_pipeline.warning import features_warnings

FEATURES = TABLES["customer_features"]


def snapshot_days(step: StepContext, days: list[date]) -> Iterator[Made]:
    """Make the snapshots of the features and tell what each one's window held."""
    for features, window in features_snapshots(step, days):
        metadata = published(step, features, facts=window_metadata(window))
        yield Made(features.day, metadata, features.findings)


def looked_at_again(step: StepContext, told: Mapping[date, Metadata]) -> list[Finding]:
    """What verifying the published days finds."""
    return verified_again(step.connection, step.store, (FEATURES,), told)


CUSTOMER_FEATURES_STEP = Step(
    "customer_features",
    "snapshots",
    (FEATURES,),
    ("raw_transactions", "raw_customers"),
    snapshot_days,
    looked_at_again,
    features_warnings,
    {FEATURES.name: ("missing_deliveries", "customer_share")},
)
