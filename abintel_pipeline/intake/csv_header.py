"""The header of a CSV file: read by hand, because DuckDB takes `columns=` by position and a swapped
or repeated header would pass in silence."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.source_columns import Place, SourceColumns
from abintel_pipeline.intake.sources import Source

LONGEST_HEADER = 1 << 20
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Header:
    """The column names of a CSV file, and where its records begin.

    `lines` is the number of the header's last line; `end` the offset of the byte behind it.
    """

    names: tuple[str, ...]
    delimiter: str
    end: int
    lines: int
    placed: Mapping[str, Place]


def read_header(path: Path, source: Source, columns: SourceColumns) -> Header:
    """The header of a file; raises DeliveryError unless it holds each needed column once."""
    name, delimiter = source.name, columns.settings.csv_delimiter or ","
    with path.open("rb") as file:
        start = file.read(LONGEST_HEADER)
    body = start.removeprefix(_BOM)
    offset = len(start) - len(body)
    stripped = body.lstrip(b"\r\n")
    record = _first_record(stripped, delimiter)
    if start.startswith(_UTF16) or b"\x00" in record:
        raise DeliveryError(f"{name}: is not UTF-8 (UTF-16?): deliver it as UTF-8")
    if not record.strip():
        raise DeliveryError(f"{name}: is empty: a file without rows still needs its header line")
    if len(record) == len(stripped) and len(start) == LONGEST_HEADER:
        raise DeliveryError(f"{name}: the header doesn't end within {LONGEST_HEADER >> 20} MiB")
    before = body[: len(body) - len(stripped)]
    names = tuple(_names(record, name, delimiter))
    lines = _lines(before) + max(1, _lines(record))
    placed = columns.placed(names, f"{name}, line {lines}", source.constants)
    return Header(names, delimiter, offset + len(before) + len(record), lines, placed)


def _first_record(data: bytes, delimiter: str) -> bytes:
    """The bytes up to and with the first line end outside quotes.

    As in records a quote opens only where a field begins; anywhere else it is a character.
    """
    mark = re.escape(delimiter.encode())
    field = rb'(?:"[^"]*+(?>(?:""[^"]*+)*)(?:"|\Z))?[^' + mark + rb"\r\n]*+"
    record = field + rb"(?>(?:" + mark + field + rb")*)(?:\r\n|\n|\r)?"
    found = re.match(record, data)
    return found[0] if found else b""


def _lines(data: bytes) -> int:
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


def _names(record: bytes, name: str, delimiter: str) -> list[str]:
    try:
        text = record.decode()
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        raise DeliveryError(
            f"{name}, line 1, byte {error.start + 1}: the header is not UTF-8: deliver it as UTF-8"
        ) from None
    except csv.Error as error:
        raise DeliveryError(f"{name}, line 1: the header can't be read ({error})") from None
    if len(rows) != 1:
        raise DeliveryError(f"{name}, line 1: the header can't be read (it is {len(rows)} rows)")
    for column in rows[0]:
        first, *others = re.split(r"[\r\n]", column)
        if any(delimiter in other for other in others):
            raise DeliveryError(
                f"{name}, line 1: the header can't be read (the quote before {first[:200]!r} is"
                " closed in a later line, behind a delimiter: rows would be lost)"
            )
    return rows[0]
