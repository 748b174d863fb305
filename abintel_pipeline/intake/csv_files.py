"""Reads `.csv` and `.csv.gz`: by whole blocks where they are plain, else record by record.

Either way DuckDB reads slices of good records, and must read as many as were counted.
"""

import gzip
import json
import shutil
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from abintel_pipeline.intake.csv_header import Header, read_header
from abintel_pipeline.intake.csv_records import (
    LONGEST,
    RefusedLine,
    Run,
    grammar,
    line_ends,
    walk,
)
from abintel_pipeline.intake.csv_scan import NotPlain, plain_blocks
from abintel_pipeline.intake.csv_slices import SLICE_BYTES, Slices
from abintel_pipeline.intake.errors import DeliveryError, IntakeBroken
from abintel_pipeline.intake.reading import (
    REFUSED_LINES,
    ParquetRows,
    Part,
    Reading,
    Typed,
)
from abintel_pipeline.intake.sources import Source
from abintel_pipeline.intake.sql_text import quoted
from abintel_pipeline.intake.text_rows import text_schema
from abintel_pipeline.store import file_literal

BUFFER_BYTES = SLICE_BYTES + 4 * LONGEST
RAW_LIMIT = 10_000
"""Characters kept of a refused line."""


def read_csv(reading: Reading, source: Source) -> Part:
    """One CSV file as a part. Raises DeliveryError when it has no usable header or gzip is torn."""
    path = _unzipped(reading, source)
    header = read_header(path, source, reading.columns)
    return _plain(reading, source, path, header) or _walked(reading, source, path, header)


def _unzipped(reading: Reading, source: Source) -> Path:
    if source.format == "csv":
        return source.path
    path = reading.new_path(".csv")
    try:
        with gzip.open(source.path) as zipped, path.open("wb") as plain:
            shutil.copyfileobj(zipped, plain, 1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DeliveryError(
            f"{source.name}: the gzip file is torn ({error}): deliver it again"
        ) from None
    return path


def _plain(reading: Reading, source: Source, path: Path, header: Header) -> Part | None:
    """The part, if the file is plain and DuckDB reads each record that was counted in it."""
    rules = grammar(len(header.names), header.delimiter)
    with closing(Slices(reading, rules.record)) as slices:
        try:
            for block, records in plain_blocks(path, header):
                slices.add(block, records)
        except NotPlain:
            slices.remove()
            return None
    try:
        typed = _staged(reading, slices, header)
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        return None
    finally:
        slices.remove()
    if typed.rows != slices.records or _rejects(reading):
        return None
    return Part(source.name, typed, _Locator(reading, path, header), even=slices.even)


def _walked(reading: Reading, source: Source, path: Path, header: Header) -> Part:
    """The part by way of its good records alone; what is no record becomes a refused line."""
    rules = grammar(len(header.names), header.delimiter)
    with (
        closing(ParquetRows(reading.new_path(".parquet"), REFUSED_LINES)) as lines,
        closing(Slices(reading, rules.record)) as slices,
    ):
        for found in walk(path, header):
            if isinstance(found, Run):
                slices.add(found.data, found.records)
            else:
                lines.add(found.line, [f"line: {found.reason}"], _raw_line(found))
    typed = _staged(reading, slices, header)
    slices.remove()
    if typed.rows != slices.records or _rejects(reading):
        raise IntakeBroken(
            f"{source.name}: {slices.records} good records were written, {typed.rows} were read"
        )
    locator = _Locator(reading, path, header)
    return Part(source.name, typed, locator, lines.path, lines.rows, even=slices.even)


def _raw_line(found: RefusedLine) -> str:
    text = found.data.rstrip(b"\r\n").decode(errors="backslashreplace")
    shown = text if len(text) <= RAW_LIMIT else text[:RAW_LIMIT] + "…"
    return json.dumps({"line": shown}, ensure_ascii=False)


def _staged(reading: Reading, slices: Slices, header: Header) -> Typed:
    reading.drop(*_reject_tables(reading))
    columns = ", ".join(f"'c{n}': 'VARCHAR'" for n in range(len(header.names)))
    picked = reading.columns.selected(header.placed, "c{}".format)
    files = ", ".join(map(file_literal, slices.paths))
    errors, scans = _reject_tables(reading)
    return reading.stage(
        f"SELECT {picked} FROM read_csv([{files}], columns={{{columns}}}, header=false,"
        f" auto_detect=false, delim={quoted(header.delimiter)}, quote='\"', escape='\"',"
        f" new_line='\\n', nullstr='', strict_mode=true, compression='none',"
        f" max_line_size={3 * LONGEST}, buffer_size={BUFFER_BYTES},"
        f" store_rejects=true, rejects_limit=0,"
        f" rejects_table='{errors}', rejects_scan='{scans}')"
    )


def _reject_tables(reading: Reading) -> tuple[str, str]:
    return f"reject_errors_{reading.key}", f"reject_scans_{reading.key}"


def _rejects(reading: Reading) -> bool:
    """Whether DuckDB's reader refused a line."""
    errors, _ = _reject_tables(reading)
    found = reading.duckdb.execute(f"SELECT count(*) FROM {errors}").fetchone()
    return bool(found and found[0])


class _Locator:
    """Finds the line and the fields of records by their ordinals, walking the file once."""

    def __init__(self, reading: Reading, path: Path, header: Header) -> None:
        self._reading, self._path, self._header = reading, path, header
        self._rules = grammar(len(header.names), header.delimiter)
        self._keys = unrepeated(header.names)
        self._columns = reading.columns

    def __call__(self, wanted: str) -> str:
        found = self._reading.duckdb.execute(f"{wanted} ORDER BY ordinal").fetchnumpy()
        ordinals = np.asarray(found["ordinal"], np.int64)
        path = self._reading.new_path(".parquet")
        with closing(ParquetRows(path, text_schema(self._columns))) as rows:
            for ordinal, line, fields in self._records(ordinals):
                raw = json.dumps(dict(zip(self._keys, fields, strict=True)), ensure_ascii=False)
                texts = self._columns.values(self._header.placed, fields)
                rows.add(ordinal, line, raw, None, None, None, *(t or None for t in texts.values()))
        return f"SELECT * FROM read_parquet({file_literal(path)})"

    def _records(self, ordinals: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, list[str]]]:
        first = at = 0
        for found in walk(self._path, self._header):
            if not isinstance(found, Run):
                continue
            start = at
            while at < len(ordinals) and ordinals[at] < first + found.records:
                at += 1
            if at > start:
                wanted = (ordinals[start:at] - first).tolist()
                for number, line, fields in self._in_run(found, wanted):
                    yield first + number, line, fields
            first += found.records
            if at == len(ordinals):
                return

    def _in_run(self, run: Run, wanted: list[int]) -> Iterator[tuple[int, int, list[str]]]:
        if b'"' not in run.data:  # a record a line
            ends = [-1, *np.flatnonzero(np.frombuffer(run.data, np.uint8) == 0x0A).tolist()]
            for number in wanted:
                record = run.data[ends[number] + 1 : ends[number + 1] + 1]
                yield number, run.line + number, self._fields(record)
            return
        line, targets = run.line, iter(wanted)
        target = next(targets, None)
        for number, found in enumerate(self._rules.record.finditer(run.data)):
            if number == target:
                yield number, line, self._fields(found[0])
                target = next(targets, None)
                if target is None:
                    return
            line += line_ends(found[0])

    def _fields(self, record: bytes) -> list[str]:
        return [field.decode() for field in self._rules.split(record)]


def unrepeated(names: tuple[str, ...]) -> list[str]:
    """Names as the keys of one object: a name that was there before gets its position."""
    return [n if n not in names[:i] else f"{n} ({i + 1})" for i, n in enumerate(names)]
