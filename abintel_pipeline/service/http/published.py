"""Reads what the pipeline published: the days of a table, a day's rows, a customer's history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.engine.connection import engine, native
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import open_store

SNAPSHOTS = {
    name: table for name, table in TABLES.items() if table.partition_column == "snapshot_date"
}
"""The result tables: what was delivered is no snapshot, and may hold anything."""

HISTORY = SNAPSHOTS["customer_rfm"]
"""Metrics, scores, tier and, joined in, loyalty: one table serves a history."""


class NoSuchCustomer(LookupError):
    """No published snapshot has a row of the customer."""


@dataclass(frozen=True)
class Page:
    """Some rows of those that were asked for; `limit` None: all from `offset` on."""

    limit: int | None
    offset: int = 0


@dataclass(frozen=True)
class Found:
    """The rows of a page, and how many there are in all."""

    rows: pa.Table
    total: int


def days(settings: Settings, table: Table) -> list[date]:
    """The published days of a table, in order."""
    return open_store(settings).days(table)


def snapshot(
    settings: Settings, table: Table, day: date, page: Page, customer_id: str | None = None
) -> Found:
    """A day's rows in their published order, of one customer or of all.

    Raises SnapshotMissing when the day isn't published.
    """
    return _read(settings, table, [day], page, customer_id)


def history(settings: Settings, customer_id: str, page: Page, first: date, last: date) -> Found:
    """A customer's rows of `customer_rfm` on the published days from first to last, in order.

    Raises NoSuchCustomer when it has none.
    """
    published = open_store(settings).days(HISTORY, first, last)
    found = _read(settings, HISTORY, published, page, customer_id)
    if not found.total:
        raise NoSuchCustomer(
            f"none of the {len(published)} published snapshots from {first} to {last} has the"
            f" customer {customer_id!r}"
        )
    return found


def _read(
    settings: Settings, table: Table, wanted: Sequence[date], page: Page, customer_id: str | None
) -> Found:
    """In the order of the days, and in each of them in the published order."""
    asked, values = ("", []) if customer_id is None else ("WHERE customer_id = ?", [customer_id])
    with engine(settings) as connection:
        rows = open_store(settings).read(connection, table, wanted)
        # The engine keeps the order of the files and of the rows in them.
        query = f"FROM ({connection.compile(rows)}) {asked}"
        raw = native(connection)
        [(total,)] = raw.execute(f"SELECT count(*) {query}", values).fetchall()
        chosen = raw.sql(f"{query} LIMIT ? OFFSET ?", params=[*values, page.limit, page.offset])
        return Found(chosen.to_arrow_table().cast(table.schema), total)
