"""Two published days worked by hand, for checks: three customers on the first, two on the second.

The rules have two bins, so that each metric has one threshold: its median. A file is written as the
store writes it, and no formula is run.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.engine.connection import Backend, native
from abintel_pipeline.engine.sql import copy_to_parquet
from abintel_pipeline.quality.blocking import verified_again
from abintel_pipeline.rules import METRICS, Rules
from abintel_pipeline.store.proofs import Origin, file_metadata
from abintel_pipeline.store.snapshot_store import SnapshotStore, Staged

Row = dict[str, Any]
Change = Callable[[list[Row]], list[Row]]
FIRST, SECOND = date(2025, 3, 1), date(2025, 3, 2)
DAYS = [FIRST, SECOND]
RULES = Rules(bins=2)
STEPS = {
    "customer_features": ("customer_features",),
    "customer_loyalty": ("customer_loyalty", "loyalty_summary"),
    "customer_rfm": ("customer_rfm", "rfm_thresholds"),
}
"""The tables of each step."""

# recency_days, visit_frequency, purchase_total; loyalty_score, segment;
# recency_score, frequency_score, monetary_score, rfm_class, rfm_total, rfm_tier
CUSTOMERS = {
    FIRST: {
        "A": (0, 3, 30.0, 1.0, "Platinum", 2, 2, 2, "222", 6, "Champion"),
        "B": (1, 2, 20.0, 0.5, "Silver", 2, 1, 1, "211", 4, "Champion"),
        "C": (2, 1, 10.0, 0.0, "At-Risk", 1, 1, 1, "111", 3, "At-Risk"),
    },
    SECOND: {
        "B": (0, 2, 20.0, 1.0, "Platinum", 2, 2, 2, "222", 6, "Champion"),
        "C": (2, 1, 10.0, 0.0, "At-Risk", 1, 1, 1, "111", 3, "At-Risk"),
    },
}

# mean, median, and the score nine tenths of the way up: 0.5 + 0.8 · 0.5 and 0.9 · 1
SUMMARY = {
    FIRST: (0.5, 0.5, 0.9, {"Platinum": 1, "Gold": 0, "Silver": 1, "Bronze": 0, "At-Risk": 1}),
    SECOND: (0.5, 0.5, 0.9, {"Platinum": 1, "Gold": 0, "Silver": 0, "Bronze": 0, "At-Risk": 1}),
}

# The medians; then the totals 3 4 6 at places 1.4, 0.9, 0.4, and 3 6 at 0.7, 0.45, 0.2.
THRESHOLDS = {
    FIRST: (1.0, 2.0, 20.0, (4.0, 4.8, 3.9, 3.4)),
    SECOND: (1.0, 1.5, 15.0, (4.0, 5.1, 4.35, 3.6)),
}


def features_of(day: date) -> list[Row]:
    return [
        {
            "customer_id": customer,
            "purchase_total": total,
            "visit_frequency": visits,
            "avg_ticket": 10.0,
            "product_diversity": 1,
            "loyalty_score": 0.0,
            "recency_days": recency,
        }
        for customer, (recency, visits, total, *_) in CUSTOMERS[day].items()
    ]


def loyalty_of(day: date) -> list[Row]:
    return [
        {"customer_id": customer, "loyalty_score": values[3], "segment": values[4]}
        for customer, values in CUSTOMERS[day].items()
    ]


def summary_of(day: date) -> list[Row]:
    mean, median, top, counts = SUMMARY[day]
    row = {
        "customers": len(CUSTOMERS[day]),
        "mean_score": mean,
        "median_score": median,
        "top_decile_threshold": top,
        "segment_counts": json.dumps(counts),
        "segment_thresholds": json.dumps(RULES.segment_thresholds),
        "rules": RULES.as_json(),
    }
    return [row | {f"weight_{metric}": 0.2 for metric in METRICS}]


def rfm_of(day: date) -> list[Row]:
    scores = ("recency_score", "frequency_score", "monetary_score")
    names = (*scores, "rfm_class", "rfm_total", "rfm_tier")
    return [
        {
            "customer_id": customer,
            "recency_days": recency,
            "frequency": visits,
            "monetary_total": total,
            **dict(zip(names, scored, strict=True)),
            "interpretation": TIERS[scored[-1]],
            "loyalty_score": loyalty,
            "segment": segment,
        }
        for customer, (recency, visits, total, loyalty, segment, *scored) in CUSTOMERS[day].items()
    ]


def thresholds_of(day: date) -> list[Row]:
    *medians, totals = THRESHOLDS[day]
    of_metrics = zip(("recency", "frequency", "monetary"), medians, strict=True)
    listed = [(metric, 1, "1/2", median) for metric, median in of_metrics]
    named = zip(("champion", "p70", "p45", "p20"), totals, strict=True)
    listed += [("rfm_total", place, cut, total) for place, (cut, total) in enumerate(named, 1)]
    return [
        dict(zip(("metric", "position", "cut", "threshold"), row, strict=True)) for row in listed
    ]


ROWS: dict[str, Callable[[date], list[Row]]] = {
    "customer_features": features_of,
    "customer_loyalty": loyalty_of,
    "loyalty_summary": summary_of,
    "customer_rfm": rfm_of,
    "rfm_thresholds": thresholds_of,
}


def own_schema(table: Table) -> pa.Schema:
    """The columns of the table's files, each of which may be null here."""
    return pa.schema(
        [f.with_nullable(True) for f in table.schema if f.name != table.partition_column]
    )


@dataclass
class TwoDays:
    """The two days in a store, of which some rows may be changed."""

    connection: Backend
    root: Path

    @property
    def store(self) -> SnapshotStore:
        return SnapshotStore(self.root)

    def write(self, name: str, day: date, rows: list[Row], root: Path | None = None) -> Staged:
        """The day's file, in the store or in another folder."""
        table = TABLES[name]
        path = SnapshotStore(root or self.root).path(table, day)
        path.parent.mkdir(parents=True, exist_ok=True)
        cursor = native(self.connection)
        cursor.register("own", pa.Table.from_pylist(rows, schema=own_schema(table)))
        copy_to_parquet(cursor, "FROM own", path, file_metadata(table, day, Origin(RULES)))
        return Staged(table, day, path, len(rows))

    def publish(self, **changes: Change) -> "TwoDays":
        """Both days, the rows of some tables' first day changed."""
        for name, rows_of in ROWS.items():
            change = changes.get(name, lambda rows: rows)
            self.write(name, FIRST, change(rows_of(FIRST)))
            self.write(name, SECOND, rows_of(SECOND))
        return self

    def told(self, step: str, passed: bool | None = None) -> dict[tuple[str, date], str]:
        """{(table.check, day): its sentence}, of a step's published days; of those that passed."""
        tables = tuple(TABLES[name] for name in STEPS[step])
        found = verified_again(self.connection, self.store, tables, DAYS)
        return {
            (f"{one.table}.{one.check}", one.day): one.sentence
            for one in found
            if passed in (None, one.passed)
        }


def put(place: int, **values: Any) -> Change:
    """A change of some cells of one row."""

    def change(rows: list[Row]) -> list[Row]:
        return [row | values if n == place else row for n, row in enumerate(rows)]

    return change
