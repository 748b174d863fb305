"""Every row of a file as texts in one Parquet file: what all that is looked at is asked of.

On disk, so that memory stays bounded by the engine's limit, however large the file is.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.engine.connection import Cursor
from abintel_pipeline.engine.sql import file_literal
from abintel_pipeline.inspecting.encodings import Progress
from abintel_pipeline.inspecting.text_files import TextFile


@dataclass(frozen=True)
class TextRows:
    """The rows, c0, c1, … for the file's columns in their order, and a way to ask for them."""

    connection: Cursor
    path: Path
    names: tuple[str, ...]
    rows: int

    @property
    def table(self) -> str:
        """SQL of the rows, with `file_row_number` from 0."""
        return f"read_parquet({file_literal(self.path)}, file_row_number=true)"

    def text(self, name: str) -> str:
        """SQL of a column's text, by its name in the file."""
        return f"c{self.names.index(name)}"

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def one(self, query: str) -> tuple[Any, ...]:
        return self.ask(query)[0]


def copy_rows(
    connection: Cursor,
    file: TextFile,
    path: Path,
    progress: Progress,
    expected: int = 0,
) -> TextRows:
    """The rows of a file, copied as texts into a Parquet file at `path`; `expected` is how many."""
    schema = pa.schema([(f"c{n}", pa.string()) for n in range(len(file.names))])
    rows = 0
    with closing(pq.ParquetWriter(path, schema, compression="zstd")) as writer:
        for batch in file.batches():
            writer.write_table(batch.cast(schema))
            rows += batch.num_rows
            progress("rows", rows, max(rows, expected))
    return TextRows(connection, path, file.names, rows)
