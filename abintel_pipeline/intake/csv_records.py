r"""The records of a CSV file, line by line: the authority on what is a row and what is refused.

A record is made of fields, as many as the header has, parted by the delimiter and ended by LF, CRLF
or CR. A field is `"…"` with its quotes doubled, or free of line ends; a quote inside a field that
doesn't begin with one (`5" nail`) is a character like any other. Blank lines are no rows. A quote
that is never closed costs its own line, not the lines behind it.

DuckDB's reader is several times faster, but on a file with a quote never closed its threads lost
186,405 of 1,000,000 rows without a word (DuckDB 2.0.0), it takes `a,b,` for two fields, and its
line numbers count records. So it is given good records, and nothing else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from abintel_pipeline.intake.csv_header import Header

LONGEST = 1 << 20
"""Bytes of the longest record that is read as one; a longer one is refused."""

_LF = 0x0A
_LINE_END = rb"(?:\r\n|\n|\r)"
_BLANK = re.compile(rb"[\r\n]++")
_END = re.compile(_LINE_END)
_INSIDE = rb'"[^"]*+(?>(?:""[^"]*+)*)"'
_CLOSED = re.compile(rb"[ \t]*+" + _INSIDE)


@dataclass(frozen=True)
class Run:
    """Good records that follow one another, strictly quoted, each ended by LF; UTF-8."""

    line: int
    data: bytes
    records: int


@dataclass(frozen=True)
class RefusedLine:
    """A line, or a record, that is no row: where it begins, why, and its bytes."""

    line: int
    reason: str
    data: bytes


@dataclass(frozen=True)
class Grammar:
    """Records of so many fields parted by this delimiter, as regular expressions on bytes."""

    fields: int
    delimiter: bytes
    run: re.Pattern[bytes]
    record: re.Pattern[bytes]
    loose: re.Pattern[bytes]
    field: re.Pattern[bytes]

    def split(self, record: bytes) -> list[bytes]:
        """The fields of one record, without its line end."""
        values = []
        for found in self.field.finditer(record):
            quoted, free = found.groups()
            values.append(free if quoted is None else quoted.replace(b'""', b'"'))
            if len(values) == self.fields:
                break
        return values

    def join(self, fields: list[bytes]) -> bytes:
        """Fields as one strictly quoted record, ended by LF."""
        return self.delimiter.join(b'"' + f.replace(b'"', b'""') + b'"' for f in fields) + b"\n"


@lru_cache
def grammar(fields: int, delimiter: str) -> Grammar:
    """The grammar of a file's records, from its header. Nothing backtracks: linear time.

    Repeated groups are atomic, `(?>(?:…)*)`, and not possessive, `(?:…)*+`: Python before 3.11.5
    doesn't step back from a possessive group's last, failed round (gh-106052), and a record would
    begin a byte late.
    """
    mark = delimiter.encode()
    d = re.escape(mark)
    strict = rb"(?:" + _INSIDE + rb'|[^"' + d + rb"\r\n]*+)"
    space = b" \t".replace(mark, b"")
    free = b"[" + space + rb']*+(?!")[^' + d + rb"\r\n]*+"
    loose = rb"(?:" + _INSIDE + rb"|" + free + rb")"
    times = b"{%d})" % (fields - 1)
    record = strict + rb"(?>(?:" + d + strict + rb")" + times + _LINE_END
    one = re.compile(
        rb'(?:"([^"]*+(?>(?:""[^"]*+)*))"|(' + free + rb"))(?:" + d + rb"|\r\n|\n|\r|\Z)"
    )
    return Grammar(
        fields,
        mark,
        re.compile(rb"(?>(?:" + record + rb")*)"),
        re.compile(record),
        re.compile(loose + rb"(?>(?:" + d + loose + rb")" + times + _LINE_END),
        one,
    )


def walk(path: Path, header: Header) -> Iterator[Run | RefusedLine]:
    """Every record and refused line behind the header, in the file's order."""
    rules = grammar(len(header.names), header.delimiter)
    with path.open("rb") as file:
        file.seek(header.end)
        window = _Window(file)
        while window.fill():
            yield from _next(window, rules, header.lines + 1 + window.passed)
            window.skip_blank()


def line_ends(data: bytes) -> int:
    """LF, CRLF and CR in data."""
    if b"\r" not in data:
        return data.count(b"\n")
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


class _Window:
    """A moving view of a file that always shows LONGEST bytes, or all that are left.

    `passed` counts the line ends behind it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.data = b""
        self.at = 0
        self.passed = 0
        self._ended = False

    @property
    def limit(self) -> int:
        return self.at + LONGEST

    def fill(self) -> bool:
        """Read on if need be; False when nothing is left."""
        left = len(self.data) - self.at
        if left <= LONGEST and not self._ended:
            fresh = self._file.read(2 * LONGEST)
            self._ended = len(fresh) < 2 * LONGEST
            self.data = self.data[self.at :] + fresh
            self.at = 0
            if self._ended and self.data and self.data[-1:] not in (b"\n", b"\r"):
                self.data += b"\n"
        return self.at < len(self.data)

    def take(self, end: int) -> bytes:
        """The bytes up to `end`, which are then behind the window; a CRLF is never parted."""
        if self.data[end - 1 : end + 1] == b"\r\n":
            end += 1
        taken = self.data[self.at : end]
        self.at = end
        self.passed += line_ends(taken)
        return taken

    def skip_blank(self) -> None:
        """Step over blank lines."""
        blank = _BLANK.match(self.data, self.at, self.limit)
        if blank:
            self.take(blank.end())

    def take_line(self) -> tuple[bytes, bool]:
        """The physical line at hand with its end, and whether it is no longer than LONGEST."""
        end = _END.search(self.data, self.at, self.limit)
        if end:
            return self.take(end.end()), True
        start = self.take(min(self.limit, len(self.data)))
        while self.fill():
            end = _END.search(self.data, self.at)
            self.take(end.end() if end else len(self.data))
            if end:
                break
        return start, False


def _next(window: _Window, rules: Grammar, line: int) -> Iterator[Run | RefusedLine]:
    """What stands at the window's beginning: a run of strict records, a loose one, or neither."""
    end = _unquoted(window, rules) or _strict(window, rules)
    if end > window.at:
        yield from _good(window.take(end), rules, line)
        return
    if _BLANK.match(window.data, window.at):
        return
    loose = rules.loose.match(window.data, window.at, window.limit)
    if loose:
        data = window.take(loose.end())
        if not is_utf8(data):
            yield RefusedLine(line, "not UTF-8", data)
        else:
            yield Run(line, rules.join(rules.split(data)), 1)
        return
    data, whole = window.take_line()
    yield RefusedLine(line, _reason(data, rules) if whole else _too_long(), data)


def _strict(window: _Window, rules: Grammar) -> int:
    """Where the run of strict records in view ends."""
    run = rules.run.match(window.data, window.at, window.limit)
    return run.end() if run else window.at


def _unquoted(window: _Window, rules: Grammar) -> int:
    """Where the last whole line in view ends, if all are records without a quote or CR; else 0.

    A file of such lines is walked four times as fast by counting as by matching.
    """
    data, start = window.data, window.at
    end = data.rfind(b"\n", start, window.limit) + 1
    if not end or data.find(b'"', start, end) >= 0 or data.find(b"\r", start, end) >= 0:
        return 0
    values = np.frombuffer(data, np.uint8, end - start, start)
    ends = np.flatnonzero(values == _LF)
    marks = np.flatnonzero(values == rules.delimiter[0])
    if rules.fields == 1 or len(marks) != len(ends) * (rules.fields - 1):
        return 0
    each = marks.reshape(len(ends), -1)
    parted = np.all(each[:, -1] < ends) and np.all(each[1:, 0] > ends[:-1])
    return end if parted else 0


def _good(data: bytes, rules: Grammar, line: int) -> Iterator[Run | RefusedLine]:
    """A run of strict records, less those that are not UTF-8."""
    if is_utf8(data):
        yield _run(data, line)
        return
    start = 0
    for found in rules.record.finditer(data):
        if is_utf8(found[0]):
            continue
        if found.start() > start:
            before = data[start : found.start()]
            yield _run(before, line)
            line += line_ends(before)
        yield RefusedLine(line, "not UTF-8", found[0])
        line += line_ends(found[0])
        start = found.end()
    if start < len(data):
        yield _run(data[start:], line)


def _run(data: bytes, line: int) -> Run:
    if b'"' not in data:
        data = _with_lf(data)
        return Run(line, data, data.count(b"\n"))
    pieces = data.split(b'"')
    pieces[::2] = [_with_lf(piece) for piece in pieces[::2]]
    return Run(line, b'"'.join(pieces), sum(piece.count(b"\n") for piece in pieces[::2]))


def _with_lf(data: bytes) -> bytes:
    return data if b"\r" not in data else data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _too_long() -> str:
    return f"longer than {LONGEST >> 20} MiB"


def _reason(line: bytes, rules: Grammar) -> str:
    """Why a physical line is no record."""
    if not is_utf8(line):
        return "not UTF-8"
    text = line.rstrip(b"\r\n")
    at = fields = 0
    while at <= len(text):
        found = rules.field.match(text, at)
        if not found:
            closed = _CLOSED.match(text, at)
            return "a quote out of place" if closed else "a quote is never closed"
        fields += 1
        if found.end() == len(text) and not text[found.start() :].endswith(rules.delimiter):
            break
        at = max(found.end(), at + 1)
    noun = "field" if fields == 1 else "fields"
    return f"{fields} {noun}, the header has {rules.fields}"
