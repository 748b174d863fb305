"""A retailer's raw transactions in, a daily snapshot of every customer out."""

from typing import Any

from abintel_pipeline.reading import MixedRules, list_snapshots, read_snapshot, read_snapshots
from abintel_pipeline.store.proofs import NotAsPublished
from abintel_pipeline.store.snapshot_store import SnapshotMissing

__all__ = [
    "CustomerSnapshots",
    "MixedRules",
    "NotAsPublished",
    "SnapshotMissing",
    "list_snapshots",
    "read_snapshot",
    "read_snapshots",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """The component, imported when it is asked for: notebooks read snapshots without Dagster."""
    if name == "CustomerSnapshots":
        from abintel_pipeline.orchestration.component import CustomerSnapshots

        return CustomerSnapshots
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
