"""Lines without a quote, a whole block of them at once: a line is a record, or it is none."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abintel_pipeline.intake.csv.grammar import Grammar

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_LF = 0x0A
_NOT_ASCII = 0x80


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
    foreign = np.zeros(0, np.int64) if utf8 else _foreign(block, values, starts, ends)
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


def _foreign(
    block: bytes, values: npt.NDArray[np.uint8], starts: Numbers, ends: Numbers
) -> Numbers:
    """Lines that are not UTF-8."""
    high = np.unique(np.searchsorted(ends, np.flatnonzero(values >= _NOT_ASCII)))
    found = [n for n in high.tolist() if not is_utf8(block[starts[n] : ends[n]])]
    return np.array(found, np.int64)


def _gathered(block: bytes, good: Flags, starts: Numbers, ends: Numbers) -> bytes:
    """The good lines, copied by stretches of them."""
    turns = np.flatnonzero(np.diff(good, prepend=False, append=False))
    return b"".join(
        block[starts[first] : ends[last - 1] + 1] for first, last in turns.reshape(-1, 2).tolist()
    )


def is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
