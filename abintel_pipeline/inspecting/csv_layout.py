"""How a CSV file is laid out: its `sep=` line, what separates its fields, and its header."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from abintel_pipeline.inspecting.encodings import opened
from abintel_pipeline.inspecting.errors import CannotInspect

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 1 << 18
SAMPLE_ROWS = 200
_SEP_LINE = re.compile(r"sep=(.)\s*")
_VALUE = re.compile(r"[+-]?[\d.,]*\d[\d.,]*|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}( .*)?")


@dataclass(frozen=True)
class CsvLayout:
    """`skipped` are the lines before the header; `title_lines` those of them that hold titles."""

    delimiter: str
    sep_line: bool
    header_line: int
    names: tuple[str, ...]
    skipped: int
    title_lines: int = 0
    header_is_data: bool = False


def csv_layout(path: Path, encoding: str, delimiter: str | None = None) -> CsvLayout:
    """The layout of a CSV file, from its beginning; `delimiter` is one that is known."""
    text = _beginning(path, encoding)
    lines = text.splitlines(keepends=True)
    sep = _SEP_LINE.fullmatch(lines[0]) if lines else None
    body = "".join(lines[1:]) if sep else text
    mark = delimiter or (sep[1] if sep else None) or _delimiter(body)
    rows = _rows(body, mark)
    if not rows:
        raise CannotInspect(f"{path.name} has no header line: its first line must name the columns")
    at = _header_at(rows)
    line, names = rows[at]
    before = line - 1 + bool(sep)
    titles = sum(any(cell.strip() for cell in row) for _, row in rows[:at])
    is_data = bool(names) and any(_VALUE.fullmatch(cell.strip()) for cell in names)
    return CsvLayout(mark, bool(sep), before + 1, _trimmed(names), before, titles, is_data)


def _beginning(path: Path, encoding: str) -> str:
    with opened(path) as file:
        start = file.read(SAMPLE_BYTES)
    text = start.decode(encoding, errors="replace").removeprefix("\ufeff")
    if len(start) < SAMPLE_BYTES:
        return text
    return text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text


def _delimiter(text: str) -> str:
    """The mark that gives the most rows as many fields as the widest kind of row has."""

    def fitness(mark: str) -> tuple[float, int]:
        counts = [len(row) for _, row in _rows(text, mark)]
        width = max(set(counts), key=counts.count, default=1)
        header = counts[0] if counts else 1
        if width < 2 and header < 2:
            return 0.0, 0
        return counts.count(width) / len(counts) if width > 1 else 0.0, width

    return max(DELIMITERS, key=fitness)


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """(line in which it begins, fields) of the first rows that hold anything."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    found: list[tuple[int, list[str]]] = []
    try:
        start = 1
        for row in reader:
            if any(cell.strip() for cell in row):
                found.append((start, row))
            start = reader.line_num + 1
            if len(found) == SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    return found


def _header_at(rows: list[tuple[int, list[str]]]) -> int:
    """Where the header is: behind lines that fill one or two fields of a wider table."""
    filled = [sum(bool(cell.strip()) for cell in row) for _, row in rows]
    wide = max(filled)
    if wide < 3:
        return 0
    return next((n for n, count in enumerate(filled[:20]) if count > min(2, wide - 1)), 0)


def _trimmed(names: list[str]) -> tuple[str, ...]:
    return tuple(name.strip() for name in names)
