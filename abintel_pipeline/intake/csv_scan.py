"""Proves that a CSV file is plain enough for DuckDB's reader, and counts its records."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from abintel_pipeline.intake.csv_header import Header
from abintel_pipeline.intake.csv_records import LONGEST, Grammar, grammar, is_utf8

_TEXT = re.compile(rb"[^\r\n]++")


def plain_records(path: Path, header: Header) -> int | None:
    """How many records a plain file has; None when the file is not proven plain.

    Plain is a file that is UTF-8, has one kind of line end (LF or CRLF) outside quotes, strict
    quotes wherever there is one, and the header's number of fields wherever quotes or a delimiter
    at the end of a line could hide another. Ragged lines without any of these DuckDB reports
    itself. About 0.4 s for 10 M lines without quotes, 3 s with.
    """
    if not header.leading:
        return None
    rules = grammar(len(header.names), header.delimiter)
    records = 0
    kinds: set[bytes | None] = set()
    for block in _blocks(path, header, rules):
        kinds.add(_line_end(block))
        if not block or None in kinds or len(kinds) > 1:
            return None
        if not is_utf8(block) or not _fields_add_up(block, rules):
            return None
        records += _records(block)
    return records


def _blocks(path: Path, header: Header, rules: Grammar) -> Iterator[bytes]:
    """The file behind its header in blocks of whole records; an empty block: there are none."""
    with path.open("rb") as file:
        file.seek(header.end)
        left = b""
        while fresh := file.read(LONGEST):
            block = (left + fresh).lstrip(b"\r\n") if left else fresh
            whole = _whole(block, rules)
            left = block[whole:]
            if whole:
                yield block[:whole]
            elif len(left) > LONGEST:
                yield b""
        if left.strip(b"\r\n"):
            block = left if left.endswith(b"\n") else left + b"\n"
            whole = _whole(block, rules)
            yield block[:whole]
            if block[whole:].strip(b"\r\n"):
                yield b""


def _whole(block: bytes, rules: Grammar) -> int:
    """Bytes at the beginning of a block that are whole records."""
    if b'"' not in block:
        return block.rfind(b"\n") + 1
    found = rules.run.match(block)
    end = found.end() if found else 0
    return block.rfind(b"\n", 0, end) + 1 if end else 0


def _outside(block: bytes) -> bytes:
    """A block less what stands in quotes."""
    return block if b'"' not in block else b'""'.join(block.split(b'"')[::2])


def _line_end(block: bytes) -> bytes | None:
    r"""LF or CRLF, whichever ends every line of a block; None when they are mixed."""
    if b"\r" not in block:
        return b"\n"
    outside = _outside(block)
    crlf, lf = outside.count(b"\r\n"), outside.count(b"\n")
    if outside.count(b"\r") != crlf or crlf not in (0, lf):
        return None
    return b"\r\n" if crlf else b"\n"


def _fields_add_up(block: bytes, rules: Grammar) -> bool:
    """False when a line that ends with a delimiter might have a field too many.

    DuckDB takes `a,b,` for two fields where the header has two.
    """
    if b'"' in block or not _follows(block, rules.delimiter, _line_end_start(block)):
        return True
    found = rules.run.match(block)
    return found is not None and found.end() == len(block)


def _records(block: bytes) -> int:
    outside = _outside(block)
    first = _line_end_start(outside)
    if outside.startswith(first) or _follows(outside, b"\n", first):
        return len(_TEXT.findall(outside))
    return int(np.count_nonzero(np.frombuffer(outside, np.uint8) == 0x0A))


def _line_end_start(block: bytes) -> bytes:
    return b"\r" if b"\r" in block else b"\n"


def _follows(block: bytes, first: bytes, second: bytes) -> bool:
    """Whether the one byte stands right before the other: five times the speed of `in` here."""
    values = np.frombuffer(block, np.uint8)
    return bool(np.any((values[:-1] == first[0]) & (values[1:] == second[0])))
