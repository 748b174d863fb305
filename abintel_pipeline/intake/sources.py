"""What one day's delivery of a request table consists of.

    <landing>/transactions/YYYY-MM-DD.{csv,csv.gz,parquet,jsonl}
    <landing>/transactions/YYYY-MM-DD/*.{csv,csv.gz,parquet,jsonl}
    <landing>/customers/…                    likewise
    <landing>/requests/YYYY-MM-DD.json       feeds both tables

All that exist for a day are one delivery, in the order of their paths. Or a SQL query is set for
the table: then nothing may lie in the landing folder for it. Names that start with a dot or end in
`.tmp` or `.part` are files still being written: they are ignored.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.request_tables import RequestTable
from abintel_pipeline.settings import Settings

Format = Literal["csv", "csv.gz", "parquet", "jsonl", "request", "sql"]
FORMATS: tuple[Format, ...] = ("csv", "csv.gz", "parquet", "jsonl")
UNFINISHED = (".tmp", ".part")
SQL = "sql"


@dataclass(frozen=True)
class Source:
    """One thing that rows are read from; `name` is what `rejected_*.file` says."""

    name: str
    format: Format
    path: Path


def day_sources(settings: Settings, day: date, table: RequestTable) -> list[Source]:
    """The sources of one day's delivery, in the order in which their rows count; none: no delivery.

    Raises DeliveryError on a file of no known format, and on files beside a SQL query.
    """
    landed = [
        *_table_files(settings.landing, day, table),
        *_request_documents(settings.landing, day),
    ]
    if table.query(settings) is None:
        return landed
    if landed:
        raise DeliveryError(
            f"{landed[0].name} was delivered, but the {table.folder} come from the SQL database"
            f" (ABINTEL_{table.folder.upper()}_QUERY): take the file away or unset the query"
        )
    return [Source(SQL, "sql", Path(SQL))]


def _table_files(landing: Path, day: date, table: RequestTable) -> list[Source]:
    root = landing / table.folder
    folder = root / day.isoformat()
    beside = root.glob(f"{day.isoformat()}.*") if root.is_dir() else ()
    inside = folder.iterdir() if folder.is_dir() else ()
    paths = sorted((*beside, *inside), key=lambda path: path.relative_to(root).as_posix())
    return [_table_file(path, landing) for path in paths if not _unfinished(path)]


def _table_file(path: Path, landing: Path) -> Source:
    name = path.relative_to(landing).as_posix()
    kind = next((f for f in FORMATS if path.name.lower().endswith(f".{f}")), None)
    if kind is None or not path.is_file():
        what = "is not a file" if not path.is_file() else "has no known format"
        raise DeliveryError(
            f"{name} {what}: a delivery is made of {', '.join(f'.{f}' for f in FORMATS)} files;"
            " take it away, or rename it to end in .part while it is being written"
        )
    return Source(name, kind, path)


def _request_documents(landing: Path, day: date) -> list[Source]:
    path = landing / "requests" / f"{day.isoformat()}.json"
    return [Source(path.relative_to(landing).as_posix(), "request", path)] if path.is_file() else []


def _unfinished(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower().endswith(UNFINISHED)
