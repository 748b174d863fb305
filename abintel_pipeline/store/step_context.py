"""What every step needs: an engine, the settings, the rules, and the store."""

from dataclasses import dataclass

from abintel_pipeline.engine.connection import Backend
from abintel_pipeline.rules import Rules
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import SnapshotStore


@dataclass(frozen=True)
class StepContext:
    """An engine, the settings, and the rules of this run."""

    connection: Backend
    settings: Settings
    rules: Rules

    @property
    def store(self) -> SnapshotStore:
        return SnapshotStore(self.settings.store)
