"""A query's rows as one Parquet file."""

from pathlib import Path

from abintel_pipeline.engine.connection import Cursor
from abintel_pipeline.engine.sql_text import quoted

ROW_GROUP_SIZE = 122_880


def copy_to_parquet(connection: Cursor, query: str, path: Path, metadata: dict[str, str]) -> None:
    """Stream a query into one Parquet file whose bytes depend on its rows and metadata alone.

    TRY hides what DuckDB's planner found out about nulls: it writes a column as required or
    optional by that, so the same rows from another plan were another file.
    """
    pairs = ", ".join(f"{key}: {quoted(value)}" for key, value in metadata.items())
    connection.execute(
        f"COPY (SELECT TRY(COLUMNS(*)) FROM ({query})) TO {quoted(str(path.absolute()))}"
        f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_SIZE},"
        f" KV_METADATA {{{pairs}}})"
    )
