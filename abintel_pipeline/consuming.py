"""For Dagster assets downstream of the pipeline, in this code location or another."""

from abintel_pipeline.orchestration.consuming import SnapshotIOManager
from abintel_pipeline.orchestration.partitions import daily_partitions

__all__ = ["SnapshotIOManager", "daily_partitions"]
