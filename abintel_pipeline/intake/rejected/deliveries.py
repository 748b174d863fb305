"""Deliveries with too many rejected rows: nothing is published, the rejected rows are kept.

    <store>/.rejected/rejected_transactions/delivered_on=YYYY-MM-DD/data.parquet

A file of the rejected table that isn't published. The next attempt replaces it; it goes when
the day's delivery is taken in.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from abintel_pipeline.contract import Table
from abintel_pipeline.contract.customers import REJECTED_CUSTOMERS
from abintel_pipeline.contract.transactions import REJECTED_TRANSACTIONS
from abintel_pipeline.engine.sql import copy_to_parquet, file_literal
from abintel_pipeline.store.snapshot_store import SnapshotStore, Staged

FOLDER = ".rejected"
REJECTED = (REJECTED_TRANSACTIONS, REJECTED_CUSTOMERS)
SAMPLES = 20
"""Rows of each reason that are looked at for what may help."""
MOST_REASONS = 10
MOST_LETTERS = 2000
"""Of a row that is an example; a line without an end may be megabytes long."""
_COUNTS = ("abintel_received", "abintel_rejected", "abintel_cap")


@dataclass(frozen=True)
class Example:
    """A rejected row: where it stood, and how it came."""

    file: str
    row: int
    raw: str


@dataclass(frozen=True)
class Reason:
    """A reason for which rows were rejected, how many were, and the first of them."""

    name: str
    rows: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class RejectedDelivery:
    """A delivery that was rejected as a whole; `reasons` are the commonest.

    `path` holds its rejected rows.
    """

    table: Table
    day: date
    received: int
    rejected: int
    cap: Decimal
    reasons: tuple[Reason, ...]
    path: Path

    @property
    def name(self) -> str:
        """What was delivered: transactions or customers."""
        return self.table.name.removeprefix("rejected_")

    @property
    def share(self) -> float:
        return self.rejected / self.received

    def __str__(self) -> str:
        return (
            f"{self.name} of {self.day}: {self.rejected:,} of {self.received:,} rows rejected"
            f" ({self.share:.1%}), more than ABINTEL_MAX_REJECTED_SHARE allows ({self.cap:.1%})"
        )

    @property
    def sufficient_cap(self) -> str:
        """The share that would have been allowed, rounded up: `ABINTEL_MAX_REJECTED_SHARE=0.07`."""
        return f"ABINTEL_MAX_REJECTED_SHARE={rounded_up(self.rejected, self.received)}"


def rounded_up(rejected: int, received: int) -> str:
    """A share of rows, rounded up to hundredths, or to one digit where it is smaller than those.

    >>> [rounded_up(*rows) for rows in ((612, 10_000), (23, 10_000), (1, 2), (7, 7))]
    ['0.07', '0.003', '0.5', '1']
    """
    share = Decimal(rejected) / Decimal(received)
    step = Decimal(1).scaleb(min(-2, share.adjusted()))
    return f"{share.quantize(step, ROUND_CEILING).normalize():f}"


def commonest(connection: duckdb.DuckDBPyConnection, rows: Path) -> tuple[Reason, ...]:
    """The commonest reasons in a rejected file. Places are counted as one: `[]`."""
    row = f"{{'file': file, 'row': row, 'raw': left(raw, {MOST_LETTERS})}}"
    found = connection.execute(
        f"SELECT reason, count(*), min_by({row}, (file, row), {SAMPLES}) FROM ({by_reason(rows)})"
        f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_REASONS}"
    ).fetchall()
    return tuple(
        Reason(name, count, tuple(Example(**one) for one in examples))
        for name, count, examples in found
    )


def by_reason(rows: Path) -> str:
    """SELECT of (reason, file, row, raw) from a rejected file."""
    reason = (
        r"regexp_replace(regexp_replace(unnest(reasons), '\[\d+\]', '[]', 'g'), ' \(column .*', '')"
    )
    return f"SELECT {reason} AS reason, file, row, raw FROM read_parquet({file_literal(rows)})"


def write_counts(
    connection: duckdb.DuckDBPyConnection, delivery: RejectedDelivery, metadata: dict[str, str]
) -> None:
    """Write the counts into the metadata of a delivery's file of rejected rows."""
    counts = (str(delivery.received), str(delivery.rejected), str(delivery.cap))
    counted = delivery.path.with_suffix(".counted")
    query = f"SELECT * FROM read_parquet({file_literal(delivery.path)})"
    copy_to_parquet(connection, query, counted, metadata | dict(zip(_COUNTS, counts, strict=True)))
    counted.replace(delivery.path)


def rejected_store(store: SnapshotStore) -> SnapshotStore:
    """Where the rejected rows are kept, laid out as what is published."""
    return SnapshotStore(store.root / FOLDER)


def keep(store: SnapshotStore, delivery: RejectedDelivery) -> RejectedDelivery:
    """The delivery, its rejected rows moved from the staging folder to where they are kept."""
    beside = rejected_store(store)
    beside.publish(Staged(delivery.table, delivery.day, delivery.path, delivery.rejected))
    return replace(delivery, path=beside.path(delivery.table, delivery.day))


def forget(store: SnapshotStore, rejected: Table, day: date) -> None:
    """Remove what is kept of a delivery that has been taken in."""
    place = rejected_store(store).path(rejected, day)
    place.unlink(missing_ok=True)
    with suppress(OSError):  # there was none, or another run keeps one
        place.parent.rmdir()


def kept(
    connection: duckdb.DuckDBPyConnection, store: SnapshotStore, day: date
) -> list[RejectedDelivery]:
    """The day's deliveries that were rejected as a whole since its tables were published."""
    return [
        _read(connection, table, day, place)
        for table in REJECTED
        if (place := rejected_store(store).path(table, day)).is_file()
        and _written(place) > _written(store.path(table, day))
    ]


def _read(
    connection: duckdb.DuckDBPyConnection, table: Table, day: date, place: Path
) -> RejectedDelivery:
    metadata = pq.read_metadata(place).metadata or {}
    received, rejected, cap = (metadata[name.encode()].decode() for name in _COUNTS)
    reasons = commonest(connection, place)
    return RejectedDelivery(table, day, int(received), int(rejected), Decimal(cap), reasons, place)


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0
