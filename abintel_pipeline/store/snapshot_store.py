"""The snapshot store: one Parquet file per table and day, replaced whole or not at all.

    <root>/<table>/<partition column>=YYYY-MM-DD/data.parquet

A file is written beside its place, flushed to disk and renamed into it, so a reader sees the old
file or the new one. Rows are written in the contract's column order, types and row order; the
partition column stands in the folder's name alone, where every reader of hive-style Parquet finds
it (pyarrow and pandas refuse it in both places). What is read is proved first: see `proofs`.
"""

import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.sql.datatypes import DuckDBType

from abintel_pipeline.contract import RAW_TRANSACTIONS, Table
from abintel_pipeline.contract.findings import Figure, Finding
from abintel_pipeline.contract.line_traits import LineTraits
from abintel_pipeline.engine.connection import Backend, Cursor, native
from abintel_pipeline.engine.sql import copy_to_parquet, file_literal, literal
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.flushing import flush
from abintel_pipeline.store.footers import line_traits, spread
from abintel_pipeline.store.locks import abandoned, forget_killed_intakes, owned, publishing
from abintel_pipeline.store.proofs import (
    Origin,
    file_metadata,
    prove,
    read_footer,
    seal,
    trust,
    why_not,
)

FILE_NAME = "data.parquet"
STAGING = ".staging"
LOCK = ".lock"
ABANDONED_AFTER_SECONDS = 24 * 3600

DAY_OF_FILE = f"right(filename, {len('YYYY-MM-DD/') + len(FILE_NAME)})[:10]::DATE"
"""SQL of a file's day, from the end of its own path."""


class SnapshotMissing(LookupError):
    """A day was asked for that isn't published."""

    def __init__(self, table: str, missing: list[date], published: list[date]) -> None:
        self.missing = missing
        days = ", ".join(map(str, missing[:5])) + (", …" if len(missing) > 5 else "")
        have = (
            f"published are {published[0]} to {published[-1]}" if published else "none is published"
        )
        super().__init__(
            f"{table}: {len(missing)} of the days asked for are missing ({days}); {have}"
        )


class Outdated(Exception):
    """What staged files were made from has been replaced since: they were not published."""


@dataclass(frozen=True)
class Staged:
    """A whole file beside its place, not yet visible to any reader."""

    table: Table
    day: date
    path: Path
    rows: int
    findings: tuple[Finding, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """Numbers of the day that verifying it came across and that are worth following."""


OriginOf = Callable[[date], Origin]

Write = Callable[[Cursor, Path, date], Staged]
"""Writes a day's file into a folder, by the connection or cursor given."""


class SnapshotStore:
    """Reads and writes partitions of the contract's tables under one folder."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def path(self, table: Table, day: date) -> Path:
        """Where the table's file of that day lies, published or not."""
        return self.root / table.name / f"{table.partition_column}={day.isoformat()}" / FILE_NAME

    def days(self, table: Table, start: date = date.min, end: date = date.max) -> list[date]:
        """The table's published days from start to end, both included, in order."""
        return sorted(self.versions(table, start, end))

    def versions(
        self, table: Table, start: date = date.min, end: date = date.max
    ) -> dict[date, object]:
        """{published day: what tells its file from those before and after it}, start to end.

        In no order. Asked for at every publication, so it goes without a Path for each file.
        """
        folder = self.root / table.name
        pattern = re.compile(rf"{table.partition_column}=(\d{{4}}-\d\d-\d\d)")
        found: dict[date, object] = {}
        for name in os.listdir(folder) if folder.is_dir() else ():  # noqa: PTH208
            match = pattern.fullmatch(name)
            if match and start <= (day := date.fromisoformat(match[1])) <= end:
                with suppress(FileNotFoundError):
                    file = os.stat(f"{folder}/{name}/{FILE_NAME}")  # noqa: PTH116
                    found[day] = (file.st_ino, file.st_mtime_ns)
        return found

    def rows(self, table: Table, day: date) -> int:
        """Row count of a published day, from the file's footer."""
        return int(read_footer(self.path(table, day)).num_rows)

    def line_traits(self, days: Iterable[date]) -> dict[date, LineTraits]:
        """{delivery day: what is among its lines}, read off each file's footer: it costs no scan.

        Where the footer doesn't tell, anything may be.
        """
        raw = RAW_TRANSACTIONS
        return {day: line_traits(self.path(raw, day), day) for day in days}

    def newest_date(self, day: date) -> date | None:
        """The newest date among the lines delivered on a day; None if there is no line.

        Read off the file's footer. The day itself, as late as any date can be, where the footer
        doesn't tell.
        """
        span = self._dates(day)
        return span[1] if span else None

    def oldest_date(self, day: date) -> date | None:
        """The oldest, likewise; the first day that there is where the footer doesn't tell."""
        span = self._dates(day)
        return span[0] if span else None

    def _dates(self, day: date) -> tuple[date, date] | None:
        path = self.path(RAW_TRANSACTIONS, day)
        return spread(path, "date", (date.min, day)) if path.is_file() else None

    # ── writing ──────────────────────────────────────────────────────────────

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A private folder on the store's own file system, gone at the end whatever happens.

        What killed runs left of theirs goes first.
        """
        root = self.root / STAGING
        root.mkdir(parents=True, exist_ok=True)
        sweep(root, ABANDONED_AFTER_SECONDS)
        forget_killed_intakes(self.root)
        folder = root / uuid.uuid4().hex
        with owned(folder.with_suffix(LOCK)):
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder)

    def stage(
        self, folder: Path, table: Table, day: date, rows: ir.Table, origin: Origin
    ) -> Staged:
        """Write `rows` (the table's columns, in any order and any castable type) into `folder`."""
        connection = rows.get_backend()
        write = self.writing(connection, table, rows, lambda _: origin)
        return write(native(connection), folder, day)

    def writing(
        self,
        connection: Backend,
        table: Table,
        rows: ir.Table,
        origin: OriginOf,
        *,
        in_order: bool = False,
    ) -> Write:
        """`stage`, compiled and yet to be run: on the connection or a cursor of it, for any day.

        `rows` may stand on a `view_of_day`. `in_order`: they are the rows of such a view, which an
        engine gives in their order as long as none is joined, left out or counted; to sort them
        again would be a quarter of a file's cost. Verification sees that it is so.
        """
        schema = {f.name: f.type for f in table.schema if f.name != table.partition_column}
        typed = rows.select(
            **{
                name: rows[name].cast(ibis.dtype(dtype))
                for name, dtype in _ibis_types(schema).items()
            }
        )
        if table.order and not in_order:
            typed = typed.order_by(list(table.order))
        query = connection.compile(typed)

        def write(cursor: Cursor, folder: Path, day: date) -> Staged:
            path = SnapshotStore(folder).path(table, day)
            path.parent.mkdir(parents=True)
            copy_to_parquet(cursor, query, path, file_metadata(table, day, origin(day)))
            _of_contract(table, pq.read_schema(path))
            seal(path)
            flush(path)  # while other files are written; publishing finds nothing left to flush
            return Staged(table, day, path, int(pq.read_metadata(path).num_rows))

        return write

    def publish(self, *staged: Staged, unchanged: Callable[[date], bool] = lambda _: True) -> None:
        """Make staged files the published ones, each atomically, in the order given.

        One run publishes at a time. Raises Outdated, and publishes nothing, when by then what the
        day was made from is not `unchanged`.
        """
        for one in staged:
            seal(one.path)
        flush(*(one.path for one in staged))
        with publishing(self.root):
            if not all(unchanged(day) for day in {one.day for one in staged}):
                raise Outdated
            for one in staged:
                place = self.path(one.table, one.day)
                place.parent.mkdir(parents=True, exist_ok=True)
                one.path.replace(place)
                trust(one.table, one.day, place)
                # A new folder is safe once the one above it is flushed, and whoever made it may
                # have been killed before that. Unchanged folders cost next to nothing.
                flush(place.parent, place.parent.parent, self.root)

    # ── reading ──────────────────────────────────────────────────────────────

    def read(self, connection: Backend, table: Table, days: Iterable[date]) -> ir.Table:
        """The rows of the given days, partition column included, in the contract's order.

        No day at all gives an empty table of the same schema.

        Raises SnapshotMissing when one of the days isn't published, NotAsPublished when its file
        isn't what was.
        """
        return scan(connection, table, self.paths(table, days))

    def paths(self, table: Table, days: Iterable[date]) -> list[Path]:
        """The files of the given days, in their order, proved.

        Raises SnapshotMissing when one of the days isn't published, NotAsPublished when its file
        isn't what was.
        """
        wanted = list(days)
        paths = [self.path(table, day) for day in wanted]
        missing = [day for day, path in zip(wanted, paths, strict=True) if not path.is_file()]
        if missing:
            raise SnapshotMissing(table.name, missing, self.days(table))
        prove(table, zip(wanted, paths, strict=True))
        return paths

    def is_whole(self, table: Table, day: date) -> bool:
        """Whether a published file is what it says."""
        return why_not(table, day, self.path(table, day)) is None

    def proved(self, table: Table, day: date) -> Path:
        """The file of one day, as `paths` gives it."""
        (path,) = self.paths(table, [day])
        return path


def open_store(settings: Settings) -> SnapshotStore:
    """The store that the settings name."""
    return SnapshotStore(settings.store)


def scan(connection: Backend, table: Table, paths: list[Path]) -> ir.Table:
    """Rows of Parquet files laid out as the store lays them out."""
    # A view that isn't temporary, so that cursors of the connection see it too.
    name = f"scan_{uuid.uuid4().hex}"
    query = _select(table, paths) if paths else f"SELECT {_nulls(table.schema)} WHERE false"
    native(connection).execute(f"CREATE VIEW {name} AS {query}")
    return connection.table(name).select(*table.schema.names)


def view_of_day(table: Table, *others: Table) -> ir.Table:
    """The rows of whichever day is bound when a query on it runs: compiled once for many days.

    With `others`, tables of the same customers in the same order, each row has theirs beside it;
    of a column that both have, the other's. Whether they are the same is for the caller to see.
    """
    fields = {field.name: field for one in (table, *others) for field in one.schema}
    return ibis.table(ibis.schema(pa.schema(fields.values())), name=f"{table.name}_of_day")


def bind_files(cursor: Cursor, one: tuple[Table, Path], *others: tuple[Table, Path]) -> None:
    """From now on, for this cursor alone, the `view_of_day` of these tables is of these files."""
    table, path = one
    query = _select(table, [path])
    for other, place in others:
        own = [name for name in other.schema.names if name not in _keys(table)]
        known = [name for name in own if name in table.schema.names]
        hidden = f"EXCLUDE ({', '.join(known)})" if known else ""
        query = (
            f"SELECT one.* {hidden}, other.* FROM ({query}) one"
            f" POSITIONAL JOIN (SELECT {', '.join(own)} FROM ({_select(other, [place])})) other"
        )
    view = view_of_day(table).get_name()
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {query}")


def _keys(table: Table) -> set[str]:
    return {table.partition_column, *table.order}


def _select(table: Table, paths: list[Path]) -> str:
    """The SQL that reads those files.

    By name: the types of all files are united, so that days stored with more decimals of the
    currency than the first keep them, and files of an earlier version have the columns that were
    added. The day is read off the end of each file's own path: a folder above the store may be
    called `env=prod`, which hive partitioning takes for a column.
    """
    files = ", ".join(map(file_literal, paths))
    rows = f"read_parquet([{files}], hive_partitioning=false, filename=true, union_by_name=true)"
    return (
        f"SELECT *{_replaced(table)}, {DAY_OF_FILE} AS {table.partition_column}"
        f" FROM {_with_added(table, rows, paths)}"
    )


def _with_added(table: Table, rows: str, paths: list[Path]) -> str:
    """SQL of the rows with the columns that files of earlier versions don't have, there null.

    One file that has them is enough, and the last is likely to; else no row of them is added.
    """
    if not table.added or table.added.keys() <= set(pq.read_schema(paths[-1]).names):
        return rows
    added = _nulls(pa.schema(table.schema.field(name) for name in table.added))
    return f"(FROM {rows} UNION ALL BY NAME SELECT {added} WHERE false)"


def _nulls(columns: pa.Schema) -> str:
    types = ibis.schema(columns)
    return ", ".join(f"NULL::{_sql_type(types[name])} AS {name}" for name in types)


def _replaced(table: Table) -> str:
    """SQL that gives the added columns the value they have in earlier versions, where not null."""
    values = {name: value for name, value in table.added.items() if value is not None}
    given = ", ".join(f"coalesce({n}, {literal(value)}) AS {n}" for n, value in values.items())
    return f" REPLACE ({given})" if given else ""


def _sql_type(dtype: dt.DataType) -> str:
    return str(DuckDBType.to_string(dtype))


def sweep(folder: Path, age_seconds: float) -> None:
    """Remove what killed runs left in a staging folder.

    A run holds the lock beside its stage as long as it lives. Versions up to 0.2 made stages
    without a lock: those go by their age.
    """
    oldest = time.time() - age_seconds
    for entry in folder.iterdir():
        if entry.suffix == LOCK:
            with abandoned(entry) as gone:
                if gone:
                    shutil.rmtree(entry.with_suffix(""), ignore_errors=True)
        elif not entry.with_suffix(LOCK).exists():
            with suppress(FileNotFoundError):  # another run has just removed its own
                if entry.stat().st_mtime < oldest:
                    shutil.rmtree(entry, ignore_errors=True)


def _of_contract(table: Table, written: pa.Schema) -> None:
    """Refuse a file whose columns or types aren't the contract's, before anybody can see it."""
    wanted = {f.name: f.type for f in table.schema if f.name != table.partition_column}
    if {field.name: field.type for field in written} != wanted:
        raise TypeError(f"{table.name}: wrote {written.to_string()}, the contract has {wanted}")


def _ibis_types(schema: dict[str, pa.DataType]) -> dict[str, str]:
    return {n: str(t) for n, t in ibis.schema(pa.schema(list(schema.items()))).items()}
