"""Raw files of both versions, written without a store."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.contract import RAW_TRANSACTIONS
from abintel_pipeline.rules import Rules

VERSION_1 = pa.schema(
    [
        ("customer_id", pa.string()),
        ("transaction_id", pa.string()),
        ("date", pa.date32()),
        ("amount", pa.decimal128(18, 2)),
        ("product_id", pa.string()),
    ]
)
"""The columns in which files were published before there were others."""
VERSION_2 = pa.schema([field for field in RAW_TRANSACTIONS.schema if field.name != "delivered_on"])
PLAIN = {
    "customer_id": "001",
    "transaction_id": "T1",
    "date": date(2025, 1, 2),
    "amount": Decimal("10.00"),
    "product_id": "P1",
}


def put_lines(path: Path, schema: pa.Schema, *rows: dict[str, Any], **options: Any) -> Path:
    """Lines like PLAIN but for the values given, in a file of a version before 0.3.

    It does not prove its bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = [{"cancelled": False} | PLAIN | row for row in rows]
    told = {
        "abintel_table": RAW_TRANSACTIONS.name,
        "abintel_schema_version": "1" if schema is VERSION_1 else "2",
        "abintel_rules": Rules().as_json(),
    }
    pq.write_table(pa.Table.from_pylist(whole, schema=schema.with_metadata(told)), path, **options)
    return path
