"""Whether two contenders wrote the same: rows in the same order, floats equal to the last bit."""

import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.store.snapshot_store import SnapshotStore
from benchmarks.job import REQUEST_TABLES, RESULT_TABLES
from benchmarks.measuring import Entry


class Different(Exception):
    """Contenders don't do the same work: no figure of theirs can be compared."""


def own_store(folder: Path, name: str) -> Path:
    """A store of a contender's own that shares the request tables with everybody's."""
    store = folder / "by" / name.replace(" ", "-")
    shutil.rmtree(store, ignore_errors=True)
    link_requests(folder, store)
    return store


def remove_stores(entries: Iterable[Entry]) -> None:
    """Remove the contenders' own stores: a year of snapshots is many GB. Shared tables stay."""
    for entry in entries:
        shutil.rmtree(entry.job.place, ignore_errors=True)


def link_requests(source: Path, store: Path) -> None:
    """Make the store one that holds another one's request tables."""
    store.mkdir(parents=True)
    for table in REQUEST_TABLES:
        (store / table).symlink_to((source / table).resolve(), target_is_directory=True)


def compare(wanted: Path, other: Path, day: date) -> None:
    """Hold the results of a day in one store against those in another.

    Raises Different, telling the tables, the columns and the first row.
    """
    found = []
    for table in RESULT_TABLES:
        columns = [name for name in table.schema.names if name != table.partition_column]
        both = (SnapshotStore(store).path(table, day) for store in (wanted, other))
        first, second = (pq.ParquetFile(path).read(columns) for path in both)
        if difference := _difference(second, first):
            found.append(f"{table.name} of {other.name} on {day}: {difference}")
    if found:
        raise Different("\n".join(found))


def _difference(rows: pa.Table, wanted: pa.Table) -> str:
    if rows.schema.types != wanted.schema.types or rows.num_rows != wanted.num_rows:
        return f"{rows.num_rows} rows {rows.schema.types} against {wanted.num_rows}"
    columns = [name for name in wanted.column_names if not rows[name].equals(wanted[name])]
    if not columns:
        return ""
    pairs = zip(rows[columns[0]], wanted[columns[0]], strict=True)
    place = next((row for row, (own, other) in enumerate(pairs) if own != other), 0)
    both = rows.slice(place, 1).to_pylist(), wanted.slice(place, 1).to_pylist()
    return f"columns {columns}, first at row {place}: {both}"
