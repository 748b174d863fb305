"""What a person wants to see of a published day, as plain rows; printing is the command line's."""

from dataclasses import dataclass
from datetime import date

import ibis
from ibis.backends.duckdb import Backend

from abintel_pipeline.contract import TABLES
from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.store import SnapshotStore, stored_rules
from abintel_pipeline.windows import Window, trailing_window

CUSTOMER_RFM = TABLES["customer_rfm"]
CUSTOMER_LOYALTY = TABLES["customer_loyalty"]


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
    window: Window
    received: int
    refused: int


def overview(connection: Backend, store: SnapshotStore, day: date) -> Overview:
    """Segments, tiers and deliveries of one snapshot. Raises SnapshotMissing if there is none."""
    rfm = store.read(connection, CUSTOMER_RFM, [day])
    rules = stored_rules(store.path(CUSTOMER_RFM, day))
    loyalty_rules = stored_rules(store.path(CUSTOMER_LOYALTY, day))
    window = trailing_window(store, day, rules.history_days)
    refused = sum(store.rows(TABLES["rejected_transactions"], d) for d in window.delivered)
    accepted = sum(store.rows(TABLES["raw_transactions"], d) for d in window.delivered)
    return Overview(
        day=day,
        customers=store.rows(CUSTOMER_RFM, day),
        segments=_shares(rfm, "segment", list(loyalty_rules.segment_thresholds)),
        tiers=_shares(rfm, "rfm_tier", list(TIERS)),
        window=window,
        received=accepted + refused,
        refused=refused,
    )


def _shares(rfm: ibis.Table, by: str, names: list[str]) -> list[Share]:
    """One Share per name, in the order given, also where nobody is in it."""
    counted = rfm.group_by(by).agg(
        customers=rfm.count(), spend=rfm.monetary_total.mean(), recency=rfm.recency_days.mean()
    )
    found = {row[by]: row for row in counted.to_pyarrow().to_pylist()}
    total = sum(row["customers"] for row in found.values())
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
class Refusal:
    """One refused row of a delivery."""

    table: str
    file: str
    row: int
    reasons: list[str]
    raw: str


def refusals(connection: Backend, store: SnapshotStore, day: date) -> list[Refusal] | None:
    """Every refused row of a day's deliveries, in file order; None if no delivery was taken in."""
    tables = [TABLES["rejected_transactions"], TABLES["rejected_customers"]]
    taken_in = [table for table in tables if store.path(table, day).is_file()]
    if not taken_in:
        return None
    return [
        Refusal(table.name, row["file"], row["row"], row["reasons"], row["raw"])
        for table in taken_in
        for row in store.read(connection, table, [day])
        .order_by("file", "row")
        .to_pyarrow()
        .to_pylist()
    ]
