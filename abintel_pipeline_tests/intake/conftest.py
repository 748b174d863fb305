"""A landing folder to put deliveries into, and a real PostgreSQL server."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from ibis.backends.duckdb import Backend

from abintel_pipeline.engine.connection import engine
from abintel_pipeline.intake import Intake, take_in_customers, take_in_transactions
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.servers import postgres_server

DAY = date(2025, 4, 24)
BROUGHT = ("transaction_id", "date", "amount", "product_id", "loyalty_score")
HEADER = "customer_id,transaction_id,date,amount,product_id\n"
GOOD = "001,T1,2025-04-24,12.50,P1\n"


@dataclass
class Taken:
    """An intake with its two files read back."""

    intake: Intake
    rows: list[dict[str, Any]]
    rejected: list[dict[str, Any]]

    @property
    def accepted(self) -> list[tuple[Any, ...]]:
        """The columns that every source has."""
        names = [n for n in ("customer_id", *BROUGHT) if self.rows and n in self.rows[0]]
        return [tuple(row[name] for name in names) for row in self.rows]

    @property
    def reasons(self) -> list[list[str]]:
        return [row["reasons"] for row in self.rejected]

    @property
    def places(self) -> list[tuple[str, int]]:
        return [(row["file"], row["row"]) for row in self.rejected]

    @property
    def raw(self) -> list[Any]:
        return [json.loads(row["raw"]) for row in self.rejected]


class Landing:
    """Delivers files and takes them in; nothing but the two staged files may be left behind."""

    def __init__(self, root: Path, shared: Backend) -> None:
        self.root = root
        self.shared = shared
        self.staging = root / "staging"
        self.staging.mkdir()

    def put(self, name: str, content: str | bytes = b"") -> Path:
        path = self.root / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def settings(self, **changes: Any) -> Settings:
        return Settings(_env_file=None, data_dir=self.root, **{"max_rejected_share": 1, **changes})

    def take(self, day: date = DAY, **changes: Any) -> Taken:
        return self._take(take_in_transactions, day, changes)

    def take_customers(self, day: date = DAY, **changes: Any) -> Taken:
        return self._take(take_in_customers, day, changes)

    def intake(self, how: Callable[..., Intake | None], day: date, **changes: Any) -> Intake | None:
        settings = self.settings(**changes)
        with self._engine(settings, changes) as connection:
            try:
                return how(connection, settings, day, self.staging)
            finally:
                tables = connection.raw_sql("SELECT table_name FROM duckdb_tables()").fetchall()
                assert tables == []

    def _engine(
        self, settings: Settings, changes: dict[str, Any]
    ) -> AbstractContextManager[Backend]:
        """The shared engine, unless the settings are about an engine."""
        own = changes.keys() & {"memory_limit", "threads"}
        return engine(settings) if own else nullcontext(self.shared)

    def _take(self, how: Callable[..., Intake | None], day: date, changes: Any) -> Taken:
        for old in self.staging.iterdir():
            old.unlink()
        intake = self.intake(how, day, **changes)
        assert intake is not None
        staged = {intake.accepted_rows.path, intake.rejected_rows.path}
        assert set(self.staging.iterdir()) == staged
        accepted = pq.read_table(intake.accepted_rows.path).to_pylist()
        rejected = pq.read_table(intake.rejected_rows.path).to_pylist()
        assert intake.received == intake.accepted + intake.rejected + intake.left_out
        assert (len(accepted), len(rejected)) == (intake.accepted, intake.rejected)
        return Taken(intake, accepted, rejected)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """An engine for all intakes: each leaves nothing behind, which is looked at after each."""
    with engine(Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("engine"))) as opened:
        yield opened


@pytest.fixture
def landing(tmp_path: Path, shared: Backend) -> Landing:
    return Landing(tmp_path, shared)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server with `orders` and `order_items`."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as url:
        database = sa.create_engine(url, poolclass=sa.NullPool)
        with database.begin() as connection:
            connection.execute(sa.text(SHOP))
        yield url


SHOP = """
CREATE TABLE orders (
    order_id text PRIMARY KEY, customer_id text, order_date date NOT NULL, placed_at timestamptz
);
CREATE TABLE order_items (
    order_id text REFERENCES orders, product_id text, line_total numeric(12, 4), weight real
);
CREATE TABLE members (member_no bigint, share double precision, updated date);
INSERT INTO orders VALUES
    ('T-001', '001', '2025-04-24', '2025-04-24 22:30:00+00'),
    ('T-002', '002', '2025-04-24', '2025-04-24 04:00:00+02'),
    ('T-003', '  ', '2025-04-24', '2025-04-24 12:00:00+00'),
    ('T-000', '001', '2025-04-23', '2025-04-23 12:00:00+00');
INSERT INTO order_items VALUES
    ('T-001', 'P-01', 520.555, 1.5), ('T-001', 'P-02', 19.99, 19.99),
    ('T-002', 'P-01', -1, 2), ('T-002', NULL, 'NaN', 3), ('T-003', 'P-01', 5, 4),
    ('T-000', 'P-09', 1, 1);
INSERT INTO members VALUES (7, 0.97, '2025-04-24'), (8, NULL, '2025-04-24'), (9, 1.5, '2025-04-24');
"""
