"""Six features per customer over the trailing window of a snapshot."""

from collections.abc import Iterator, Mapping
from datetime import date

from abintel_pipeline.contract import CUSTOMER_FEATURES
from abintel_pipeline.contract.findings import Finding
from abintel_pipeline.orchestration.asset_page.metadata import Metadata, published, window_metadata
from abintel_pipeline.orchestration.assets.step import Made, Step
from abintel_pipeline.quality.blocking import verified_again
from abintel_pipeline.quality.warnings import features_warnings
from abintel_pipeline.snapshots import StepContext, features_snapshots


def snapshot_days(step: StepContext, days: list[date]) -> Iterator[Made]:
    """Make the snapshots of the features and tell what each one's window held."""
    for features, window in features_snapshots(step, days):
        metadata = published(step, features, facts=window_metadata(window))
        yield Made(features.day, metadata, features.findings)


def looked_at_again(step: StepContext, told: Mapping[date, Metadata]) -> list[Finding]:
    """What verifying the published days finds."""
    return verified_again(step.connection, step.store, (CUSTOMER_FEATURES,), told)


CUSTOMER_FEATURES_STEP = Step(
    "customer_features",
    "snapshots",
    (CUSTOMER_FEATURES,),
    ("raw_transactions", "raw_customers"),
    snapshot_days,
    looked_at_again,
    features_warnings,
    {CUSTOMER_FEATURES.name: ("missing_deliveries", "customer_share")},
)
