"""A retailer's raw transactions in, a daily snapshot of every customer out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abintel_pipeline.orchestration.component import CustomerSnapshots
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

_HOMES = {
    "CustomerSnapshots": "abintel_pipeline.orchestration.component",
    "MixedRules": "abintel_pipeline.reading",
    "NotAsPublished": "abintel_pipeline.store.proofs",
    "SnapshotMissing": "abintel_pipeline.store.snapshot_store",
    "list_snapshots": "abintel_pipeline.reading",
    "read_snapshot": "abintel_pipeline.reading",
    "read_snapshots": "abintel_pipeline.reading",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Each is imported when it is asked for.

    So notebooks read snapshots without Dagster, and the command line starts without either.
    """
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
