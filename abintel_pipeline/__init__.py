"""A retailer's raw transactions in, a daily snapshot of every customer out."""

from abintel_pipeline.reading import list_snapshots, read_snapshot, read_snapshots
from abintel_pipeline.store import SnapshotMissing

__all__ = ["SnapshotMissing", "list_snapshots", "read_snapshot", "read_snapshots"]
