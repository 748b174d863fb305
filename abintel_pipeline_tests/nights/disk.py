"""A disk that counts file operations, and can fail, stop or lose what wasn't synced at any of them.

The functions of `os`, `io` and `shutil` by which the store changes files are replaced while a
`Disk` is installed. Only operations of a simulated run, below the disk's root, are counted; all
others pass.
"""

import errno
import io
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from unittest import mock

from abintel_pipeline_tests.nights.power import Power

Result = TypeVar("Result")


class Killed(BaseException):
    """The process is dead. No `finally` of it does anything any more: each operation raises it."""


class PowerLost(Killed):
    """Every process is dead, and what wasn't synced may be gone."""


@dataclass(eq=False)
class Process:
    """A simulated process, on a thread of its own where several run at once."""

    name: str
    switch: Callable[["Process", bool], None] = lambda *_: None
    """Lets other processes go on; called before each operation, told whether readers see it."""
    wait: Callable[["Process"], None] = lambda _: None
    """The same, while this one waits for a lock."""
    dead: type[Killed] | None = None
    paused: bool = False
    faults: list[str] = field(default_factory=list)
    """Kinds of the faults that it met."""


_thread = threading.local()


def process() -> Process | None:
    """The simulated process that this thread is at; None outside one, or while it is paused."""
    known: Process | None = getattr(_thread, "process", None)
    return None if known is None or known.paused else known


@contextmanager
def running(one: Process) -> Iterator[None]:
    """The block is what this process does."""
    _thread.process = one
    try:
        yield
    finally:
        _thread.process = None


@contextmanager
def uncounted() -> Iterator[None]:
    """What happens in the block is no operation of the process: the engine is at work."""
    known: Process | None = getattr(_thread, "process", None)
    if known is None or known.paused:
        yield
        return
    known.paused = True
    try:
        yield
    finally:
        known.paused = False


@dataclass(frozen=True)
class Operation:
    """What is about to happen to a path."""

    number: int
    """From 1, counted since the night began."""
    kind: str
    path: str


REAL_REPLACE, REAL_UNLINK, REAL_MKDIR, REAL_RMDIR = os.replace, os.unlink, os.mkdir, os.rmdir
REAL_OPEN, REAL_CLOSE, REAL_FSYNC, REAL_IO_OPEN = os.open, os.close, os.fsync, io.open
REAL_RMTREE, REAL_TIME, REAL_SLEEP, REAL_UUID4 = shutil.rmtree, time.time, time.sleep, uuid.uuid4

Meddle = Callable[[Process, Operation, Callable[[], None]], None]
"""Called before each operation, given what does half of it; may raise."""


class Disk:
    """The file system below a folder, as the processes see it."""

    def __init__(self, root: Path, random: Random) -> None:
        self.root = os.path.realpath(root)
        self.power = Power()
        self.meddle: Meddle = lambda *_: None
        self.on_replace: Callable[[Path, Path], None] = lambda *_: None
        """Called before a file of the disk is renamed into its place."""
        self.after: Callable[[Process, Operation], None] = lambda *_: None
        self.count = 0
        self.log: list[tuple[str, str, str]] = []
        """(process, kind, path below the root) of each operation."""
        self.clock = 1_750_000_000.0
        """What the processes take for the time, in seconds since 1970."""
        self._random = random
        self._handles: dict[int, str] = {}

    # ── an operation ─────────────────────────────────────────────────────────

    def operation(
        self,
        kind: str,
        path: Any,
        act: Callable[[], Result],
        half: Callable[[], None] = lambda: None,
    ) -> Result:
        """Do it, if the process is alive and no fault comes between."""
        one = process()
        if one is None or not self._holds(path):
            return act()
        place = os.path.relpath(os.path.abspath(os.fspath(path)), self.root)
        one.switch(one, not place.startswith("."))
        if one.dead:
            raise one.dead
        self.count += 1
        self.clock += 0.001
        now = Operation(self.count, kind, place)
        self.log.append((one.name, kind, now.path))
        self.meddle(one, now, half)
        done = act()
        self.after(one, now)
        if one.dead:
            raise one.dead
        return done

    def write(self, path: Path, content: bytes) -> None:
        """Write a file; half of it is there if the process dies meanwhile, or the disk is full."""

        def some(share: int = 2) -> None:
            new = not path.exists()
            with uncounted():
                path.write_bytes(content[: len(content) // share])
            self.power.wrote(str(path), new)
            self._stamp(path)

        self.operation("write", path, lambda: some(1), some)

    def _holds(self, path: Any) -> bool:
        if not isinstance(path, str | os.PathLike):
            return False
        place = os.path.abspath(os.fspath(path))
        return place == self.root or place.startswith(self.root + os.sep)

    def _stamp(self, path: Path) -> None:
        os.utime(path, (self.clock, self.clock))

    # ── the functions that are replaced ──────────────────────────────────────

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Until the block ends, what simulated processes do to files goes through this disk."""
        replaced: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
            (os, "replace", self._replace),
            (os, "rename", self._replace),
            (os, "unlink", self._unlink),
            (os, "remove", self._unlink),
            (os, "mkdir", self._mkdir),
            (os, "rmdir", self._rmdir),
            (os, "open", self._open),
            (os, "close", self._close),
            (os, "fsync", self._fsync),
            (io, "open", self._io_open),
            (shutil, "rmtree", self._rmtree),
            (time, "time", self._time),
            (time, "sleep", self._sleep),
            (uuid, "uuid4", self._uuid4),
        )
        with ExitStack() as stack:
            for module, name, function in replaced:
                stack.enter_context(mock.patch.object(module, name, function))
            yield

    def _replace(self, source: Any, target: Any, **more: Any) -> None:
        def act() -> None:
            if process() is not None and self._holds(target):
                with uncounted():
                    self.on_replace(Path(source), Path(target))
                self.power.replaces(str(source), str(target))
            REAL_REPLACE(source, target, **more)

        self.operation("replace", target, act)

    def _unlink(self, path: Any, **more: Any) -> None:
        def act() -> None:
            if process() is not None and self._holds(path):
                self.power.unlinks(str(path))
            REAL_UNLINK(path, **more)

        if more.get("dir_fd") is not None:
            act()
        else:
            self.operation("unlink", path, act)

    def _mkdir(self, path: Any, mode: int = 0o777, **more: Any) -> None:
        def act() -> None:
            REAL_MKDIR(path, mode, **more)
            if process() is not None and self._holds(path):
                self.power.made_folder(str(path))

        self.operation("mkdir", path, act)

    def _rmdir(self, path: Any, **more: Any) -> None:
        def act() -> None:
            REAL_RMDIR(path, **more)
            if process() is not None and self._holds(path):
                self.power.removed_folder(str(path))

        if more.get("dir_fd") is not None:
            act()
        else:
            self.operation("rmdir", path, act)

    def _rmtree(self, path: Any, ignore_errors: bool = False, **more: Any) -> None:
        """One operation, however many files: nothing that is swept is ever needed again."""

        def act() -> None:
            with uncounted():
                REAL_RMTREE(path, ignore_errors, **more)
            if self._holds(path):
                self.power.forgets(str(path))

        def half() -> None:
            with uncounted():
                files = sorted(one for one in Path(path).rglob("*") if one.is_file())
                for one in files[: len(files) // 2]:
                    one.unlink()

        try:
            self.operation("rmtree", path, act, half)
        except OSError:
            if not ignore_errors:
                raise

    def _open(self, path: Any, flags: int, *rest: Any, **more: Any) -> int:
        creates = flags & os.O_CREAT and not (isinstance(path, int) or os.path.exists(path))

        def act() -> int:
            handle = REAL_OPEN(path, flags, *rest, **more)
            if process() is not None and self._holds(path):
                self._handles[handle] = os.path.abspath(os.fspath(path))
            return handle

        return self.operation("create", path, act) if creates else act()

    def _close(self, handle: int) -> None:
        self._handles.pop(handle, None)
        REAL_CLOSE(handle)

    def _fsync(self, handle: Any) -> None:
        """Nothing is really synced: the disk remembers that it would have been."""
        path = self._handles.get(handle)
        if path is None:
            REAL_FSYNC(handle)
            return
        synced = path
        self.operation("fsync", path, lambda: self.power.syncs(synced))

    def _io_open(self, file: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if not any(letter in mode for letter in "wax+"):
            return REAL_IO_OPEN(file, mode, *rest, **more)

        def act() -> Any:
            new = self._holds(file) and not os.path.exists(file)
            opened = REAL_IO_OPEN(file, mode, *rest, **more)
            if process() is not None and self._holds(file):
                self.power.wrote(os.fspath(file), new)
                self._handles[opened.fileno()] = os.path.abspath(os.fspath(file))
            return opened

        return self.operation("write", file, act)

    def _time(self) -> float:
        return REAL_TIME() if process() is None else self.clock

    def _sleep(self, seconds: float) -> None:
        one = process()
        if one is None:
            REAL_SLEEP(seconds)
            return
        one.wait(one)
        if one.dead:
            raise one.dead

    def _uuid4(self) -> uuid.UUID:
        if process() is None:
            return REAL_UUID4()
        return uuid.UUID(int=self._random.getrandbits(128), version=4)


def failed(number: int) -> OSError:
    """An error of the operating system, such as errno.EIO."""
    return OSError(number, os.strerror(number))


FULL = errno.ENOSPC
BROKEN = errno.EIO
