"""Opening Dagster's history: one process at a time, and a broken one is recognised.

Dagster makes the databases of a new history when it is first opened. Two processes that do so at
once take each other's half-made tables for those of an old version: one of them fails, and often
the history can't be opened any more (`alembic_version has more than one head`).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic.util import CommandError
from filelock import FileLock

from abintel_pipeline.orchestration.errors import HistoryBroken

LOCK = "opening.lock"
BROKEN = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""A table is missing, the file is damaged, it is no database. Others (locked, full) pass."""


@contextmanager
def opening(home: Path) -> Iterator[None]:
    """The turn to open the history in `home`; within a thread it may be taken more than once.

    Raises HistoryBroken for an error in the block that says that a database is broken.
    """
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / LOCK, is_singleton=True):
        try:
            yield
        except (CommandError, sa.exc.SQLAlchemyError) as error:
            if why := _broken(error):
                raise HistoryBroken(home, why) from error
            raise


def _broken(error: CommandError | sa.exc.SQLAlchemyError) -> str | None:
    """What is broken, if the error is one of a broken database."""
    if isinstance(error, CommandError):
        return str(error)
    if isinstance(error, sa.exc.NoSuchTableError):
        return f"no such table: {error}"
    found = error.orig if isinstance(error, sa.exc.DBAPIError) else None
    code = found.sqlite_errorcode & 0xFF if isinstance(found, sqlite3.Error) else None
    return str(found) if code in BROKEN else None
