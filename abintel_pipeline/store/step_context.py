"""What every step needs: an engine, the settings, the rules, and the store."""

from dataclasses import dataclass
from functools import cached_property

from abintel_pipeline.engine.connection import Backend
from abintel_pipeline.rules import Rules
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import SnapshotStore, open_store


@dataclass(frozen=True)
class StepContext:
    """An engine, the settings, and the rules of this run."""

    connection: Backend
    settings: Settings
    rules: Rules

    @cached_property
    def store(self) -> SnapshotStore:
        return open_store(self.settings)
