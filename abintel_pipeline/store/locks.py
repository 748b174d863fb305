"""Runs at once over one store: one publishes at a time, and snapshots wait for intakes under way.

Locks of the operating system. They go with the process that holds them, so a run that is killed
holds nobody up. What it left is known by its lock, which nobody holds any more, and the next run
removes it. Machines that share a store share its locks: the file system must know them (NFS does).
"""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from filelock import FileLock, Timeout

FOLDER = ".runs"
SAID_AFTER_SECONDS = 10.0

logger = logging.getLogger(__name__)


@contextmanager
def publishing(store: Path) -> Iterator[None]:
    """The turn to publish: no other run publishes anything until the block ends."""
    with FileLock(turn_to_publish(store)):
        yield


def turn_to_publish(store: Path) -> Path:
    """The file whose lock is the turn."""
    return _folder(store) / "publishing.lock"


@contextmanager
def taking_in(store: Path, first: date, last: date) -> Iterator[None]:
    """Lets others know, until the block ends, that deliveries of these days are being taken in."""
    with owned(_folder(store) / f"intake_{first}_{last}_{uuid.uuid4().hex}.lock"):
        yield


def await_intakes(store: Path, last: date) -> None:
    """Wait until intakes under way of days up to `last` have ended, however they do."""
    for path in sorted(_folder(store).glob("intake_*.lock")):
        _, begins, ends, _ = path.stem.split("_")
        if date.fromisoformat(begins) <= last:
            _await(path, f"the intake of {begins} to {ends}")


def _await(path: Path, what: str) -> None:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=SAID_AFTER_SECONDS)
    except Timeout:
        logger.warning("waiting for %s, which another run of this store is at", what)
        lock.acquire()
    try:
        path.unlink(missing_ok=True)
    finally:
        lock.release()


def forget_killed_intakes(store: Path) -> None:
    """Remove what killed runs left of their intakes."""
    for path in _folder(store).glob("intake_*.lock"):
        with abandoned(path):
            pass


# ── whose owner lives ────────────────────────────────────────────────────────


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """A lock file that is held until the block ends, and gone then.

    It is removed before it is let go: who waits for it sees that, and doesn't take it for locked.
    """
    with FileLock(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def abandoned(path: Path) -> Iterator[bool]:
    """Whether the owner of a lock file is gone; if so it is removed at the end of the block."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        try:
            path.unlink(missing_ok=True)
        finally:
            lock.release()


def _folder(store: Path) -> Path:
    folder = store / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder
