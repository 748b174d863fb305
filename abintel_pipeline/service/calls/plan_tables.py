"""Between a request's columns and a plan's tables, and from a plan's results to a response."""

from collections.abc import Iterator
from datetime import date
from typing import Any, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from abintel_pipeline.contract import CUSTOMER_FEATURES
from abintel_pipeline.contract.rfm import RFM_METRICS
from abintel_pipeline.service.calls.decoding import Chunk
from abintel_pipeline.service.calls.documents import (
    CustomerFeatures,
    Features,
    LoyaltySummary,
    Thresholds,
)
from abintel_pipeline.service.calls.plans import REFERENCE_DAY

Columns = dict[str, np.ndarray[Any, Any]]
BLOCK = 10_000
"""Rows that are made at a time."""

Row = TypeVar("Row", bound=msgspec.Struct)


def delivered(chunk: Chunk, lines: pa.Table, today: date) -> dict[str, pa.Table]:
    """The tables `lines` and `customers` of a chunk, its days moved so that today is the plans'.

    Where the document has no orders' ids each line is an order of its own, of no product.
    """
    days = lines["date"].combine_chunks().view(pa.int32()).to_numpy()
    moved = (days + (REFERENCE_DAY - today).days).astype(np.int32)
    has_ids = "transaction_id" in lines.column_names
    orders = lines["transaction_id"] if has_ids else pa.array(np.arange(lines.num_rows))
    products = lines["product_id"] if has_ids else _same(0, pa.int64(), lines.num_rows)
    scores = pa.table(
        {
            "customer_id": pa.array(np.arange(len(chunk.customer_ids))),
            "loyalty_score": pa.array(chunk.loyalty_scores, pa.float64()),
            "delivered_on": _same(REFERENCE_DAY, pa.date32(), len(chunk.customer_ids)),
        }
    )
    in_order = {
        "customer_id": pa.array(chunk.owners),
        "transaction_id": orders,
        "date": pa.array(moved).view(pa.date32()),
        "amount": lines["amount"],
        "product_id": products,
    }
    return {"lines": pa.table(in_order), "customers": scores}


def cohort(parts: list[pa.Table]) -> dict[str, pa.Table]:
    """The table `features` of all chunks, customers numbered as they were sent."""
    together = pa.concat_tables(parts)
    whole = {
        "snapshot_date": _same(REFERENCE_DAY, pa.date32(), together.num_rows),
        "customer_id": pa.array(np.arange(together.num_rows)),
        "loyalty_score": _same(0.0, pa.float64(), together.num_rows),
    } | {name: together[name] for name in together.column_names}
    names = CUSTOMER_FEATURES.schema.names
    return {"features": pa.table({name: whole[name] for name in names})}


def features_table(columns: Columns) -> pa.Table:
    """A chunk's computed features as a part of a cohort."""
    known = {"snapshot_date", "customer_id"}
    return pa.table({name: values for name, values in columns.items() if name not in known})


def response_rows(kind: type[Row], ids: list[str], columns: Columns) -> list[Row]:
    """One row per customer, in the order of the ids."""
    names = kind.__struct_fields__[1:]
    rows: list[Row] = []
    for block in _blocks(len(ids)):
        rows += map(kind, ids[block], *(columns[name][block].tolist() for name in names))
    return rows


def features_rows(ids: list[str], columns: Columns) -> list[CustomerFeatures]:
    """One row per customer, every feature a float as in the document."""
    rows: list[CustomerFeatures] = []
    for block in _blocks(len(ids)):
        of_block = (columns[name][block] for name in Features.__struct_fields__)
        values = (column.astype(float).tolist() for column in of_block)
        rows += map(CustomerFeatures, ids[block], map(Features, *values))
    return rows


def _blocks(rows: int) -> Iterator[slice]:
    """So that a large answer's values aren't all lists before they are rows."""
    return (slice(start, start + BLOCK) for start in range(0, rows, BLOCK))


def summary(columns: Columns) -> LoyaltySummary:
    """The one row of the loyalty summary."""
    row = {name: values.tolist()[0] for name, values in columns.items()}
    counts = msgspec.json.decode(row.pop("segment_counts"), type=dict[str, int])
    return LoyaltySummary(segment_counts=counts, **row)


def thresholds(columns: Columns) -> Thresholds:
    """The metrics' thresholds in their published order."""
    cuts = columns["threshold"]
    return Thresholds(**{name: cuts[columns["metric"] == name].tolist() for name in RFM_METRICS})


def _same(value: Any, kind: pa.DataType, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), rows)
