"""The records of a CSV file, one after another: what is a row, and what is rejected.

DuckDB's reader is several times faster, but on a file with a quote never closed its threads lost
186,405 of 1,000,000 rows without a word (DuckDB 2.0.0), it takes `a,b,` for two fields, and its
line numbers count records. So it is given good records, and nothing else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from abintel_pipeline.intake.csv.grammar import Grammar, grammar
from abintel_pipeline.intake.csv.header import Header
from abintel_pipeline.intake.csv.window import LONGEST, Window, line_ends
from abintel_pipeline.intake.staging import Numbers
from abintel_pipeline.intake.text_files import is_utf8

TOO_LONG = f"longer than {LONGEST >> 20} MiB"
BACKSLASH = r"a quote is written \", in CSV it is doubled"

_SHORT = 1 << 14
"""Bytes without a quote for which sorting lines by blocks isn't worth while."""

_BACKSLASH = b'\\"'
_LF = 0x0A
_NOT_ASCII = 0x80
_CLOSED = re.compile(rb'[ \t]*+"[^"]*+(?>(?:""[^"]*+)*)"')


@dataclass(frozen=True)
class Place:
    """Where a walk can begin: a file's offset, and the number of the line there."""

    offset: int
    line: int


@dataclass(frozen=True)
class Run:
    """Good records, strictly quoted, each ended by LF; UTF-8.

    They follow one another from `place`, or are lines of a block there, of these numbers from 0.
    """

    place: Place
    data: bytes
    records: int
    lines: Numbers | None = None


@dataclass(frozen=True)
class RejectedLine:
    """A line, or a record, that is no row: where it begins, why, and its bytes."""

    line: int
    reason: str
    data: bytes


Found = Run | RejectedLine


def walk(path: Path, header: Header, start: Place | None = None) -> Iterator[Found]:
    """Every good record and rejected line behind the header, or from where a run began.

    In the file's order, but that a block's rejected lines come behind its good ones.
    """
    rules = grammar(len(header.names), header.delimiter)
    start = start or Place(header.end, header.lines + 1)
    with path.open("rb") as file:
        window = Window(file, start.offset, start.line)
        while window.fill():
            yield from _lines(window, rules, header) or _quoted(window, rules, header)


def _lines(window: Window, rules: Grammar, header: Header) -> list[Found]:
    """What the lines up to the next quote are; nothing, if they are few."""
    quote = window.next(b'"')
    end = window.whole_lines(quote)
    if end == window.at or (quote < window.limit and end - window.at < _SHORT):
        return []
    place = Place(window.offset, window.line)
    found = sort_lines(_with_lf(window.take(end)), rules)
    rejected = [
        RejectedLine(place.line + number, _counted(fields, rules, header), line)
        for number, line, fields in found.rejected
    ]
    return [Run(place, found.data, found.records, found.lines), *rejected]


def _quoted(window: Window, rules: Grammar, header: Header) -> Iterator[Found]:
    """What stands at the window's beginning: a run of strict records, or one of anything else."""
    run = rules.run.match(window.data, window.at, window.next(_BACKSLASH))
    if run and run.end() > window.at:
        yield from _good(window, run.end(), rules, header)
    elif empty := rules.empty.match(window.data, window.at, window.limit):
        window.take(empty.end())
    else:
        yield from _single(window, rules, header)


def _good(window: Window, end: int, rules: Grammar, header: Header) -> Iterator[Found]:
    """A run of strict records, less those in another encoding."""
    place, data = Place(window.offset, window.line), window.take(end)
    if is_utf8(data):
        yield _run(place, data)
        return
    start = 0
    for found in rules.record.finditer(data):
        if is_utf8(found[0]):
            continue
        if found.start() > start:
            before = data[start : found.start()]
            yield _run(place, before)
            place = _behind(place, before)
        yield RejectedLine(place.line, _foreign(header), found[0])
        place = _behind(place, found[0])
        start = found.end()
    if start < len(data):
        yield _run(place, data[start:])


def _single(window: Window, rules: Grammar, header: Header) -> Iterator[Found]:
    """One record that is loosely quoted, or rejected with all that belongs to it."""
    place = Place(window.offset, window.line)
    loose = rules.loose.match(window.data, window.at, window.limit)
    if loose and _escaped(window, rules.escaped) <= loose.end():
        record = window.take(loose.end())
        if is_utf8(record):
            yield Run(place, rules.join(rules.split(record)), 1)
        else:
            yield RejectedLine(place.line, _foreign(header), record)
    elif closed := _closed_out_of_view(window, rules):
        yield from _too_long(window, closed, rules)
    else:
        yield _rejected(window, rules, header)


def _rejected(window: Window, rules: Grammar, header: Header) -> RejectedLine:
    line = window.line
    whole = rules.whole.match(window.data, window.at, window.limit)
    escaped = _escaped(window, rules.escaped_whole)
    if end := max(escaped, whole.end() if whole else 0):
        record = window.take(end)
        reason = BACKSLASH if escaped and is_utf8(record) else _reason(record, rules, header)
        return RejectedLine(line, reason, record)
    return RejectedLine(line, TOO_LONG, window.take_line()[0])


def _closed_out_of_view(window: Window, rules: Grammar) -> int | None:
    """The offset where a quote is closed that is opened in this record, further than LONGEST."""
    if window.limit == len(window.data):
        return None
    found = rules.unended.match(window.data, window.at, window.limit)
    if not found:
        return None
    opened = window.data.index(b'"', found.end()) - window.at
    return window.closing(window.offset + opened + 1, rules.delimiter)


def _too_long(window: Window, closed: int, rules: Grammar) -> Iterator[RejectedLine]:
    """Every line of a record whose quote is closed so far behind.

    Each counts: as one rejected row they would pass unseen, were the quote there by mistake.
    """
    while window.fill() and window.offset < closed:
        line, end = window.line, window.index(closed)
        if end <= window.limit and window.whole_lines(end) == window.at:
            rest = rules.rest.match(window.data, end)
            data = window.take(rest.end()) if rest else window.take_line()[0]
        else:
            data = window.take_line()[0]
        yield RejectedLine(line, f"part of a record {TOO_LONG}", data)


def _escaped(window: Window, pattern: re.Pattern[bytes]) -> int:
    r"""Where a record ends in which `\"` stands for a quote; 0: it can't be read so."""
    if window.next(_BACKSLASH) == window.limit:
        return 0
    found = pattern.match(window.data, window.at, window.limit)
    return found.end() if found and _BACKSLASH in found[0] else 0


def _run(place: Place, data: bytes) -> Run:
    if b'"' not in data:
        data = _with_lf(data)
        return Run(place, data, data.count(b"\n"))
    pieces = data.split(b'"')
    pieces[::2] = [_with_lf(piece) for piece in pieces[::2]]
    return Run(place, b'"'.join(pieces), sum(piece.count(b"\n") for piece in pieces[::2]))


def _behind(place: Place, data: bytes) -> Place:
    return Place(place.offset + len(data), place.line + line_ends(data))


def _with_lf(data: bytes) -> bytes:
    return data if b"\r" not in data else data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _foreign(header: Header) -> str:
    return f"not {header.encoding}"


def _counted(fields: int | None, rules: Grammar, header: Header) -> str:
    """Why a record of so many fields, or in another encoding (None), is none."""
    if fields is None:
        return _foreign(header)
    noun = "field" if fields == 1 else "fields"
    return f"{fields} {noun}, the header has {rules.fields}"


def _reason(record: bytes, rules: Grammar, header: Header) -> str:
    """Why a record, or a physical line, is rejected."""
    if not is_utf8(record):
        return _foreign(header)
    text = record.rstrip(b"\r\n")
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
    return _counted(fields, rules, header)


# ── lines without a quote, a block of them at once ───────────────────────────


@dataclass(frozen=True)
class Sorted:
    """A block's lines, sorted: `data` are its good ones, and `lines` their numbers from 0 (None:
    all are good). `rejected` are (number, line, fields) of the others, without the empty ones;
    `fields` is None where a line is not UTF-8.
    """

    data: bytes
    records: int
    lines: Numbers | None
    rejected: list[tuple[int, bytes, int | None]]


def sort_lines(block: bytes, rules: Grammar) -> Sorted:
    """Sorts a block of lines, each ended by LF, none of which holds a quote or CR.

    Proving that all are good takes 1 ms a MiB, sorting out the others 2 to 3 ms.
    """
    values = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(values == _LF)
    marks = np.flatnonzero(values == rules.delimiter[0])
    starts = np.concatenate([[0], ends[:-1] + 1])
    utf8 = is_utf8(block)
    empty = _empty(block, values, starts, ends, rules)
    if utf8 and not len(empty) and _even(marks, starts, ends, rules.fields):
        return Sorted(block, len(ends), None, [])
    fields = np.diff(np.searchsorted(marks, ends), prepend=0) + 1
    good = fields == rules.fields
    good[empty] = False
    foreign = np.zeros(0, np.int64) if utf8 else _not_utf8(block, values, starts, ends)
    good[foreign] = False
    counts: dict[int, int | None] = {n: int(fields[n]) for n in np.flatnonzero(~good).tolist()}
    counts |= dict.fromkeys(foreign.tolist())
    for number in empty.tolist():
        counts.pop(number, None)
    rejected = [
        (number, block[starts[number] : ends[number] + 1], found)
        for number, found in counts.items()
    ]
    lines = np.flatnonzero(good)
    return Sorted(_gathered(block, good, starts, ends), len(lines), lines, rejected)


def _even(marks: Numbers, starts: Numbers, ends: Numbers, fields: int) -> bool:
    """Whether each line has as many delimiters as the header."""
    if len(marks) != len(ends) * (fields - 1):
        return False
    if fields == 1:
        return True
    each = marks.reshape(len(ends), -1)
    return bool(np.all(each[:, 0] >= starts) and np.all(each[:, -1] < ends))


def _empty(
    block: bytes, values: npt.NDArray[np.uint8], starts: Numbers, ends: Numbers, rules: Grammar
) -> Numbers:
    """Lines without a value: they begin with a delimiter, a blank or their end."""
    first = values[starts]
    suspects = np.flatnonzero((first == rules.delimiter[0]) | (first <= ord(" ")))
    nothing = b" \t\n" + rules.delimiter
    found = [n for n in suspects.tolist() if not block[starts[n] : ends[n]].strip(nothing)]
    return np.array(found, np.int64)


def _not_utf8(
    block: bytes, values: npt.NDArray[np.uint8], starts: Numbers, ends: Numbers
) -> Numbers:
    """Lines that are not UTF-8."""
    high = np.unique(np.searchsorted(ends, np.flatnonzero(values >= _NOT_ASCII)))
    found = [n for n in high.tolist() if not is_utf8(block[starts[n] : ends[n]])]
    return np.array(found, np.int64)


def _gathered(block: bytes, good: npt.NDArray[np.bool_], starts: Numbers, ends: Numbers) -> bytes:
    """The good lines, copied by stretches of them."""
    turns = np.flatnonzero(np.diff(good, prepend=False, append=False))
    return b"".join(
        block[starts[first] : ends[last - 1] + 1] for first, last in turns.reshape(-1, 2).tolist()
    )
