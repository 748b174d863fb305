"""A moving view of a file, and where in the file it stands."""

import re
from typing import BinaryIO

from abintel_pipeline.intake.csv.grammar import LINE_END

LONGEST = 1 << 20
"""Bytes of the longest record that is read as one; a longer one is rejected."""

_END = re.compile(LINE_END)
_QUOTES = re.compile(rb'"+')


class Window:
    """A view that always shows LONGEST bytes of a file, or all that are left.

    `line` is the number of the line at hand, `offset` the place in the file of its first byte.
    """

    def __init__(self, file: BinaryIO, offset: int, line: int) -> None:
        self._file = file
        self._base = offset
        self.data = b""
        self.at = 0
        self.line = line
        self._ended = False
        self._next: dict[bytes, int] = {}
        file.seek(offset)

    @property
    def offset(self) -> int:
        return self._base + self.at

    @property
    def limit(self) -> int:
        """Where the view ends in `data`."""
        return min(self.at + LONGEST, len(self.data))

    def next(self, mark: bytes) -> int:
        """Where a mark stands next in the view; `limit`, if nowhere. Searched once a window."""
        if self._next.get(mark, -1) < self.at:
            found = self.data.find(mark, self.at)
            self._next[mark] = found if found >= 0 else len(self.data)
        return min(self._next[mark], self.limit)

    def index(self, offset: int) -> int:
        """Where a place in the file stands in `data`."""
        return offset - self._base

    def fill(self) -> bool:
        """Read on if need be; False when nothing is left."""
        left = len(self.data) - self.at
        if left <= LONGEST and not self._ended:
            fresh = self._file.read(2 * LONGEST)
            self._ended = len(fresh) < 2 * LONGEST
            self._base += self.at
            self.data = self.data[self.at :] + fresh
            self.at = 0
            self._next.clear()
            if self._ended and self.data and self.data[-1:] not in (b"\n", b"\r"):
                self.data += b"\n"
        return self.at < len(self.data)

    def take(self, end: int) -> bytes:
        """The bytes up to `end`, which are then behind the window; a CRLF is never parted."""
        if self.data[end - 1 : end + 1] == b"\r\n":
            end += 1
        taken = self.data[self.at : end]
        self.at = end
        self.line += line_ends(taken)
        return taken

    def take_line(self) -> tuple[bytes, bool]:
        """The physical line at hand with its end, and whether it is no longer than LONGEST."""
        end = _END.search(self.data, self.at, self.limit)
        if end:
            return self.take(end.end()), True
        start = self.take(self.limit)
        while self.fill():
            end = _END.search(self.data, self.at)
            self.take(end.end() if end else len(self.data))
            if end:
                break
        return start, False

    def whole_lines(self, end: int) -> int:
        """Where the last line that ends before `end` ends in `data`; `at`, if none does."""
        last = max(self.data.rfind(b"\n", self.at, end), self.data.rfind(b"\r", self.at, end)) + 1
        if not last:
            return self.at
        return last + (self.data[last - 1 : last + 1] == b"\r\n")

    def closing(self, offset: int, delimiter: bytes) -> int | None:
        """The offset behind the quote that closes one opened before `offset`; None: nothing does.

        Two quotes stand for one; closed is what a delimiter, a blank or a line end follows.
        """
        place = self._file.tell()
        self._file.seek(offset)
        data, start = b"", offset
        try:
            while fresh := self._file.read(LONGEST):
                data += fresh
                for found in _QUOTES.finditer(data):
                    if found.end() == len(data) and len(fresh) == LONGEST:
                        break
                    if (found.end() - found.start()) % 2:
                        behind = data[found.end() : found.end() + 1]
                        closed = behind in (b"", b"\r", b"\n", b" ", b"\t", delimiter)
                        return start + found.end() if closed else None
                keep = len(data) - len(data.rstrip(b'"'))
                start, data = start + len(data) - keep, data[len(data) - keep :]
        finally:
            self._file.seek(place)
        return None


def line_ends(data: bytes) -> int:
    """LF, CRLF and CR in data."""
    if b"\r" not in data:
        return data.count(b"\n")
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
