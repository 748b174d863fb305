"""Staging of a delivery: what the readers of all formats share.

A reader turns one source into one part of the delivery, as Parquet files in a private folder.
"""

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection
from ibis.backends.duckdb import Backend

from abintel_pipeline.contract import Table
from abintel_pipeline.engine.connection import native, reopen_if_broken
from abintel_pipeline.engine.sql import copy_to_parquet, file_literal
from abintel_pipeline.intake.errors import IntakeBroken
from abintel_pipeline.intake.request_tables import RequestTable, SourceColumns
from abintel_pipeline.intake.texts.ids import CHANGED
from abintel_pipeline.intake.texts.numbers import offer_products
from abintel_pipeline.intake.texts.screening import LEFT_OUT, leaves_out, screened
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.proofs import MadeFrom, Origin, file_metadata

BATCH_ROWS = 20_000

Numbers = npt.NDArray[np.int64]
"""Such as the ordinals of rows."""


@dataclass(frozen=True)
class Typed:
    """A source's rows, screened: the file, how many rows, how many ids were changed on the way,
    how many rows are left out."""

    path: Path
    rows: int
    ids_changed: int
    left_out: int


@dataclass(frozen=True)
class Reading:
    """One intake of one table and day: what a reader needs. Its files are named `<table>-<n>…`."""

    connection: Backend
    settings: Settings
    table: RequestTable
    day: date
    folder: Path
    made_from: MadeFrom = field(default_factory=dict)
    """The delivery's files, for the footers of what is taken in."""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def duckdb(self) -> DuckDBPyConnection:
        return native(self.connection)

    @cached_property
    def columns(self) -> SourceColumns:
        """Which texts are read, and from where."""
        return SourceColumns(self.table, self.settings)

    def new_path(self, ending: str) -> Path:
        """A path in the staging folder that nobody has yet."""
        return self.folder / f".{self.table.raw.name}-{next(self._numbers)}{ending}"

    def metadata(self, table: Table) -> dict[str, str]:
        """What the footer of a file says that this delivery becomes."""
        return file_metadata(table, self.day, Origin(self.settings.rules, self.made_from))

    def write(self, query: str, path: Path) -> int:
        """Stream a query into a file of the raw table, as the store has them; its rows."""
        copy_to_parquet(self.duckdb, query, path, self.metadata(self.table.raw))
        return int(pq.read_metadata(path).num_rows)

    def stage(self, texts: str) -> Typed:
        """Screen rows of text into a typed Parquet file, in their order."""
        if self.columns.factors:  # a function costs 30 ms to be made known
            offer_products(self.duckdb)
        self.duckdb.execute(f"CREATE OR REPLACE TEMP SEQUENCE {CHANGED}")
        path = self.new_path(".parquet")
        rows = self.write(screened(self.columns, texts), path)
        return Typed(
            path, rows, self._count(f"SELECT nextval('{CHANGED}') - 1"), self._leaves(path)
        )

    def _leaves(self, path: Path) -> int:
        """Rows of a typed file that are left out."""
        if not leaves_out(self.columns):
            return 0
        rows = f"read_parquet({file_literal(path)})"
        return self._count(f"SELECT count({LEFT_OUT}) FROM {rows}")

    def _count(self, query: str) -> int:
        found = self.duckdb.execute(query).fetchone()
        return int(found[0]) if found else 0

    def drop(self, *tables: str) -> None:
        """Drop temporary tables, if they exist."""
        for table in tables:
            self.duckdb.execute(f"DROP TABLE IF EXISTS {table}")

    def clear(self) -> None:
        """Remove every temporary file and table of this reading."""
        for path in self.folder.glob(f".{self.table.raw.name}-*"):
            path.unlink()
        if reopen_if_broken(self.connection):
            return
        self.duckdb.execute(f"DROP SEQUENCE IF EXISTS {CHANGED}")
        tables = self.duckdb.execute(
            "SELECT table_name FROM duckdb_tables() WHERE ends_with(table_name, ?)", [self.key]
        ).fetchall()
        self.drop(*(name for (name,) in tables))


@dataclass(frozen=True)
class Part:
    """One source, read: its rows as typed Parquet, and the lines of it that are no row at all.

    A row's ordinal is its place in `typed`, from 0. `located(wanted)`, given a SELECT of
    ordinals, gives a SELECT of those rows as they came, in the columns of `text_schema`.
    """

    name: str
    typed: Typed
    located: Callable[[str], str]
    rejected: Path | None = None
    rejected_rows: int = 0
    problems: str | None = None
    """SELECT of (ordinal, column, reason) that the reader found itself."""
    even: bool = False
    """The same source gives the same bytes in `typed`, whichever thread was first."""

    @property
    def rows(self) -> int:
        """Rows in `typed`, those that are left out included."""
        return self.typed.rows

    @property
    def received(self) -> int:
        """Rows that came, whatever becomes of them."""
        return self.rows + self.rejected_rows

    def check(self, expected: int) -> "Part":
        """This part, if it has as many rows as were counted in the source."""
        if self.rows != expected:
            raise IntakeBroken(f"{self.name}: {expected} rows were counted, {self.rows} were read")
        return self


class ParquetRows:
    """Writes rows from Python to a Parquet file in batches, so that no file is held in memory.

    Complete once closed.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.rows = 0
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._batch: list[tuple[object, ...]] = []

    def add(self, *values: object) -> None:
        self._batch.append(values)
        self.rows += 1
        if len(self._batch) >= BATCH_ROWS:
            self._write()

    def close(self) -> None:
        try:
            self._write()
        finally:
            self._writer.close()

    def _write(self) -> None:
        if self._batch:
            columns = zip(*self._batch, strict=True)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, self._schema, strict=True)]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
            self._batch.clear()


REJECTED_LINES = pa.schema(
    [("row", pa.int64()), ("reasons", pa.list_(pa.string())), ("raw", pa.string())]
)
