"""What one day's delivery of a request table consists of.

    <landing>/transactions/YYYY-MM-DD.{csv,csv.gz,parquet,jsonl,xlsx}
    <landing>/transactions/YYYY-MM-DD/*.{csv,csv.gz,parquet,jsonl,xlsx}
    <landing>/customers/…                    likewise
    <landing>/requests/YYYY-MM-DD.json       feeds both tables

All that exist for a day are one delivery, in the order of their paths. Or a SQL query is set for
the table: then nothing may lie in the landing folder for it. Names that start with a dot or end in
`.tmp` or `.part` are files still being written: they are ignored. Whatever else begins with the day
and can't be read as a delivery is an error.
"""

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.faults import passes
from abintel_pipeline.intake.request_tables import RequestTable
from abintel_pipeline.settings import Settings

Format = Literal["csv", "csv.gz", "parquet", "jsonl", "xlsx", "request", "sql"]
FORMATS: tuple[Format, ...] = ("csv", "csv.gz", "parquet", "jsonl", "xlsx")
UNFINISHED = (".tmp", ".part")
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
    """The files of one day in a table's folder, and in the day's folder in it."""
    root = landing / folder
    paths: list[Path] = []
    for path in _of_day(root, landing, day):
        inside = path.name == day.isoformat() and stat.S_ISDIR(_mode(path, landing))
        paths += listed(path, landing) if inside else [path]
    paths.sort(key=lambda path: path.relative_to(root).as_posix())
    endings = ", ".join(f".{ending}" for ending in FORMATS)
    wanted = f"name it {day} with one of {endings}, or put such files into a folder {day}"
    return [
        _source(path, landing, _table_format(path, None if path.parent != root else day), wanted)
        for path in paths
    ]


def _table_format(path: Path, day: date | None) -> Format | None:
    """The format of a file by its ending; beside the day's folder its name must say the day."""
    name = path.name.lower()
    if day and not name.startswith(f"{day}."):
        return None
    return next((f for f in FORMATS if name.endswith(f".{f}")), None)


def _requests(landing: Path, day: date) -> list[Source]:
    wanted = f"name the day's request document {day}.json"
    return [
        _source(path, landing, "request" if path.name.lower() == f"{day}.json" else None, wanted)
        for path in sorted(_of_day(landing / "requests", landing, day))
    ]


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
    return Source(name, kind, path)


def _of_day(root: Path, landing: Path, day: date) -> list[Path]:
    return [path for path in listed(root, landing) if path.name.startswith(day.isoformat())]


def listed(folder: Path, landing: Path) -> list[Path]:
    """What lies in a folder and is not still being written; nothing if there is no folder."""
    try:
        return [path for path in folder.iterdir() if not _unfinished(path)]
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


def _unfinished(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower().endswith(UNFINISHED)
