"""What the real intake makes of a file under proposed settings: the last word."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from abintel_pipeline.engine.connection import Backend, native
from abintel_pipeline.engine.sql import file_literal
from abintel_pipeline.intake.day import Intake, take_in_customers, take_in_transactions
from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.settings import Settings


@dataclass(frozen=True)
class Rejection:
    """A reason with the number of its rows, and the first of them: its line and its text."""

    reason: str
    rows: int
    first: int
    text: str


@dataclass(frozen=True)
class Accepted:
    """What the accepted rows come to. Without an order's number each row is an order.

    Cancelled rows count for nothing.
    """

    customers: int
    orders: int = 0
    money: Decimal = Decimal(0)
    first: date | None = None
    last: date | None = None
    cancelled: int = 0


@dataclass(frozen=True)
class Trial:
    """What was received, accepted, rejected and left out, and what the accepted rows come to."""

    received: int
    accepted: int
    rejected: int
    left_out: int
    rejections: tuple[Rejection, ...]
    left_out_by: dict[str, int]
    ids_changed: int
    totals: Accepted

    @property
    def rejected_share(self) -> float:
        return self.rejected / self.received if self.received else 0.0


@dataclass(frozen=True)
class Delivered:
    """A file, put under a dated name into a landing folder of its own."""

    settings: Settings
    table: str
    day: date
    staging: Path


@contextmanager
def delivered(
    file: Path, place: Path, settings: Settings, day: date, folder: Path
) -> Iterator[Delivered]:
    """The file as a delivery at `place`, `transactions/2025-12-24.csv`, of a landing folder of its
    own, for as long as it is tried: a link, so nothing is copied."""
    landing, staging = folder / "landing", folder / "staging"
    link = landing / place
    link.parent.mkdir(parents=True, exist_ok=True)
    staging.mkdir(exist_ok=True)
    link.symlink_to(file.resolve())
    try:
        alone = {"sql_url": None, "transactions_query": None, "customers_query": None}
        tried = {"landing_dir": landing, "max_rejected_share": 1.0, **alone}
        yield Delivered(settings.model_copy(update=tried), place.parent.name, day, staging)
    finally:
        link.unlink()


def try_intake(connection: Backend, delivery: Delivered) -> Trial:
    """Raises DeliveryError when the file can't be read as a delivery under these settings."""
    take_in = take_in_transactions if delivery.table == "transactions" else take_in_customers
    intake = take_in(connection, delivery.settings, delivery.day, delivery.staging)
    if intake is None:
        raise DeliveryError("the file isn't found under its dated name")
    return Trial(
        intake.received,
        intake.accepted,
        intake.rejected,
        intake.left_out,
        _rejections(connection, intake),
        intake.left_out_by,
        intake.ids_changed,
        _totals(connection, intake, delivery.table),
    )


def _totals(connection: Backend, intake: Intake, table: str) -> Accepted:
    sums = (
        "count(DISTINCT customer_id) FILTER (NOT cancelled),"
        " count(DISTINCT (customer_id, transaction_id, date))"
        " FILTER (NOT cancelled AND transaction_id IS NOT NULL)"
        " + count(*) FILTER (NOT cancelled AND transaction_id IS NULL),"
        " coalesce(sum(amount) FILTER (NOT cancelled), 0), min(date), max(date),"
        " count(*) FILTER (cancelled)"
    )
    found = native(connection).execute(
        f"SELECT {sums if table == 'transactions' else 'count(DISTINCT customer_id)'}"
        f" FROM read_parquet({file_literal(intake.accepted_rows.path)})"
    )
    return Accepted(*found.fetchall()[0])


def _rejections(connection: Backend, intake: Intake) -> tuple[Rejection, ...]:
    rows = file_literal(intake.rejected_rows.path)
    found = native(connection).execute(
        "SELECT reason, count(*), min(row), min_by(raw, row) FROM"
        f" (SELECT unnest(reasons) AS reason, row, raw FROM read_parquet({rows}))"
        " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20"
    )
    return tuple(Rejection(*row) for row in found.fetchall())
