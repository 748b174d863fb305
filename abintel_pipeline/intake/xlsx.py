"""Reads `.xlsx`: the first sheet whose first row with anything in it has the needed columns.

A cell is what Excel stores, not what it shows: `001` typed as a number is 1. A date is a date
however it is formatted. Cells of an error (`#N/A`) are missing, empty rows are none.
"""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import python_calamine

from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.faults import passes
from abintel_pipeline.intake.json.values import Number, as_json
from abintel_pipeline.intake.landing import Source
from abintel_pipeline.intake.request_tables import SourceColumns
from abintel_pipeline.intake.staging import Part, Reading
from abintel_pipeline.intake.text_files import other_format
from abintel_pipeline.intake.text_rows import TextRows

MOST_UNPACKED = 1 << 30
"""Bytes that a workbook may have unpacked: Excel's longest sheet, a million rows, fits in."""

_EXACT = 2**53
_BLOCK = 1 << 20
Row = tuple[int, Sequence[Any]]


def read_xlsx(reading: Reading, source: Source) -> Part:
    """One Excel workbook as a part. Raises DeliveryError when it can't be read as a table."""
    _check(source.path, source.name)
    try:
        with (
            source.path.open("rb") as file,
            closing(python_calamine.CalamineWorkbook.from_filelike(file)) as book,
        ):
            return _part(reading, source, book)
    except python_calamine.CalamineError as error:
        raise DeliveryError(_broken(source.name, error)) from None


UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,  # Python seeks to where a damaged entry says that it begins
    RuntimeError,
    ValueError,
    NotImplementedError,
)
"""What a damaged zip file makes of Python's own reader."""


def _check(path: Path, name: str) -> None:
    """Raises DeliveryError unless a file is a whole zip file that isn't too large unpacked."""
    with path.open("rb") as file:
        start = file.read(8)
    found = other_format(start)
    if found and not start.startswith(b"PK"):
        raise DeliveryError(f"{name}: {found}")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > MOST_UNPACKED:
                raise DeliveryError(
                    f"{name}: has {unpacked >> 20} MiB unpacked, more than {MOST_UNPACKED >> 20}:"
                    " export it as CSV or Parquet"
                )
            for member in archive.infolist():
                with archive.open(member) as content:
                    while content.read(_BLOCK):  # no longer than it says, and its checksum is right
                        pass
    except UNREADABLE as error:
        if passes(error):
            raise
        raise DeliveryError(_broken(name, error)) from None


def _broken(name: str, error: Exception) -> str:
    return f"{name}: is no Excel workbook, or a broken one ({error}): save it as .xlsx again"


def _part(reading: Reading, source: Source, book: python_calamine.CalamineWorkbook) -> Part:
    sheet, header, rest = _table(book, source, reading.columns)
    names = ["" if cell is None else str(cell) for cell in header[1]]
    told = f"{source.name}, sheet {sheet!r}, row {header[0]}"
    placed = reading.columns.placed(names, told, source.constants)
    keys = [f"{n} ({i + 1})" if n in names[:i] else n for i, n in enumerate(names)]
    with closing(TextRows(reading, source.name)) as rows:
        for number, cells in rest:
            raw = as_json(dict(zip(keys, cells, strict=True)))
            rows.add(number, raw, reading.columns.values(placed, cells))
        return rows.part()


def _table(
    book: python_calamine.CalamineWorkbook, source: Source, columns: SourceColumns
) -> tuple[str, Row, Iterator[Row]]:
    """(sheet, header, rows behind it) of the first sheet that fits, else of the first with rows."""
    first = None
    for sheet in book.sheet_names:
        rows = _rows(book.get_sheet_by_name(sheet))
        header = next(rows, None)
        if header is None:
            continue
        if columns.has_all((*map(str, header[1]), *source.constants)):
            return sheet, header, rows
        first = first or (sheet, header, rows)
    if first is None:
        raise DeliveryError(f"{source.name}: is empty: a day without rows still needs its header")
    return first


def _rows(sheet: python_calamine.CalamineSheet) -> Iterator[Row]:
    """(number as in Excel, values) of each row that has any."""
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        values = [_value(cell) for cell in cells]
        if any(value is not None for value in values):
            yield number, values


def _value(cell: Any) -> Any:
    """A cell's value as JSON would have it: numbers exact and short, days and times ISO."""
    if isinstance(cell, str):
        return cell if cell.strip(" \t") else None
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return Number(int(cell))
    if isinstance(cell, int | float):
        return Number(cell)
    if isinstance(cell, datetime):
        return (cell.date() if cell.time() == time.min else cell).isoformat()
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)
