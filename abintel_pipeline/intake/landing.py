"""The landing folder: which file belongs to which day, and what a day's delivery consists of.

    <landing>/transactions/<name with one day in it>.{csv,csv.gz,parquet,jsonl,xlsx}
    <landing>/transactions/<folder with one day in its name>/**/*.{csv,csv.gz,parquet,jsonl,xlsx}
    <landing>/customers/…                    likewise
    <landing>/requests/<name with one day in it>.json       feeds both tables

All that exist for a day are one delivery, in the order of their paths. Folders in a day's folder
may hold columns in their names, as `date=2026-11-15`. Or a SQL query is set for the table: then
nothing may lie in the landing folder for it. What is still being written and what other programs
leave is ignored; whatever else belongs to the day and can't be read as a delivery is an error.
"""

import hashlib
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.faults import passes
from abintel_pipeline.intake.request_tables import CUSTOMERS, TRANSACTIONS, RequestTable
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.proofs import content_hash

Format = Literal["csv", "csv.gz", "parquet", "jsonl", "xlsx", "request", "sql"]
FORMATS: tuple[Format, ...] = ("csv", "csv.gz", "parquet", "jsonl", "xlsx")
SQL = "sql"
FOLDERS = (TRANSACTIONS.folder, CUSTOMERS.folder, "requests")

_IGNORED_ENDINGS = (".tmp", ".part", ".crc")
"""Files still being written, and Hadoop's checksums."""

_IGNORED_NAMES = frozenset({"thumbs.db", "desktop.ini"})

_DAY = re.compile(r"(?<!\d)(\d{4})([-_.]?)(\d\d)\2(\d\d)(?!\d)")
_YEARS = range(1900, 3000)
_HIVE = re.compile(r"([^=/]+)=([^/]*)")
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_NAME_IT = ": name it after the one day it was delivered for, as sales_2026-11-15.csv"


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


def delivered(source: Source) -> dict[str, object]:
    """What tells a delivery's file from any other: name, bytes, and hash; of a query its name."""
    if source.format == SQL:
        return {"name": source.name}
    size = source.path.stat().st_size
    return {"name": source.name, "bytes": size, "hash": content_hash(source.path)}


def _tables(landing: Path, folder: str, day: date) -> list[Source]:
    """The files of one day in a table's folder, and in the day's folders in it."""
    root = landing / folder
    paths = [path for entry in _of_day(root, landing, day) for path in _files_below(entry, landing)]
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
    return Source(name, kind, path, _columns_in(path.relative_to(landing).parts[1:-1]))


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
    return [path for path in _listed(root, landing) if _day_in(path.name) == day]


def _files_below(entry: Path, landing: Path) -> list[Path]:
    """The files of a day's folder and of the folders in it; of a file, itself."""
    if not stat.S_ISDIR(_mode(entry, landing)):
        return [entry]
    return [path for one in _listed(entry, landing) for path in _files_below(one, landing)]


def _listed(folder: Path, landing: Path) -> list[Path]:
    """What lies in a folder and isn't to be ignored; nothing if there is no folder."""
    try:
        return [path for path in folder.iterdir() if not _is_ignored(path.name)]
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


# ── what has landed, and when it came to be what it is ───────────────────────


@dataclass(frozen=True)
class LandedFile:
    """A file that has come for a day.

    `name` is its path in the landing folder. `mark` is another one when its content is. `changed`
    is when it came or was last written, in seconds since 1970: the time that the file system keeps
    itself, because the one that copying preserves may be years old.
    """

    name: str
    day: date
    mark: str
    changed: float

    @property
    def folder(self) -> str:
        return self.name.partition("/")[0]


def landed_files(landing: Path, of_day: date | None = None) -> list[LandedFile]:
    """Every file that lies in the landing folder for a day, or for that day alone.

    In the order of their names; those still being written are left out. Raises DeliveryError when
    a folder can't be read.
    """
    found: list[LandedFile] = []
    for folder in FOLDERS:
        for entry in _listed(landing / folder, landing):
            day = _day_in(entry.name)
            if day and of_day in (None, day):
                with suppress(FileNotFoundError):  # taken away since it was listed
                    found += _files(entry, day, landing)
    return sorted(found, key=lambda file: file.name)


@dataclass(frozen=True)
class Misplaced:
    """Something in the landing folder that belongs to no day: its path there, and why."""

    name: str
    why: str


def misplaced_files(landing: Path) -> list[Misplaced]:
    """What lies in the landing folder and will never be taken in, in the order of the names.

    Raises DeliveryError when a folder can't be read.
    """
    found = [
        Misplaced(entry.name, _why_elsewhere(entry))
        for entry in _listed(landing, landing)
        if entry.name not in FOLDERS
    ]
    for folder in FOLDERS:
        for entry in _listed(landing / folder, landing):
            if _day_in(entry.name) is None:
                days = sorted(map(str, _days_in(entry.name)))
                why = f"has two days in its name, {' and '.join(days)}" if days else "has no day"
                found.append(Misplaced(f"{folder}/{entry.name}", f"{why}{_NAME_IT}"))
    return sorted(found, key=lambda one: one.name)


def _why_elsewhere(entry: Path) -> str:
    kind = "lies in no table's folder" if entry.is_file() else "is no table's folder"
    return f"{kind}: put deliveries into {', '.join(f'{one}/' for one in FOLDERS)}"


def told(misplaced: list[Misplaced], most: int = 3) -> str:
    """A sentence on what belongs to no day; empty where nothing does."""
    if not misplaced:
        return ""
    shown = "; ".join(f"{one.name} {one.why}" for one in misplaced[:most])
    more = f"; and {len(misplaced) - most} more" if len(misplaced) > most else ""
    return f"belongs to no day and is not taken in: {shown}{more}"


def _files(entry: Path, day: date, landing: Path, came: float = 0.0) -> Iterator[LandedFile]:
    """The files of an entry; `came` is when the folder that they lie in was put there."""
    if not entry.is_dir():
        yield _file(entry, day, landing, came)
        return
    folder = entry.stat()
    # Adding or removing a file changes both times of a folder. Where only one is newer, the whole
    # folder was renamed into its place, and its files came with it.
    renamed = folder.st_ctime if folder.st_ctime_ns > folder.st_mtime_ns else 0.0
    for path in _listed(entry, landing):
        yield from _files(path, day, landing, max(came, renamed))


def _file(path: Path, day: date, landing: Path, came: float) -> LandedFile:
    is_now = path.stat()
    return LandedFile(
        path.relative_to(landing).as_posix(),
        day,
        f"{is_now.st_size}:{is_now.st_mtime_ns}:{is_now.st_ino}",
        max(is_now.st_ctime, path.lstat().st_ctime, came),
    )


# ── what a name says ─────────────────────────────────────────────────────────


def _is_ignored(name: str) -> bool:
    """Whether a name is no delivery's: still being written, or what Spark and Windows leave."""
    folded = name.lower()
    return (
        name.startswith((".", "_")) or folded.endswith(_IGNORED_ENDINGS) or folded in _IGNORED_NAMES
    )


def _days_in(name: str) -> set[date]:
    """Every day that stands in a name, as `2026-11-15`, `20261115`, `2026_11_15` or `2026.11.15`.

    >>> sorted(map(str, _days_in("sales_20261115_to_2026-11-16.csv")))
    ['2026-11-15', '2026-11-16']
    """
    found = set()
    for year, _, month, day in _DAY.findall(name):
        try:
            if int(year) in _YEARS:
                found.add(date(int(year), int(month), int(day)))
        except ValueError:
            continue
    return found


def _day_in(name: str) -> date | None:
    """The one day that stands in a name; None: there is none, or more than one."""
    found = _days_in(name)
    return next(iter(found)) if len(found) == 1 else None


def _columns_in(folders: tuple[str, ...]) -> dict[str, str]:
    """The columns that stand in folders' names, as Spark's partitionBy writes them.

    >>> _columns_in(("2026-11-15", "date=2026-11-15", "shop=K%C3%B6ln"))
    {'date': '2026-11-15', 'shop': 'Köln'}
    """
    pairs = (match.groups() for name in folders if (match := _HIVE.fullmatch(name)))
    return {unquote(n): "" if value == _HIVE_NULL else unquote(value) for n, value in pairs}
