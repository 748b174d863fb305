"""Reads `.jsonl`: one JSON object a line."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from abintel_pipeline.intake.csv.window import LONGEST
from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.json.values import Repeated, as_json, parse
from abintel_pipeline.intake.landing import Source
from abintel_pipeline.intake.request_tables import Keys
from abintel_pipeline.intake.staging import Part, Reading
from abintel_pipeline.intake.text_files import BOM, UTF16_MARKS, as_utf8, shown, told
from abintel_pipeline.intake.text_rows import TextRows

_SHOWN = 10_000


def read_json_lines(reading: Reading, source: Source) -> Part:
    """One JSON-lines file as a part. A line that is no JSON object is a rejected row.

    Raises DeliveryError when it has no line: it may have been cut off, and wipe the day.
    """
    with closing(TextRows(reading, source.name)) as rows:
        keys = Keys(reading.columns, source.constants)
        encoding = told(reading.settings.encoding)
        for number, line in _lines(as_utf8(reading, source), source.name):
            if line.strip():
                _add(rows, number, line, keys, encoding)
        if not rows.received:
            raise DeliveryError(
                f"{source.name}: is empty: deliver a day without rows as a CSV file that has its"
                " header line alone"
            )
        return rows.part()


def _add(rows: TextRows, number: int, line: bytes, keys: Keys, encoding: str) -> None:
    text, value, reason = _parsed(line, encoding)
    if reason:
        rows.reject(number, f"line: {reason}", {"line": text[:_SHOWN]})
    else:
        odd = "NaN" in text or "Infinity" in text
        raw = as_json(value) if odd else text.strip()
        rows.add(number, raw, keys.values(value))


def _lines(path: Path, name: str) -> Any:
    """(number, bytes) of each line; of one longer than LONGEST only its beginning."""
    with path.open("rb") as file:
        start = file.read(4)
        if start.startswith(UTF16_MARKS) or b"\x00" in start:
            raise DeliveryError(f"{name}: is not UTF-8 but UTF-16: set ABINTEL_ENCODING=utf-16")
        file.seek(len(BOM) if start.startswith(BOM) else 0)
        number = 0
        while line := file.readline(LONGEST + 1):
            number += 1
            rest = line
            while rest and not rest.endswith(b"\n") and len(rest) > LONGEST:
                rest = file.readline(LONGEST + 1)
            yield number, line.rstrip(b"\r\n")


def _parsed(line: bytes, encoding: str) -> tuple[str, Any, str | None]:
    """A line's text and value, or why it is no row."""
    text = shown(line, encoding)
    if len(line) > LONGEST:
        return text, None, f"longer than {LONGEST >> 20} MiB"
    try:
        value = parse(line.decode())
    except UnicodeDecodeError:
        return text, None, f"not {encoding}"
    except json.JSONDecodeError as error:
        return text, None, f"not JSON (column {error.colno}: {error.msg})"
    except RecursionError:
        return text, None, "not a JSON object (nested too deep)"
    if isinstance(value, Repeated):
        return text, None, value.fault
    return text, value, None if isinstance(value, dict) else "not a JSON object"
