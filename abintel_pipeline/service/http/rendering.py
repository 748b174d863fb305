"""Rows as the client asked for them: JSON, an Arrow stream, or a Parquet file."""

import io
import re
from collections.abc import Callable

import msgspec
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from abintel_pipeline.service.calls.faults import Refused
from abintel_pipeline.service.http.row_schemas import OBJECTS

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
OFFERED = (JSON, ARROW, PARQUET)
"""As registered with IANA; where a client likes several alike, the first."""


def as_arrow(rows: pa.Table) -> bytes:
    """Rows as an Arrow IPC stream."""
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return sink.getvalue()


def as_parquet(rows: pa.Table) -> bytes:
    """Rows as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(rows, sink, compression="zstd")
    return sink.getvalue()


FILES: dict[str, Callable[[pa.Table], bytes]] = {ARROW: as_arrow, PARQUET: as_parquet}


def rows_as_json(rows: pa.Table) -> msgspec.Raw:
    """Rows as an array of JSON objects; a column of JSON texts has what they say."""
    told = rows.to_pylist()
    for name in OBJECTS.intersection(rows.column_names):
        for row in told:
            row[name] = msgspec.Raw(row[name].encode())
    return msgspec.Raw(msgspec.json.encode(told))


def preferred(accept: str) -> str:
    """Which of OFFERED an Accept header likes best. Raises Refused (406) where it likes none.

    >>> preferred("application/vnd.apache.parquet, */*;q=0.1")
    'application/vnd.apache.parquet'
    """
    ranges = [_range(one) for one in accept.split(",") if one.strip()] or [("*/*", 1.0)]
    liked = {kind: _quality(kind, ranges) for kind in OFFERED}
    best = max(OFFERED, key=lambda kind: liked[kind])
    if not liked[best]:
        raise Refused(406, "Not to be had", f"there is {', '.join(OFFERED)}, not {accept[:100]!r}")
    return best


def _range(text: str) -> tuple[str, float]:
    kind, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = next((p.partition("=")[2] for p in parameters if p.startswith("q=")), "1")
    known = re.fullmatch(r"[01](\.\d{0,3})?", quality)
    return kind, min(float(quality), 1.0) if known else 0.0


def _quality(kind: str, ranges: list[tuple[str, float]]) -> float:
    """The quality of the most exact range that has the type in it."""
    for pattern in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        found = [quality for one, quality in ranges if one == pattern]
        if found:
            return found[0]
    return 0.0
