"""What one day's delivery of a request table consists of.

    <landing>/transactions/<name with one day in it>.{csv,csv.gz,parquet,jsonl,xlsx}
    <landing>/transactions/<folder with one day in its name>/**/*.{csv,csv.gz,parquet,jsonl,xlsx}
    <landing>/customers/…                    likewise
    <landing>/requests/<name with one day in it>.json       feeds both tables

All that exist for a day are one delivery, in the order of their paths. Folders in a day's folder
may hold columns in their names, as `date=2026-11-15`. Or a SQL query is set for the table: then
nothing may lie in the landing folder for it. What is still being written and what other programs
leave is ignored (`named_days`); whatever else belongs to the day and can't be read as a delivery is
an error.
"""

import hashlib
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.faults import passes
from abintel_pipeline.intake.landing.named_days import columns_in, day_in, is_ignored
from abintel_pipeline.intake.request_tables import RequestTable
from abintel_pipeline.settings import Settings

Format = Literal["csv", "csv.gz", "parquet", "jsonl", "xlsx", "request", "sql"]
FORMATS: tuple[Format, ...] = ("csv", "csv.gz", "parquet", "jsonl", "xlsx")
SQL = "sql"


@dataclass(frozen=True)
class Source:
    """One thing that rows are read from; `name` is what `rejected_*.file` says."""

    name: str
    format: Format
    path: Path
    constants: Mapping[str, str] = field(default_factory=dict)
    """Columns that stand in the folders' names, as `date=2026-11-15`."""


def day_sources(settings: Settings, day: date, table: RequestTable) -> list[Source]:
    """The sources of one day's delivery, in the order in which their rows count; none: no delivery.

    Raises DeliveryError on anything of that day that is no delivery file or can't be read, and on
    files beside a SQL query.
    """
    landed = [
        *_tables(settings.landing, table.folder, day),
        *_requests(settings.landing, day),
    ]
    if table.query(settings) is None:
        return landed
    if landed:
        raise DeliveryError(
            f"{landed[0].name} was delivered, but the {table.folder} come from the SQL database"
            f" (ABINTEL_{table.folder.upper()}_QUERY): take the file away or unset the query"
        )
    return [Source(SQL, "sql", Path(SQL))]


def _tables(landing: Path, folder: str, day: date) -> list[Source]:
    """The files of one day in a table's folder, and in the day's folders in it."""
    root = landing / folder
    paths = [path for entry in _of_day(root, landing, day) for path in files_below(entry, landing)]
    paths.sort(key=lambda path: path.relative_to(root).as_posix())
    endings = ", ".join(f".{ending}" for ending in FORMATS)
    wanted = f"let its name end in one of {endings}"
    sources = [_source(path, landing, _table_format(path), wanted) for path in paths]
    _reject_copies(sources)
    return sources


def _table_format(path: Path) -> Format | None:
    name = path.name.lower()
    return next((f for f in FORMATS if name.endswith(f".{f}")), None)


def _requests(landing: Path, day: date) -> list[Source]:
    paths = sorted(_of_day(landing / "requests", landing, day))
    wanted = f"name the day's request document {day}.json, or another name with that day"
    sources = [
        _source(path, landing, "request" if path.name.lower().endswith(".json") else None, wanted)
        for path in paths
    ]
    _reject_copies(sources)
    return sources


def _source(path: Path, landing: Path, kind: Format | None, wanted: str) -> Source:
    name = path.relative_to(landing).as_posix()
    regular = stat.S_ISREG(_mode(path, landing))
    if not regular or kind is None:
        raise DeliveryError(
            f"{name} {'is no delivery file' if regular else 'is not a file'}: {wanted}; take it"
            " away, or let its name end in .part while it is being written"
        )
    try:
        path.open("rb").close()
    except OSError as error:
        raise _unreadable(path, landing, error) from None
    return Source(name, kind, path, columns_in(path.relative_to(landing).parts[1:-1]))


def _reject_copies(sources: list[Source]) -> None:
    """Raises DeliveryError for two files with the same bytes: their lines would count twice."""
    by_size: dict[int, list[Source]] = {}
    for source in sources:
        by_size.setdefault(source.path.stat().st_size, []).append(source)
    for alike in by_size.values():
        known: dict[tuple[object, ...], Source] = {}
        for source in alike if len(alike) > 1 else ():
            told = (_digest(source.path), *sorted(source.constants.items()))
            first = known.setdefault(told, source)
            if first is not source and _may_have_rows(source):
                raise DeliveryError(
                    f"{source.name} holds the same bytes as {first.name}: delivered twice? Take one"
                    " of them away, or its lines would count twice"
                )


def _may_have_rows(source: Source) -> bool:
    """False for a header alone: two shops that were closed, and Spark's empty parts, are alike."""
    if source.format == "parquet":
        with suppress(pa.ArrowException, OSError):
            return bool(pq.read_metadata(source.path).num_rows)
    if source.format != "csv":
        return True
    with source.path.open("rb") as file:
        return len([line for line in file.read(1 << 16).splitlines() if line.strip()]) > 1


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_day(root: Path, landing: Path, day: date) -> list[Path]:
    return [path for path in listed(root, landing) if day_in(path.name) == day]


def files_below(entry: Path, landing: Path) -> list[Path]:
    """The files of a day's folder and of the folders in it; of a file, itself."""
    if not stat.S_ISDIR(_mode(entry, landing)):
        return [entry]
    return [path for one in listed(entry, landing) for path in files_below(one, landing)]


def listed(folder: Path, landing: Path) -> list[Path]:
    """What lies in a folder and isn't to be ignored; nothing if there is no folder."""
    try:
        return [path for path in folder.iterdir() if not is_ignored(path.name)]
    except FileNotFoundError as error:
        if folder.is_symlink():
            raise _unreadable(folder, landing, error) from None
        return []
    except OSError as error:
        raise _unreadable(folder, landing, error) from None


def _mode(path: Path, landing: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError as error:
        raise _unreadable(path, landing, error) from None


def _unreadable(path: Path, landing: Path, error: OSError) -> DeliveryError:
    if passes(error):
        raise error
    name = path.relative_to(landing).as_posix()
    return DeliveryError(
        f"{name} can't be read ({error.strerror}), so nobody can tell what was delivered: give the"
        f" pipeline's user the right to read {path}, or take it away"
    )
