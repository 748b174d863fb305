"""What a contender is told: where the lines lie, which days to compute, how much memory to use."""

import json
import shutil
import sys
from dataclasses import asdict, dataclass, field, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.store.snapshot_store import SnapshotStore

RESULT_TABLES = tuple(
    TABLES[name]
    for name in (
        "customer_features",
        "customer_loyalty",
        "loyalty_summary",
        "customer_rfm",
        "rfm_thresholds",
    )
)
REQUEST_TABLES = ("raw_transactions", "raw_customers")


@dataclass(frozen=True)
class Job:
    """Work in the folder `place`, for `day`, under a memory limit."""

    place: Path
    day: date
    memory_limit: str = "4GB"

    @property
    def spill(self) -> Path:
        return self.place / "spill"

    def command(self, contender: str) -> list[str]:
        """The process that does it."""
        return [sys.executable, "-m", "benchmarks.contender", contender, self.as_json()]

    def clear(self) -> None:
        """Remove what an earlier run of this job left: each run starts from the same state."""

    def as_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        values = json.loads(text)
        kinds = {one.name: one.type for one in fields(cls)}
        paths = {name: Path(values[name]) for name in values if kinds[name] in (Path, "Path")}
        return cls(**values | paths | {"day": date.fromisoformat(values["day"])})


@dataclass(frozen=True)
class ChainJob(Job):
    """The snapshots of `days` days up to `day`.

    `place` is a store that holds the request tables and takes the results.

    `late`: whether the retailer has late lines, which a person who writes SQL for it would know.
    """

    late: bool = False
    days: int = 1

    @property
    def store(self) -> Path:
        return self.place

    @property
    def range(self) -> list[date]:
        """The days to compute, in order."""
        return [self.day - timedelta(days=n) for n in reversed(range(self.days))]

    def result(self, table: Table) -> Path:
        """Where a contender writes that table of the job's day."""
        return SnapshotStore(self.store).path(table, self.day)

    def clear(self) -> None:
        for table in RESULT_TABLES:
            shutil.rmtree(self.store / table.name, ignore_errors=True)


@dataclass(frozen=True)
class FloorJob(ChainJob):
    """The results of `days` days that lie in the store, written once more into `copies`."""

    @property
    def copies(self) -> Path:
        return self.place / "copies"

    def clear(self) -> None:
        shutil.rmtree(self.copies, ignore_errors=True)


@dataclass(frozen=True)
class JourneyJob(Job):
    """Dagster runs over the days of Complete Journey up to `day`.

    `place` is a data folder whose store holds the deliveries; its history is its own.
    `days`: the length of a range in one run. `sample`: the single days, each a run of its own.
    """

    days: int = 1
    sample: tuple[str, ...] = ()

    @property
    def store(self) -> Path:
        return self.place / "store"

    @property
    def first(self) -> date:
        return self.day - timedelta(days=self.days - 1)

    def clear(self) -> None:
        for table in RESULT_TABLES:
            shutil.rmtree(self.store / table.name, ignore_errors=True)
        shutil.rmtree(self.place / "dagster", ignore_errors=True)


@dataclass(frozen=True)
class IntakeJob(Job):
    """One delivery: a CSV file in the landing folder of `place`; what is accepted goes there too.

    `rejected`: how many of its lines can't be read as they stand; `changes`: the settings that it
    takes to read the others.
    """

    rejected: int = 0
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.place

    @property
    def delivery(self) -> Path:
        return self.data / "landing" / "transactions" / f"{self.day}.csv"

    @property
    def accepted(self) -> Path:
        """Where the intake publishes what it accepted."""
        return SnapshotStore(self.data / "store").path(TABLES["raw_transactions"], self.day)

    @property
    def copied(self) -> Path:
        """Where DuckDB alone writes its copy."""
        return self.data / "copied.parquet"


@dataclass(frozen=True)
class ServiceJob(Job):
    """Requests to the service, whose data folder is in `place`; for how many seconds, if many."""

    seconds: float = 0.0

    @property
    def request(self) -> Path:
        """A large request's body."""
        return self.place / "request.json"

    def command(self, contender: str) -> list[str]:
        return [sys.executable, "-m", "benchmarks.in_service", contender, self.as_json()]


@dataclass(frozen=True)
class LibraryJob(Job):
    """A library's RFM summary of the lines in the store `place`, by that library's own Python."""

    python: Path = Path(sys.executable)

    def command(self, contender: str) -> list[str]:
        module = "benchmarks.rfm_libraries"
        return [str(self.python), "-m", module, contender, str(self.place), str(self.day)]
