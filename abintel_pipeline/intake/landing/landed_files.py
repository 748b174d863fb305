"""Which files lie in the landing folder, and when each came to be what it is."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from abintel_pipeline.intake.landing.named_days import day_in, days_in
from abintel_pipeline.intake.landing.sources import listed
from abintel_pipeline.intake.request_tables import CUSTOMERS, TRANSACTIONS

FOLDERS = (TRANSACTIONS.folder, CUSTOMERS.folder, "requests")


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

    Those still being written are left out.

    In the order of their names. Raises DeliveryError when a folder can't be read.
    """
    found: list[LandedFile] = []
    for folder in FOLDERS:
        for entry in listed(landing / folder, landing):
            day = day_in(entry.name)
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
        for entry in listed(landing, landing)
        if entry.name not in FOLDERS
    ]
    for folder in FOLDERS:
        for entry in listed(landing / folder, landing):
            if day_in(entry.name) is None:
                days = sorted(map(str, days_in(entry.name)))
                why = f"has two days in its name, {' and '.join(days)}" if days else "has no day"
                found.append(Misplaced(f"{folder}/{entry.name}", f"{why}{_NAME_IT}"))
    return sorted(found, key=lambda one: one.name)


_NAME_IT = ": name it after the one day it was delivered for, as sales_2026-11-15.csv"


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
    for path in listed(entry, landing):
        yield from _files(path, day, landing, max(came, renamed))


def _file(path: Path, day: date, landing: Path, came: float) -> LandedFile:
    is_now = path.stat()
    return LandedFile(
        path.relative_to(landing).as_posix(),
        day,
        f"{is_now.st_size}:{is_now.st_mtime_ns}:{is_now.st_ino}",
        max(is_now.st_ctime, path.lstat().st_ctime, came),
    )
