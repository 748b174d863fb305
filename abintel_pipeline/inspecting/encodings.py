"""In which encoding a text file is written. It is only proposed: settings say how it is read."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from abintel_pipeline.intake.text_files import is_utf8

LONGEST_LINE = 1 << 24
Progress = Callable[[str, int, int], None]
"""Is told a step's name, how much of it is done, and how much there is."""

_UTF8_MARK = b"\xef\xbb\xbf"
_ASCII = bytes(range(128))
_NOT_IN_CP1252 = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
_DOS_UMLAUTS = {0x81, 0x84, 0x8E, 0x94, 0x99, 0x9A, 0xE1}


@dataclass(frozen=True)
class Encoding:
    """What a file's bytes say: `not_utf8` and `utf8` count its lines with other than plain letters.

    `mark` says whether a byte order mark stands at its beginning.
    """

    name: str
    mark: bool = False
    lines: int = 0
    not_utf8: int = 0
    utf8: int = 0
    first_not_utf8: int | None = None

    @property
    def mixed(self) -> bool:
        """Whether some lines are UTF-8 and others are not: no one encoding reads them all."""
        return bool(self.not_utf8 and self.utf8)


def opened(path: Path) -> BinaryIO:
    """A file's bytes, unzipped where its name ends in .gz."""
    return cast(BinaryIO, gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb"))


def encoding_of(path: Path, progress: Progress) -> Encoding:
    """The encoding of a text file, from all of its lines."""
    with opened(path) as file:
        start = file.read(4096)
    if wide := _two_bytes_each(start):
        return Encoding(wide, mark=start[:2] in (b"\xff\xfe", b"\xfe\xff"))
    lines = not_utf8 = utf8 = done = 0
    first: int | None = None
    seen: set[int] = set()
    size = path.stat().st_size
    with opened(path) as file:
        while line := file.readline(LONGEST_LINE):
            lines += 1
            done += len(line)
            if not line.isascii():
                good = is_utf8(line)
                utf8 += good
                not_utf8 += not good
                if not good:
                    first = first or lines
                    seen.update(line.translate(None, _ASCII))
            if lines % 50_000 == 0:
                progress("letters", done, max(size, done))
    name = "utf-8" if utf8 >= not_utf8 else _one_byte_each(seen)
    return Encoding(name, start.startswith(_UTF8_MARK), lines, not_utf8, utf8, first)


def _two_bytes_each(start: bytes) -> str | None:
    """UTF-16, by its mark or by the zeros that stand beside plain letters."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = start[first::2]
        if half and half.count(0) > 0.4 * len(half) and start[1 - first :: 2].count(0) == 0:
            return name
    return None


def _one_byte_each(seen: set[int]) -> str:
    """The encoding of bytes above 127: each is a letter of its own.

    >>> _one_byte_each({0xFC, 0x80}), _one_byte_each({0x84, 0x81}), _one_byte_each({0xE9, 0x8D})
    ('cp1252', 'cp850', 'latin-1')
    """
    if seen & set(range(0x80, 0xA0)) and seen <= _DOS_UMLAUTS:
        return "cp850"
    return "latin-1" if seen & _NOT_IN_CP1252 else "cp1252"
