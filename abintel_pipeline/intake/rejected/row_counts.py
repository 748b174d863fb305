"""What became of a published delivery's rows, read off the footers of its two files."""

from dataclasses import dataclass
from datetime import date

import pyarrow.parquet as pq

from abintel_pipeline.contract import Table
from abintel_pipeline.contract.customers import RAW_CUSTOMERS, REJECTED_CUSTOMERS
from abintel_pipeline.contract.transactions import RAW_TRANSACTIONS, REJECTED_TRANSACTIONS
from abintel_pipeline.store.snapshot_store import SnapshotStore

LEFT_OUT_KEY = "abintel_left_out"
"""Metadata of a rejected file whose delivery had rows that the settings leave out: how many."""

REJECTED_OF = {
    RAW_TRANSACTIONS.name: REJECTED_TRANSACTIONS,
    RAW_CUSTOMERS.name: REJECTED_CUSTOMERS,
}


@dataclass(frozen=True)
class RowCounts:
    """Rows of one delivery or of several: accepted, rejected, left out by the settings."""

    accepted: int = 0
    rejected: int = 0
    left_out: int = 0

    @property
    def received(self) -> int:
        return self.accepted + self.rejected + self.left_out

    def __add__(self, other: "RowCounts") -> "RowCounts":
        return RowCounts(
            self.accepted + other.accepted,
            self.rejected + other.rejected,
            self.left_out + other.left_out,
        )


def row_counts(store: SnapshotStore, raw: Table, day: date) -> RowCounts | None:
    """The counts of a raw table's delivery of a day; None if nothing was taken in."""
    paths = [store.path(table, day) for table in (raw, REJECTED_OF[raw.name])]
    if not all(path.is_file() for path in paths):
        return None
    accepted, rejected = (pq.read_metadata(path) for path in paths)
    left_out = (rejected.metadata or {}).get(LEFT_OUT_KEY.encode(), b"0")
    return RowCounts(accepted.num_rows, rejected.num_rows, int(left_out))
