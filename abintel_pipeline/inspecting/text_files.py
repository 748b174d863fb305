"""The rows of a file as texts: one interface for every format, streamed in batches.

A text is what intake would be given; None where a value is missing.
"""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.inspecting.csv_layout import CsvLayout
from abintel_pipeline.inspecting.encodings import opened
from abintel_pipeline.inspecting.errors import CannotInspect

BATCH_ROWS = 20_000
MOST_COLUMNS = 2_000
Row = Sequence[str | None]


class TextFile(Protocol):
    """A file's column names, and its rows as tables of texts named c0, c1, …"""

    names: tuple[str, ...]

    def batches(self) -> Iterator[pa.Table]: ...


def text_table(rows: Sequence[Row], width: int) -> pa.Table:
    """Rows as a table of texts; a row that is too short is filled up, one too long is cut."""
    columns = [
        pa.array([row[n] if n < len(row) else None for row in rows], pa.string())
        for n in range(width)
    ]
    return pa.table(columns, names=[f"c{n}" for n in range(width)])


def _batched(rows: Iterable[Row], width: int) -> Iterator[pa.Table]:
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH_ROWS)):
        yield text_table(batch, width)


class CsvFile:
    """Rows of a CSV file. `uneven` counts those with another number of fields than the header."""

    def __init__(self, path: Path, encoding: str, layout: CsvLayout) -> None:
        self.names = layout.names
        self.uneven = 0
        self._path, self._encoding, self._layout = path, encoding, layout

    def batches(self) -> Iterator[pa.Table]:
        return _batched(self._rows(), len(self.names))

    def _rows(self) -> Iterator[Row]:
        csv.field_size_limit(sys.maxsize)
        width = len(self.names)
        with opened(self._path) as file:
            text = _decoded(file, self._encoding)
            for _ in range(self._layout.skipped):
                text.readline()
            reader = csv.reader(text, delimiter=self._layout.delimiter)
            next(reader, None)
            for row in _readable(reader, self._path):
                if any(cell.strip() for cell in row):
                    self.uneven += len(row) != width
                    yield [cell or None for cell in row]


def _decoded(file: Any, encoding: str) -> TextIO:
    import io

    name = "utf-8-sig" if encoding == "utf-8" else encoding
    return io.TextIOWrapper(file, encoding=name, errors="replace", newline="")


def _readable(reader: Iterator[list[str]], path: Path) -> Iterator[list[str]]:
    try:
        yield from reader
    except (csv.Error, EOFError, OSError) as error:
        raise CannotInspect(f"{path.name} can't be read to its end: {error}") from None


class JsonLinesFile:
    """Rows of a file with one JSON object per line; its names are those of all objects."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path, self._encoding = path, encoding
        names: dict[str, None] = {}
        for row in self._objects():
            names.update(dict.fromkeys(row))
            if len(names) > MOST_COLUMNS:
                raise CannotInspect(f"{path.name} has more than {MOST_COLUMNS:,} columns")
        self.names = tuple(names)

    def batches(self) -> Iterator[pa.Table]:
        rows = ([_json_text(row.get(name)) for name in self.names] for row in self._objects())
        return _batched(rows, len(self.names))

    def _objects(self) -> Iterator[dict[str, Any]]:
        with opened(self._path) as file:
            for line in _decoded(file, self._encoding):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line, parse_float=str, parse_int=str)
                except ValueError:
                    continue  # intake rejects the line, and says why
                if isinstance(row, dict):
                    yield row


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return json.dumps(value, ensure_ascii=False)


class ParquetFile:
    """Rows of a Parquet file, its values written as texts."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        try:
            self._file = pq.ParquetFile(path)
            self.names = tuple(self._file.schema_arrow.names)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise CannotInspect(f"{path.name} is a damaged Parquet file: {error}") from None

    def batches(self) -> Iterator[pa.Table]:
        names = [f"c{n}" for n in range(len(self.names))]
        try:
            for batch in self._file.iter_batches(BATCH_ROWS):
                yield pa.table([_arrow_texts(column) for column in batch.columns], names=names)
        except (pa.ArrowException, OSError) as error:
            raise CannotInspect(f"{self._name} is a damaged Parquet file: {error}") from None


def _arrow_texts(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return pa.array([_moment(one) for one in column.cast(pa.string()).to_pylist()], pa.string())
    try:
        return column.cast(pa.string())
    except (pa.ArrowException, UnicodeDecodeError):
        return pa.array([_any_text(one) for one in column.to_pylist()], pa.string())


def _moment(text: str | None) -> str | None:
    """A timestamp without a fraction of zeros: `2025-01-01 10:00:00.000000`."""
    if text is None or "." not in text:
        return text
    whole, _, rest = text.partition(".")
    fraction = rest.rstrip("Z")
    return whole + ("." + fraction if fraction.strip("0") else "") + rest[len(fraction) :]


def _any_text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if value is None else str(value)


@dataclass
class ExcelFile:
    """Rows of the first sheet of a workbook; its first row names the columns."""

    names: tuple[str, ...]
    sheet: str
    sheets: tuple[str, ...]
    _cells: list[list[Any]]

    @classmethod
    def opened(cls, path: Path) -> "ExcelFile":
        try:
            from python_calamine import CalamineError, CalamineWorkbook
        except ModuleNotFoundError:
            raise CannotInspect(
                "reading Excel files needs python-calamine: pip install python-calamine"
            ) from None
        try:
            book = CalamineWorkbook.from_path(str(path))
            sheet = book.get_sheet_by_index(0)
            cells = sheet.to_python(skip_empty_area=True)
        except CalamineError as error:
            raise CannotInspect(f"{path.name} can't be read as an Excel file: {error}") from None
        if not cells:
            raise CannotInspect(f"{path.name}: the sheet {sheet.name!r} is empty")
        names = tuple((_cell_text(cell) or "").strip() for cell in cells[0])
        return cls(names, sheet.name, tuple(book.sheet_names), cells[1:])

    def batches(self) -> Iterator[pa.Table]:
        rows = ([_cell_text(cell) for cell in row] for row in self._cells)
        return _batched((row for row in rows if any(row)), len(self.names))


def _cell_text(cell: Any) -> str | None:
    """A cell's text. Excel has only floats: `17850.0` is 17850; and midnight is a day.

    >>> _cell_text(17850.0), _cell_text(19.9), _cell_text("")
    ('17850', '19.9', None)
    >>> _cell_text(datetime(2025, 12, 24)), _cell_text(datetime(2025, 12, 24, 10, 30))
    ('2025-12-24', '2025-12-24 10:30:00')
    """
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    if isinstance(cell, datetime):
        return str(cell).removesuffix(" 00:00:00")
    return None if cell is None else str(cell) or None
