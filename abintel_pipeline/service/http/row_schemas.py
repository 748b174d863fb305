"""The rows of the published tables as JSON Schema, and what reads of them answer, for OpenAPI."""

from typing import Any

import pyarrow as pa

from abintel_pipeline.contract import Table

Json = dict[str, Any]

OBJECTS = frozenset({"segment_counts", "segment_thresholds", "rules"})
"""Columns of texts that are JSON objects: in rows as JSON they are objects, in files texts."""


def row_schema(table: Table) -> Json:
    """A row of the table, column by column."""
    columns = table.model.to_schema().columns
    return {
        "type": "object",
        "title": table.name,
        "description": table.description,
        "required": table.schema.names,
        "properties": {
            field.name: {**_kind(field), "description": columns[field.name].description}
            for field in table.schema
        },
    }


def _kind(field: pa.Field) -> Json:
    if field.name in OBJECTS:
        return {"type": "object"}
    if pa.types.is_date(field.type):
        return {"type": "string", "format": "date"}
    numbers = {pa.float64(): "number", pa.int64(): "integer", pa.int32(): "integer"}
    kind = numbers.get(field.type, "string")
    return {"type": [kind, "null"] if field.nullable else kind}


DAYS = {"table": "customer_rfm", "days": ["2025-04-23", "2025-04-24"]}
"""What the days of a table are answered with."""

LOYALTY = {
    "total": 2,
    "offset": 0,
    "rows": [
        {
            "snapshot_date": "2025-04-24",
            "customer_id": "001",
            "loyalty_score": 1.0,
            "segment": "Platinum",
        }
    ],
}
"""The first page of a day of `customer_loyalty`, for limit=1."""

HISTORY = {
    "total": 1,
    "offset": 0,
    "rows": [
        {
            "snapshot_date": "2025-04-24",
            "customer_id": "001",
            "recency_days": 0,
            "frequency": 1,
            "monetary_total": 19.9,
            "recency_score": 5,
            "frequency_score": 1,
            "monetary_score": 5,
            "rfm_class": "515",
            "rfm_total": 11,
            "rfm_tier": "Loyal",
            "interpretation": "Loyal – regular buyers of above-average value",
            "loyalty_score": 1.0,
            "segment": "Platinum",
        }
    ],
}
"""A customer's history of one day."""
