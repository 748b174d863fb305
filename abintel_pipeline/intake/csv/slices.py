"""Copies of a CSV file's good records, in slices that give the same Parquet file every time.

Left to itself DuckDB cuts a large CSV file by bytes, and where a row group of the Parquet file ends
then depends on which thread was first: two of five runs over the same 10 M lines gave other bytes.
A file of exactly two row groups' rows is read as two row groups. Ordering the rows instead would
cost a quarter of the whole intake.
"""

import re
from pathlib import Path
from typing import IO

import numpy as np

from abintel_pipeline.engine.sql import ROW_GROUP_SIZE
from abintel_pipeline.intake.reading import Reading

SLICE_ROWS = 2 * ROW_GROUP_SIZE
SLICE_BYTES = 48_000_000
"""Bytes at which a slice ends early; DuckDB's buffers are a little larger."""


class Slices:
    """Writes records to slices without a header. `even`: each but the last has SLICE_ROWS rows."""

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
