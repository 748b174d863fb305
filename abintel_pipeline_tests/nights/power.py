"""What a loss of power leaves: the strictest reading of what POSIX promises.

A file's content is safe once the file was synced; a name in a folder, new, changed or removed, once
that folder was. Of the names of one folder that were not, the first few may have got through.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True)
class Change:
    """A change of a folder that isn't safe yet, and how it is undone."""

    folder: str
    undo: Callable[[], None]


class Power:
    """Remembers what isn't safe yet."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._unsafe: dict[str, None] = {}
        """Files whose content isn't safe; a dict for its order."""

    def wrote(self, path: str, new: bool) -> None:
        """A file's content was written."""
        self._unsafe[path] = None
        if new:
            self._changed(path, lambda: _remove(path))

    def replaces(self, source: str, target: str) -> None:
        """A file is about to be renamed."""
        before = _content(target)
        if source in self._unsafe:
            del self._unsafe[source]
            self._unsafe[target] = None
        else:
            self._unsafe.pop(target, None)

        def undo() -> None:
            _remove(target)
            _restore(target, before)

        self._changed(target, undo)

    def unlinks(self, path: str) -> None:
        """A file is about to be removed."""
        before = _content(path)
        self._unsafe.pop(path, None)
        self._changed(path, lambda: _restore(path, before))

    def made_folder(self, path: str) -> None:
        self._changed(path, lambda: shutil.rmtree(path, ignore_errors=True))

    def removed_folder(self, path: str) -> None:
        def undo() -> None:
            if os.path.isdir(os.path.dirname(path)):
                os.makedirs(path, exist_ok=True)

        self._changed(path, undo)

    def forgets(self, path: str) -> None:
        """What lies below a folder is of no interest any more."""
        below = path + os.sep
        self._changes = [one for one in self._changes if not f"{one.folder}/".startswith(below)]
        for known in [one for one in self._unsafe if one.startswith(below)]:
            del self._unsafe[known]

    def syncs(self, path: str) -> None:
        """A file, or a folder, is safe from now on."""
        if os.path.isdir(path):
            self._changes = [one for one in self._changes if one.folder != path]
        else:
            self._unsafe.pop(path, None)

    def lose(self, random: Random) -> None:
        """The power is lost: some of what isn't safe is gone."""
        first_lost = {
            folder: random.randint(0, sum(one.folder == folder for one in self._changes))
            for folder in dict.fromkeys(one.folder for one in self._changes)
        }
        lost, seen = [], dict.fromkeys(first_lost, 0)
        for one in self._changes:
            if seen[one.folder] >= first_lost[one.folder]:
                lost.append(one)
            seen[one.folder] += 1
        for path in self._unsafe:
            if (content := _content(path)) is not None:
                Path(path).write_bytes(content[: int(len(content) * random.choice((0, 0.5, 1)))])
        for one in reversed(lost):
            one.undo()
        self._changes.clear()
        self._unsafe.clear()

    def _changed(self, path: str, undo: Callable[[], None]) -> None:
        self._changes.append(Change(os.path.dirname(path), undo))


def _content(path: str) -> bytes | None:
    return Path(path).read_bytes() if os.path.isfile(path) else None


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def _restore(path: str, content: bytes | None) -> None:
    if content is not None and os.path.isdir(os.path.dirname(path)):
        Path(path).write_bytes(content)
