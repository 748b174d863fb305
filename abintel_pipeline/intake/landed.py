"""Which files lie in the landing folder, and when each came to be what it is."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from abintel_pipeline.intake.request_tables import CUSTOMERS, TRANSACTIONS
from abintel_pipeline.intake.sources import listed

FOLDERS = (TRANSACTIONS.folder, CUSTOMERS.folder, "requests")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


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
            day = _day(entry.name)
            if day and of_day in (None, day):
                with suppress(FileNotFoundError):  # taken away since it was listed
                    found += _files(entry, day, landing)
    return sorted(found, key=lambda file: file.name)


def _day(name: str) -> date | None:
    if match := _DAY.match(name):
        with suppress(ValueError):
            return date.fromisoformat(match[0])
    return None


def _files(entry: Path, day: date, landing: Path) -> Iterator[LandedFile]:
    if not entry.is_dir():
        yield _file(entry, day, landing, 0.0)
        return
    folder = entry.stat()
    # Adding or removing a file changes both times of a folder. Where only one is newer, the whole
    # folder was renamed into its place, and its files came with it.
    came = folder.st_ctime if folder.st_ctime_ns > folder.st_mtime_ns else 0.0
    for path in listed(entry, landing):
        yield _file(path, day, landing, came)


def _file(path: Path, day: date, landing: Path, came: float) -> LandedFile:
    is_now = path.stat()
    return LandedFile(
        path.relative_to(landing).as_posix(),
        day,
        f"{is_now.st_size}:{is_now.st_mtime_ns}:{is_now.st_ino}",
        max(is_now.st_ctime, path.lstat().st_ctime, came),
    )


@dataclass(frozen=True)
class MisplacedFile:
    """A file in the landing folder that belongs to no day, and why."""

    name: str
    why: str


def misplaced_files(landing: Path) -> list[MisplacedFile]:  # noqa: ARG001
    """Stub."""
    return []
