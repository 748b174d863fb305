"""For which partitions a check was evaluated, and whether that is about their newest files.

Borrowed: `get_asset_check_partition_info` of the event log, its result `AssetCheckPartitionInfo`
with the status `AssetCheckExecutionRecordStatus`, and `get_latest_storage_id_by_partition` of the
instance.

Why: a killed run reports nothing: its days look complete to Dagster, but have no checks. The next
run evaluates them, and asks here which they are. The public API tells of one evaluation at a time.
Upstream: the storage method came with pull request 33242; nothing public wraps it yet.

Without it: days of killed runs stay without checks until somebody makes them again.
"""

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as CheckStatus,
)
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckPartitionInfo as CheckState,
)

__all__ = ["CheckState", "CheckStatus", "check_states", "materialized_days"]


def check_states(
    instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]
) -> Sequence[CheckState]:
    """The newest state of each check and partition that any run planned. One query per check."""
    return instance.event_log_storage.get_asset_check_partition_info(checks)


def materialized_days(instance: dg.DagsterInstance, key: dg.AssetKey) -> Mapping[str, int]:
    """{partition: id of its newest materialization}, by one query."""
    return instance.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
