"""The materialization that a check's evaluation is about.

Borrowed: `AssetCheckEvaluationTargetMaterializationData`, and `get_latest_storage_id_by_partition`
of the instance, which isn't marked public.

Why: `AssetCheckResult` is the public way, but it has no partition. Dagster fills one in for a run
of one day and leaves it out in a run over a range. So an `AssetCheckEvaluation` is yielded for each
day, and that takes its target as this type. The public `fetch_materializations` alone would read
every materialization that a day ever had.
Upstream: partitioned checks are new in 1.13 (dagster issue 17005, open); pull request 33803 made
the target that of the step's own partition, where the step has one.

Without it: the checks of a backfilled range are out of date to Dagster: neither green nor red.
"""

from datetime import date

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as CheckTarget,
)

__all__ = ["CheckTarget", "newest_materializations", "targets"]


def newest_materializations(
    instance: dg.DagsterInstance, key: dg.AssetKey, days: list[date]
) -> dict[date, dg.EventLogRecord]:
    """The newest materialization of each day that has one, by two queries."""
    of_day = instance.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, {day.isoformat() for day in days}
    )
    if not of_day:
        return {}
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(key, storage_ids=list(of_day.values())), limit=len(of_day)
    ).records
    return {date.fromisoformat(str(one.partition_key)): one for one in records}


def targets(
    instance: dg.DagsterInstance, key: dg.AssetKey, days: list[date]
) -> dict[date, CheckTarget]:
    """What an evaluation of each day is to point at, for the days that are materialized."""
    return {
        day: CheckTarget(storage_id=one.storage_id, run_id=one.run_id, timestamp=one.timestamp)
        for day, one in newest_materializations(instance, key, days).items()
    }
