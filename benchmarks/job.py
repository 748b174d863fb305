"""What a contender is told: where the lines lie, which day to compute, how much memory to use."""

import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.store import SnapshotStore

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
class ChainJob:
    """The snapshots of `days` days up to `day`.

    `store` holds the request tables and takes the results.

    `late`: whether the retailer has late lines, which a person who writes SQL for it would know.
    """

    store: Path
    day: date
    memory_limit: str = "4GB"
    late: bool = False
    days: int = 1

    @property
    def range(self) -> list[date]:
        """The days to compute, in order."""
        return [self.day - timedelta(days=n) for n in reversed(range(self.days))]

    @property
    def spill(self) -> Path:
        return self.store / "spill"

    def result(self, table: Table) -> Path:
        """Where a contender writes that table of the job's day."""
        return SnapshotStore(self.store).path(table, self.day)

    def as_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> "ChainJob":
        values = json.loads(text)
        return cls(
            **values | {"store": Path(values["store"]), "day": date.fromisoformat(values["day"])}
        )


@dataclass(frozen=True)
class IntakeJob:
    """One delivery: a CSV file in the landing folder of `data`; what is accepted goes to `data`.

    `clean`: whether every line can be read as it stands.
    """

    data: Path
    day: date
    memory_limit: str = "4GB"
    clean: bool = True

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

    @property
    def spill(self) -> Path:
        return self.data / "spill"

    as_json = ChainJob.as_json

    @classmethod
    def from_json(cls, text: str) -> "IntakeJob":
        values = json.loads(text)
        return cls(
            **values | {"data": Path(values["data"]), "day": date.fromisoformat(values["day"])}
        )
