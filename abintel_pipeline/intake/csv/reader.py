"""Reads `.csv` and `.csv.gz`: DuckDB reads slices of the good records, the others are rejected.

It must read as many as were counted.
"""

import re
from contextlib import closing
from pathlib import Path
from typing import IO

import numpy as np

from abintel_pipeline.engine.sql import ROW_GROUP_SIZE, file_literal, quoted
from abintel_pipeline.intake.csv.grammar import grammar
from abintel_pipeline.intake.csv.header import Header, read_header
from abintel_pipeline.intake.csv.located import Located, raw_json
from abintel_pipeline.intake.csv.records import RejectedLine, Run, walk
from abintel_pipeline.intake.csv.window import LONGEST
from abintel_pipeline.intake.errors import IntakeBroken
from abintel_pipeline.intake.landing import Source
from abintel_pipeline.intake.staging import (
    REJECTED_LINES,
    ParquetRows,
    Part,
    Reading,
    Typed,
)
from abintel_pipeline.intake.text_files import as_utf8, shown

SLICE_ROWS = 2 * ROW_GROUP_SIZE
SLICE_BYTES = 48_000_000
"""Bytes at which a slice ends early; DuckDB's buffers are a little larger."""

BUFFER_BYTES = SLICE_BYTES + 4 * LONGEST
RAW_LIMIT = 10_000
"""Characters kept of a rejected line."""


def read_csv(reading: Reading, source: Source) -> Part:
    """One CSV file as a part. Raises DeliveryError when it has no usable header or gzip is torn."""
    path = as_utf8(reading, source)
    header = read_header(path, source, reading.columns)
    rules = grammar(len(header.names), header.delimiter)
    located = Located(reading, path, header, unrepeated(header.names))
    with (
        closing(ParquetRows(reading.new_path(".parquet"), REJECTED_LINES)) as lines,
        closing(Slices(reading, rules.record)) as slices,
    ):
        for found in walk(path, header):
            if isinstance(found, Run):
                located.note(slices.records, found)
                slices.add(found.data, found.records)
            else:
                lines.add(found.line, [f"line: {found.reason}"], _raw_line(found, header))
    typed = _staged(reading, slices, header)
    slices.remove()
    if typed.rows != slices.records or _rejects(reading):
        raise IntakeBroken(
            f"{source.name}: {slices.records} good records were written, {typed.rows} were read"
        )
    return Part(source.name, typed, located, lines.path, lines.rows, even=slices.even)


def _raw_line(found: RejectedLine, header: Header) -> str:
    text = shown(found.data.rstrip(b"\r\n"), header.encoding)
    return raw_json({"line": text if len(text) <= RAW_LIMIT else text[:RAW_LIMIT] + "…"})


def _staged(reading: Reading, slices: "Slices", header: Header) -> Typed:
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
    """Whether DuckDB's reader rejected a line."""
    errors, _ = _reject_tables(reading)
    found = reading.duckdb.execute(f"SELECT count(*) FROM {errors}").fetchone()
    return bool(found and found[0])


class Slices:
    """Copies of a file's good records, in slices that give the same Parquet file every time.

    Left to itself DuckDB cuts a large CSV file by bytes, and where a row group of the Parquet file
    ends then depends on which thread was first: two of five runs over the same 10 M lines gave
    other bytes. A file of exactly two row groups' rows is read as two row groups. Ordering the rows
    instead would cost a quarter of the whole intake.

    `even`: each slice but the last has SLICE_ROWS rows.
    """

    def __init__(self, reading: Reading, record: re.Pattern[bytes]) -> None:
        self._reading, self._record = reading, record
        self.paths: list[Path] = []
        self.records = 0
        self.even = True
        self._open()

    def close(self) -> None:
        self._file.close()

    def add(self, data: bytes, records: int) -> None:
        """Whole records, each ended by one line end, and how many they are."""
        self.records += records
        while self._rows + records > SLICE_ROWS:
            missing = SLICE_ROWS - self._rows
            end = self._end_of(data, missing)
            self._file.write(data[:end])
            data, records = data[end:], records - missing
            self._open()
        self._file.write(data)
        self._rows += records
        if self._file.tell() > SLICE_BYTES:
            self.even = False
            self._open()

    def remove(self) -> None:
        for path in self.paths:
            path.unlink()

    def _open(self) -> None:
        if self.paths:
            self._file.close()
        self.paths.append(self._reading.new_path(".csv"))
        self._file: IO[bytes] = self.paths[-1].open("wb")
        self._rows = 0

    def _end_of(self, data: bytes, records: int) -> int:
        """Bytes that the first so many records take up."""
        if not records:
            return 0
        if b'"' not in data:
            return int(np.flatnonzero(np.frombuffer(data, np.uint8) == 0x0A)[records - 1]) + 1
        ends = (found.end() for found in self._record.finditer(data))
        return next(end for number, end in enumerate(ends, start=1) if number == records)


def unrepeated(names: tuple[str, ...]) -> list[str]:
    """Names as the keys of one object: a name that was there before gets its position."""
    return [n if n not in names[:i] else f"{n} ({i + 1})" for i, n in enumerate(names)]
