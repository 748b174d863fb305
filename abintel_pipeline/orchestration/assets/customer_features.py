"""Six features per customer over the trailing window of a snapshot."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.contract import CUSTOMER_FEATURES
from abintel_pipeline.orchestration.asset_page.metadata import window_metadata
from abintel_pipeline.orchestration.assets.step import Published, daily_step, published_snapshot
from abintel_pipeline.quality.warnings import features_warnings
from abintel_pipeline.snapshots import StepContext, features_snapshots
from abintel_pipeline.store.deleted import deleted_deliveries


@daily_step(
    tables=(CUSTOMER_FEATURES,),
    group="snapshots",
    depends_on=("raw_transactions", "raw_customers"),
    warnings=features_warnings,
    warning_checks={CUSTOMER_FEATURES.name: ("missing_deliveries", "customer_share")},
)
def customer_features(context: StepContext, days: list[date]) -> Iterator[Published]:
    """Publish the features of each day, and tell what its window held."""
    deleted = deleted_deliveries(context.store)
    for features, window in features_snapshots(context, days):
        yield published_snapshot(context, features, facts=window_metadata(window, deleted))
