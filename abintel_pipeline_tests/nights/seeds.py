"""Runs seeds: each in a folder of its own, with one engine and its answers for all of a process."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abintel_pipeline.engine.connection import Backend, engine
from abintel_pipeline_tests.nights.answers import Answers
from abintel_pipeline_tests.nights.model import Model
from abintel_pipeline_tests.nights.plan import Plan
from abintel_pipeline_tests.nights.simulation import Simulation, Told
from abintel_pipeline_tests.nights.undisturbed import nights_settings
from abintel_pipeline_tests.nights.world import World

MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one: nothing is really synced here."""


class Seeds:
    """What the seeds of a process share."""

    def __init__(self, connection: Backend, folder: Path) -> None:
        self.answers = Answers()
        self._connection, self._folder = connection, folder
        self._model = Model(nights_settings(folder, World(0, 1)).rules)

    @classmethod
    @contextmanager
    def open(cls) -> Iterator["Seeds"]:
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
            folder = Path(name)
            with engine(nights_settings(folder / "engine", World(0, 1))) as connection:
                yield cls(connection, folder)

    def run(self, plan: Plan) -> Told:
        """Carry out a plan. Raises Wrong where the store broke a promise."""
        folder = self._folder / f"seed {plan.seed}"
        folder.mkdir()
        try:
            return Simulation(plan, self.answers, self._connection, folder, self._model).run()
        finally:
            shutil.rmtree(folder)
