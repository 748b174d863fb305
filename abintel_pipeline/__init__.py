"""A retailer's raw transactions in, a daily snapshot of every customer out."""

from abintel_pipeline.store import (
    SnapshotMissing,
    list_snapshots,
    read_snapshot,
    read_snapshots,
)

__all__ = ["SnapshotMissing", "list_snapshots", "read_snapshot", "read_snapshots"]
