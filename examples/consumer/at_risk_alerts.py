"""Another team's code location: it builds on the pipeline's snapshots, known by their key alone.

Both assets follow `customer_rfm`, day by day, and are made by themselves when a snapshot lands.
"""

from datetime import date, timedelta

import dagster as dg
import pandas as pd
import polars as pl

from abintel_pipeline.consuming import SnapshotIOManager, daily_partitions
from abintel_pipeline.settings import Settings

WEEK = timedelta(days=7)

WHEN_A_SNAPSHOT_LANDS = (
    # `eager` looks at the newest day only, and waits until none of a week's snapshots is missing.
    dg.AutomationCondition.in_latest_time_window(lookback_delta=timedelta(days=8))
    & dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
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


def consumer_assets(settings: Settings) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The two assets, and what stands here for the one that the pipeline's code location makes."""
    days = daily_partitions(settings)
    upstream = dg.AssetSpec("customer_rfm", partitions_def=days)

    # Dagster knows one mapping per upstream asset: a window, of which two days are read.
    week_up_to_the_day = dg.AssetIn(
        input_manager_key="snapshots",
        partition_mapping=dg.TimeWindowPartitionMapping(
            start_offset=-WEEK.days, allow_nonexistent_upstream_partitions=True
        ),
        metadata={"allow_missing_partitions": True},
    )

    @dg.asset(
        partitions_def=days,
        ins={"customer_rfm": week_up_to_the_day},
        automation_condition=WHEN_A_SNAPSHOT_LANDS,
        group_name="crm",
        kinds={"polars", "csv"},
    )
    def fell_to_at_risk(
        context: dg.AssetExecutionContext, customer_rfm: pl.LazyFrame
    ) -> dg.MaterializeResult:
        """Customers who fell to At-Risk since last week, those who spent most first."""
        day = date.fromisoformat(context.partition_key)
        today, before = (
            customer_rfm.filter(pl.col("snapshot_date") == one).collect()
            for one in (day, day - WEEK)
        )
        if today.is_empty() or before.is_empty():
            return dg.MaterializeResult(metadata={"compared": "a snapshot isn't published"})
        fallen = fell_to_at_risk_since(today, before)
        path = settings.data_dir / "at_risk_alerts" / f"{day}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        fallen.write_csv(path)
        return dg.MaterializeResult(
            metadata={"dagster/partition_row_count": fallen.height, "path": str(path.absolute())}
        )

    @dg.asset(
        partitions_def=days,
        ins={"customer_rfm": dg.AssetIn(input_manager_key="snapshots")},
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
