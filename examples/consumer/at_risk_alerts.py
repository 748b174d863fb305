"""Another team's code location: it builds on the pipeline's snapshots, known by their key alone.

Both assets follow `customer_rfm`, day by day, and are made by themselves when a snapshot lands.
"""

from datetime import date, timedelta

import dagster as dg
import pandas as pd
import polars as pl

from abintel_pipeline import SnapshotMissing, read_snapshot
from abintel_pipeline.consuming import SnapshotIOManager
from abintel_pipeline.partitions import daily_partitions
from abintel_pipeline.settings import Settings

WEEK = timedelta(days=7)

WHEN_A_SNAPSHOT_LANDS = dg.AutomationCondition.eager().replace(
    "in_latest_time_window",
    # Late deliveries renew the snapshots of a week, too: `eager` alone sees the newest day only.
    dg.AutomationCondition.in_latest_time_window(lookback_delta=timedelta(days=8)),
)


def fell_to_at_risk_since(today: pl.DataFrame, week_before: pl.DataFrame) -> pl.DataFrame:
    """One row per customer who is At-Risk today and was in another tier a week before."""
    return (
        today.filter(pl.col("rfm_tier") == "At-Risk")
        .join(week_before.select("customer_id", tier_before="rfm_tier"), on="customer_id")
        .filter(pl.col("tier_before") != "At-Risk")
        .select("customer_id", "tier_before", "recency_days", "monetary_total", "loyalty_score")
        .sort("monetary_total", "customer_id", descending=[True, False])
    )


def tiers_on(settings: Settings, day: date) -> pl.DataFrame | None:
    """Customers and their tiers on a day; None when its snapshot isn't published."""
    try:
        return pl.from_pandas(
            read_snapshot("customer_rfm", day, settings=settings)[["customer_id", "rfm_tier"]]
        )
    except SnapshotMissing:
        return None


def consumer_assets(settings: Settings) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The two assets, and what stands here for the one that the pipeline's code location makes."""
    days = daily_partitions(settings)
    upstream = dg.AssetSpec("customer_rfm", partitions_def=days)
    snapshot = dg.AssetIn(
        input_manager_key="snapshots", partition_mapping=dg.IdentityPartitionMapping()
    )

    @dg.asset(
        partitions_def=days,
        ins={"customer_rfm": snapshot},
        automation_condition=WHEN_A_SNAPSHOT_LANDS,
        group_name="crm",
        kinds={"polars", "csv"},
    )
    def fell_to_at_risk(
        context: dg.AssetExecutionContext, customer_rfm: pl.DataFrame
    ) -> dg.MaterializeResult:
        """Customers who fell to At-Risk since last week, those who spent most first."""
        today = date.fromisoformat(context.partition_key)
        before = tiers_on(settings, today - WEEK)
        if before is None:
            return dg.MaterializeResult(metadata={"week_before": "not published"})
        fallen = fell_to_at_risk_since(customer_rfm, before)
        path = settings.data_dir / "at_risk_alerts" / f"{today}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        fallen.write_csv(path)
        return dg.MaterializeResult(
            metadata={"dagster/partition_row_count": fallen.height, "path": str(path.absolute())}
        )

    @dg.asset(
        partitions_def=days,
        ins={"customer_rfm": snapshot},
        automation_condition=WHEN_A_SNAPSHOT_LANDS,
        group_name="crm",
        kinds={"pandas"},
    )
    def customers_per_tier(customer_rfm: pd.DataFrame) -> dg.MaterializeResult:
        """How many customers each tier holds: numbers that Dagster plots over time."""
        return dg.MaterializeResult(metadata=customer_rfm.rfm_tier.value_counts().to_dict())

    return [upstream, fell_to_at_risk, customers_per_tier]


@dg.definitions
def defs() -> dg.Definitions:
    """Reads the same settings as the pipeline: `ABINTEL_*` and `.env`."""
    settings = Settings()
    return dg.Definitions(
        assets=consumer_assets(settings),
        sensors=[
            dg.AutomationConditionSensorDefinition(
                "when_a_snapshot_lands",
                target=dg.AssetSelection.groups("crm"),
                default_status=dg.DefaultSensorStatus.RUNNING,
            )
        ],
        resources={"snapshots": SnapshotIOManager(settings)},
        executor=dg.in_process_executor,
    )
