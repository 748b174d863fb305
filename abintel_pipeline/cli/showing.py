"""What a person wants to see of a published day, as plain rows; printing is the command line's."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import ibis

from abintel_pipeline.contract import (
    CUSTOMER_RFM,
    RAW_CUSTOMERS,
    RAW_TRANSACTIONS,
    Table,
)
from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.engine.connection import Backend, native
from abintel_pipeline.intake.rejected.files import (
    REJECTED,
    RejectedDelivery,
    RowCounts,
    kept,
    rejected_store,
    row_counts,
)
from abintel_pipeline.rules import Rules
from abintel_pipeline.store.deleted import Deleted, deleted_deliveries, deleted_in, told_deleted
from abintel_pipeline.store.proofs import snapshot_rules
from abintel_pipeline.store.snapshot_store import SnapshotStore
from abintel_pipeline.store.windows import Window, trailing_window

ROW = ("file", "row", "reasons", "raw")

REQUEST_TABLES = (RAW_TRANSACTIONS, RAW_CUSTOMERS)


class NothingTakenIn(Exception):
    """A delivery was asked about that hasn't been taken in."""

    def __init__(self, day: date) -> None:
        super().__init__(f"no delivery of {day} has been taken in")


class DeliveryDeleted(Exception):
    """A delivery was asked about whose rows were removed from the store."""

    def __init__(self, store: SnapshotStore, deleted: Deleted) -> None:
        super().__init__("; ".join(told_deleted(store, *one) for one in deleted.items()))


@dataclass(frozen=True)
class Share:
    """One segment or tier of a snapshot. Means are None where it has no customers."""

    name: str
    customers: int
    share: float
    mean_spend: float | None
    mean_recency_days: float | None


@dataclass(frozen=True)
class Overview:
    """A published day at a glance."""

    day: date
    customers: int
    segments: list[Share]
    tiers: list[Share]
    rules: Rules
    window: Window
    deleted: Deleted
    received: int
    rejected: int
    left_out: int


def overview(connection: Backend, store: SnapshotStore, day: date) -> Overview:
    """Segments, tiers and deliveries of one snapshot. Raises SnapshotMissing if there is none."""
    rfm = store.read(connection, CUSTOMER_RFM, [day])
    rules = snapshot_rules(store.path(CUSTOMER_RFM, day))
    window = trailing_window(store, day, rules.history_days)
    counts = (row_counts(store, RAW_TRANSACTIONS, d) for d in window.delivered)
    rows = sum((one for one in counts if one), RowCounts())
    return Overview(
        day=day,
        customers=store.rows(CUSTOMER_RFM, day),
        segments=_shares(rfm, "segment", list(rules.segment_thresholds)),
        tiers=_shares(rfm, "rfm_tier", list(TIERS)),
        rules=rules,
        window=window,
        deleted=deleted_in(window, deleted_deliveries(store)),
        received=rows.received,
        rejected=rows.rejected,
        left_out=rows.left_out,
    )


def rows_taken_in(
    store: SnapshotStore, raw: Table, start: date, end: date
) -> tuple[RowCounts, list[date]]:
    """The rows of a raw table's deliveries from start to end, and the days with rejected ones."""
    counts = {day: row_counts(store, raw, day) for day in store.days(raw, start, end)}
    known = {day: one for day, one in counts.items() if one}
    return sum(known.values(), RowCounts()), [day for day, one in known.items() if one.rejected]


def _shares(rfm: ibis.Table, by: str, names: list[str]) -> list[Share]:
    """One Share per name, in the order given, also where nobody is in it; then what else there is.

    A file of a version before 0.3 may hold segments of other rules than those that it names.
    """
    counted = rfm.group_by(by).agg(
        customers=rfm.count(), spend=rfm.monetary_total.mean(), recency=rfm.recency_days.mean()
    )
    found = {row[by]: row for row in counted.to_pyarrow().to_pylist()}
    total = sum(row["customers"] for row in found.values())
    names = [*names, *sorted(set(found) - set(names))]
    rows = (found.get(name, {"customers": 0, "spend": None, "recency": None}) for name in names)
    return [
        Share(
            name,
            row["customers"],
            row["customers"] / total if total else 0.0,
            row["spend"],
            row["recency"],
        )
        for name, row in zip(names, rows, strict=True)
    ]


@dataclass(frozen=True)
class Rejection:
    """One rejected row of a delivery."""

    table: str
    file: str
    row: int
    reasons: list[str]
    raw: str


@dataclass(frozen=True)
class Rejections:
    """The rejected rows of a day's deliveries: the first of them, how many, and {reason: rows}."""

    rows: list[Rejection]
    total: int
    reasons: dict[str, int]


def rejections(
    connection: Backend,
    store: SnapshotStore,
    day: date,
    limit: int,
    tables: Iterable[Table] = REJECTED,
) -> Rejections | None:
    """A day's rejected rows in the order of table, file and row; None if nothing was taken in."""
    taken_in = [table for table in tables if store.path(table, day).is_file()]
    if not taken_in:
        return None
    rows: list[Rejection] = []
    reasons: Counter[str] = Counter()
    for table in taken_in:
        rejected = store.read(connection, table, [day])
        first = rejected.order_by("file", "row").limit(limit - len(rows)).to_pyarrow().to_pylist()
        rows += [Rejection(table.name, *(row[name] for name in ROW)) for row in first]
        each = rejected.select(reason=rejected.reasons.unnest())
        counted = each.group_by("reason").agg(rows=each.count()).to_pyarrow().to_pylist()
        reasons.update({row["reason"]: row["rows"] for row in counted})
    total = sum(store.rows(table, day) for table in taken_in)
    return Rejections(rows, total, dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair))))


def rejected_rows(
    connection: Backend, store: SnapshotStore, delivery: RejectedDelivery, limit: int
) -> list[Rejection]:
    """The first rejected rows of a delivery that was rejected as a whole."""
    kept_in = rejected_store(store)
    found = rejections(connection, kept_in, delivery.day, limit, [delivery.table])
    return found.rows if found else []


def rejected_deliveries(
    connection: Backend, store: SnapshotStore, day: date
) -> list[RejectedDelivery]:
    """The day's deliveries that were rejected as a whole, since its tables were published."""
    return kept(native(connection), store, day)
