"""The header of a CSV file: read by hand, because DuckDB takes `columns=` by position and a swapped
or repeated header would pass in silence."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from abintel_pipeline.intake.csv.window import LONGEST, line_ends
from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.landing import Source
from abintel_pipeline.intake.request_tables import Place, SourceColumns
from abintel_pipeline.intake.text_files import BOM, UTF16_MARKS, fitting, other_format, told

MARKS = (",", ";", "|", "\t")
"""The delimiters that a header is tried with."""

_RARE = (":", "^", "~", " ", "#", "!", "\x01", "\x1f")
_SEP = re.compile(rb'"?sep=([ -~\t])"?[,;|\t]*(?:\r\n|\n|\r)', re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """The column names of a CSV file, and where its records begin.

    `lines` is the number of the header's last line; `end` the offset of the byte behind it.
    `encoding` is that of the file as it was delivered.
    """

    names: tuple[str, ...]
    delimiter: str
    end: int
    lines: int
    placed: Mapping[str, Place]
    encoding: str


@dataclass(frozen=True)
class _Start:
    """What stands at a file's beginning: the header and what follows, and where it begins."""

    name: str
    data: bytes
    offset: int
    line: int
    cut: bool
    delimiter: str | None


def read_header(path: Path, source: Source, columns: SourceColumns) -> Header:
    """The header of a file; raises DeliveryError unless it holds each needed column once."""
    start = _start(path, source.name)
    constants = source.constants
    delimiter = columns.settings.csv_delimiter or start.delimiter
    delimiter = delimiter or _detected(start, columns, constants)
    names, record = _names(start, delimiter)
    line = start.line + max(1, line_ends(record)) - 1
    try:
        placed = columns.placed(names, f"{start.name}, line {line}", constants)
    except DeliveryError as error:
        raise DeliveryError(f"{error}{_other(start, delimiter, columns, constants)}") from None
    return Header(
        tuple(names),
        delimiter,
        start.offset + len(record),
        line,
        placed,
        told(columns.settings.encoding),
    )


def _start(path: Path, name: str) -> _Start:
    """The beginning of a file behind byte order mark, blank lines and Excel's `sep=;`."""
    with path.open("rb") as file:
        data = file.read(LONGEST)
    cut = len(data) == LONGEST
    if found := other_format(data):
        raise DeliveryError(f"{name}: {found}")
    if data.startswith(UTF16_MARKS) or b"\x00" in data[:4]:
        raise DeliveryError(f"{name}: is not UTF-8 but UTF-16: set ABINTEL_ENCODING=utf-16")
    body = data.removeprefix(BOM)
    sep = _SEP.match(body)
    behind = body[sep.end() :] if sep else body
    header = behind.lstrip(b"\r\n")
    before = body[: len(body) - len(header)]
    if not header.strip():
        raise DeliveryError(f"{name}: is empty: a file without rows still needs its header line")
    return _Start(
        name,
        header,
        len(data) - len(header),
        1 + line_ends(before),
        cut,
        sep[1].decode() if sep else None,
    )


def _detected(start: _Start, columns: SourceColumns, constants: Mapping[str, str]) -> str:
    """The delimiter under which the header has every needed column, or as many as may be."""
    needed = {name.strip().casefold() for name in columns.needed}

    def fit(mark: str) -> tuple[int, int]:
        names = _tried(start, mark) or _first_line(start).split(mark)
        known = {name.strip("\ufeff \t").casefold() for name in names}
        return len(needed & known), len(names)

    whole = (m for m in MARKS if columns.has_all((*_tried(start, m), *constants)))
    return next(whole, None) or max(MARKS, key=fit)


def _other(
    start: _Start, delimiter: str, columns: SourceColumns, constants: Mapping[str, str]
) -> str:
    """What to do about the delimiter, if another is the right one."""
    for mark in (*MARKS, *_RARE):
        if mark != delimiter and columns.has_all((*_tried(start, mark), *constants)):
            return (
                f". With {mark!r} between its fields the header has every needed column: set"
                f" ABINTEL_CSV_DELIMITER to {mark!r}"
            )
    return ""


def _first_line(start: _Start) -> str:
    return start.data.splitlines()[0].decode(errors="replace")


def _tried(start: _Start, delimiter: str) -> list[str]:
    try:
        return _names(start, delimiter)[0]
    except DeliveryError:
        return []


def _names(start: _Start, delimiter: str) -> tuple[list[str], bytes]:
    """The header's names, and its bytes with its line end."""
    record = _first_record(start.data, delimiter)
    if b"\x00" in record:
        raise DeliveryError(f"{start.name}: is not UTF-8 but UTF-16: set ABINTEL_ENCODING=utf-16")
    if len(record) == len(start.data) and start.cut:
        raise DeliveryError(f"{start.name}: the header doesn't end within {LONGEST >> 20} MiB")
    place = f"{start.name}, line {start.line}"
    try:
        text = record.decode()
    except UnicodeDecodeError as error:
        raise DeliveryError(
            f"{place}, byte {error.start + 1}: the header is not UTF-8: set"
            f" ABINTEL_ENCODING={fitting(record)}, or what the file was written in"
        ) from None
    return _parsed(text, delimiter, place), record


def _parsed(text: str, delimiter: str, place: str) -> list[str]:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise DeliveryError(f"{place}: the header can't be read ({error})") from None
    if len(rows) != 1:
        raise DeliveryError(f"{place}: the header can't be read (it is {len(rows)} rows)")
    for column in rows[0]:
        first, *others = re.split(r"[\r\n]", column)
        if any(delimiter in other for other in others):
            raise DeliveryError(
                f"{place}: the header can't be read (the quote before {first[:200]!r} is"
                " closed in a later line, behind a delimiter: rows would be lost)"
            )
    return rows[0]


def _first_record(data: bytes, delimiter: str) -> bytes:
    """The bytes up to and with the first line end outside quotes.

    As in records a quote opens only where a field begins; anywhere else it is a character.
    """
    mark = re.escape(delimiter.encode())
    field = rb'(?:"[^"]*+(?>(?:""[^"]*+)*)(?:"|\Z))?[^' + mark + rb"\r\n]*+"
    record = field + rb"(?>(?:" + mark + field + rb")*)(?:\r\n|\n|\r)?"
    found = re.match(record, data)
    return found[0] if found else b""
