"""Real runs, killed by signal: `abintel run`, and runs that Dagster starts.

A run is killed as soon as it has been seen to make so many files: its seed says how many. Whatever
lies in the store then must be what a run that nobody kills would publish, and the last run of a
store makes all of it.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from abintel_pipeline.contract import TABLES
from abintel_pipeline.engine.connection import engine
from abintel_pipeline.store.proofs import why_not
from abintel_pipeline.store.snapshot_store import SnapshotStore
from abintel_pipeline_tests.nights.ledger import Place, Wrong, published_files
from abintel_pipeline_tests.nights.model import Frozen, frozen
from abintel_pipeline_tests.nights.undisturbed import nights_settings, undisturbed
from abintel_pipeline_tests.nights.world import FIRST_DAY, MOST_REJECTED, NOBODY, World, put

KILLS = 1000
KILLS_OF_A_STORE = 5
"""So often a run over one store is killed before one goes to its end."""
FILES = 34
"""Files and folders that a run over two days is seen to make, about."""
SECONDS = 300
COMMANDS = ("abintel run", "dagster asset materialize")


@dataclass(frozen=True)
class Killed:
    """What became of the kills of one store."""

    command: str
    kills: int
    """Runs that were killed in the middle; one that had ended before isn't counted."""
    wrong: str | None


def kill_runs(number: int, kills: int = KILLS_OF_A_STORE) -> Killed:
    """Kill runs over one store, then let one go to its end. `number` says when, and which runs."""
    random_moments = random.Random(f"kills {number}")
    command = COMMANDS[number % len(COMMANDS)]
    killed = 0
    with TemporaryDirectory() as name:
        shop = _Shop(Path(name), World(number, 2))
        wanted = shop.wanted()
        try:
            for _ in range(kills):
                killed += shop.run_and_kill(command, random_moments.randint(1, FILES))
                shop.check(wanted)
            shop.run(command)
            if published_files(shop.store) != wanted:
                raise Wrong("differs from an undisturbed run")
        except Wrong as wrong:
            return Killed(command, killed, f"store {number}: {wrong}")
    return Killed(command, killed, None)


class _Shop:
    """Two days of deliveries, and runs over them."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world = folder, world
        self.settings = nights_settings(folder / "data", world)
        self.store = SnapshotStore(self.settings.store)
        self.landed: dict[tuple[str, date], Frozen] = {}
        for day in world.days:
            for kind, files in (
                ("transactions", world.files(day, "first")),
                ("customers", world.customers(day)),
            ):
                put(self.settings.landing / kind, day, files)
                self.landed[kind, day] = frozen(files)
        (folder / "home").mkdir()

    def wanted(self) -> dict[Place, bytes]:
        with engine(self.settings) as connection:
            return undisturbed(self.folder, self.world, self.landed, connection, None)

    def run(self, command: str) -> None:
        """A run that nobody kills."""
        with self._started(command) as run:
            told = run.communicate(timeout=SECONDS)[0]
        if run.returncode:
            raise Wrong(f"{command} failed: {told.decode()[-2000:]}")

    def run_and_kill(self, command: str, files: int) -> bool:
        """Whether the run was killed: it may have ended before."""
        seen = self._paths()
        made: set[Path] = set()
        until = time.monotonic() + SECONDS
        with self._started(command) as run:
            while run.poll() is None and len(made) < files and time.monotonic() < until:
                made |= self._paths() - seen
                time.sleep(0.002)
            in_the_middle = run.poll() is None
            if in_the_middle:
                os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
        return in_the_middle

    def check(self, wanted: dict[Place, bytes]) -> None:
        """Every published file is whole and the right one; none must be there yet."""
        for (name, day), content in published_files(self.store).items():
            if wrong := why_not(TABLES[name], day, self.store.path(TABLES[name], day)):
                raise Wrong(f"{name} of {day} {wrong}")
            if content != wanted.get((name, day)):
                raise Wrong(f"{name} of {day} is not what an undisturbed run publishes")

    def _paths(self) -> set[Path]:
        """What lies in the store, as (path, inode): a file that is replaced is another."""
        found = set()
        for folder, _, names in os.walk(self.store.root):
            for name in names:
                path = Path(folder, name)
                try:
                    found.add(path / str(path.stat().st_ino))
                except FileNotFoundError:
                    continue
        return found

    @contextmanager
    def _started(self, command: str) -> Iterator["subprocess.Popen[bytes]"]:
        first, last = self.world.days[0], self.world.days[-1]
        words = {
            "abintel run": ["abintel_pipeline.cli", "run", str(first), str(last)],
            "dagster asset materialize": [
                *("dagster", "asset", "materialize", "--select", "*"),
                *("--partition-range", f"{first}...{last}", "-m", "abintel_pipeline.definitions"),
            ],
        }[command]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DAGSTER_HOME": str(self.folder / "home"),
            "ABINTEL_DATA_DIR": str(self.settings.data_dir),
            "ABINTEL_FIRST_DAY": str(FIRST_DAY),
            "ABINTEL_HISTORY_DAYS": str(self.world.history_days),
            "ABINTEL_MAX_REJECTED_SHARE": str(MOST_REJECTED),
            "ABINTEL_NOBODY_IDS": json.dumps([NOBODY]),
            "ABINTEL_MEMORY_LIMIT": "1GB",
        }
        with subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as run:
            yield run
