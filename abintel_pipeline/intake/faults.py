"""Which faults of disk, network and database pass by themselves, so that trying again helps."""

import errno
import os

import duckdb
import sqlalchemy as sa

from abintel_pipeline.intake.errors import SourceUnavailable

PASSING = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EDQUOT,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.EIO,
        errno.EMFILE,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOSPC,
        errno.EPIPE,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
"""Errors of the operating system that may be gone in a minute. Neither a missing right nor a
missing file is one of them; a full disk is, because runs at the same time spill and clean up."""

_SQLSTATES = ("08", "40", "53", "57P")
"""Connection, rollback of a transaction, resources, an operator's shutdown."""

_SQLITE = ("SQLITE_BUSY", "SQLITE_LOCKED")
_PASSING_REJECTIONS = ("starting up", "shutting down", "too many", "connection slots", "recovery")


def passes(error: BaseException) -> bool:
    """Whether a fault of disk or network may be gone in a minute.

    >>> passes(OSError(errno.ENOSPC, "No space left on device"))
    True
    >>> passes(PermissionError(errno.EACCES, "Permission denied"))
    False
    """
    if isinstance(error, SourceUnavailable):
        return True
    if isinstance(error, duckdb.IOException):  # it has no number, only the system's words
        return any(os.strerror(number) in str(error) for number in PASSING)
    return isinstance(error, OSError) and error.errno in PASSING


def database_passes(error: Exception) -> bool:
    """Whether an error of a source database may be gone in a minute.

    A lost or rejected connection, a lock, a lack of resources: yes. A wrong password, a missing
    table, a wrong query: no.
    """
    if not isinstance(error, sa.exc.DBAPIError):
        return isinstance(error, sa.exc.TimeoutError)
    told = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if told:
        return str(told).startswith(_SQLSTATES)
    if name := getattr(error.orig, "sqlite_errorname", None):
        return str(name).startswith(_SQLITE)
    if error.connection_invalidated:
        return True
    connecting = error.statement is None and isinstance(error, sa.exc.OperationalError)
    return connecting and _not_rejected(str(error.orig))


def _not_rejected(message: str) -> bool:
    """PostgreSQL gives no code while connecting: a server that answers says FATAL and why."""
    return "FATAL" not in message or any(words in message for words in _PASSING_REJECTIONS)
