"""Finds refused records again, by their ordinals: in which line they stand, and what they say."""

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path

import numpy as np

from abintel_pipeline.intake.csv_grammar import grammar
from abintel_pipeline.intake.csv_header import Header
from abintel_pipeline.intake.csv_records import Place, Run, walk
from abintel_pipeline.intake.csv_scan import Numbers
from abintel_pipeline.intake.csv_window import LONGEST, line_ends
from abintel_pipeline.intake.reading import ParquetRows, Reading
from abintel_pipeline.intake.text_rows import text_schema
from abintel_pipeline.store import file_literal

_LF = 0x0A
BOM = "\ufeff"


class Located:
    """SELECT of a file's records by their ordinals, in the columns of `text_schema`.

    `keys` are the names of a record's fields in what is shown of it.

    While the file is read it is told of a run in every MiB: only the parts of the file that hold a
    wanted record are read again.
    """

    def __init__(self, reading: Reading, path: Path, header: Header, keys: list[str]) -> None:
        self._reading, self._path, self._header = reading, path, header
        self._rules = grammar(len(header.names), header.delimiter)
        self._keys = keys
        self._columns = reading.columns
        self._noted: list[tuple[int, Place]] = []

    def note(self, ordinal: int, run: Run) -> None:
        """A run, and the ordinal of its first record."""
        if not self._noted or run.place.offset >= self._noted[-1][1].offset + LONGEST:
            self._noted.append((ordinal, run.place))

    def __call__(self, wanted: str) -> str:
        found = self._reading.duckdb.execute(f"{wanted} ORDER BY ordinal").fetchnumpy()
        ordinals = np.asarray(found["ordinal"], np.int64)
        path = self._reading.new_path(".parquet")
        with closing(ParquetRows(path, text_schema(self._columns))) as rows:
            for ordinal, line, fields in self._records(ordinals):
                raw = raw_json(dict(zip(self._keys, fields, strict=True)))
                texts = self._columns.values(self._header.placed, fields)
                rows.add(ordinal, line, raw, None, None, None, *(t or None for t in texts.values()))
        return f"SELECT * FROM read_parquet({file_literal(path)})"

    def _records(self, ordinals: Numbers) -> Iterator[tuple[int, int, list[str]]]:
        firsts = np.array([first for first, _ in self._noted], np.int64)
        near = np.searchsorted(firsts, ordinals, "right") - 1
        pairs = zip(near.tolist(), ordinals.tolist(), strict=True)
        for number, group in groupby(pairs, key=lambda pair: pair[0]):
            first, place = self._noted[number]
            yield from self._behind(place, first, [ordinal for _, ordinal in group])

    def _behind(
        self, place: Place, first: int, wanted: list[int]
    ) -> Iterator[tuple[int, int, list[str]]]:
        """The wanted records of the runs from a place on, whose first record has that ordinal."""
        at = 0
        for run in walk(self._path, self._header, place):
            if not isinstance(run, Run):
                continue
            start = at
            while at < len(wanted) and wanted[at] < first + run.records:
                at += 1
            if at > start:
                for number, line, record in self._in_run(
                    run, [n - first for n in wanted[start:at]]
                ):
                    yield first + number, line, self._fields(record)
            if at == len(wanted):
                return
            first += run.records

    def _in_run(self, run: Run, wanted: list[int]) -> Iterator[tuple[int, int, bytes]]:
        if b'"' in run.data:
            yield from self._quoted(run, set(wanted))
            return
        ends = [-1, *np.flatnonzero(np.frombuffer(run.data, np.uint8) == _LF).tolist()]
        for number in wanted:
            line = number if run.lines is None else int(run.lines[number])
            yield number, run.place.line + line, run.data[ends[number] + 1 : ends[number + 1] + 1]

    def _quoted(self, run: Run, wanted: set[int]) -> Iterator[tuple[int, int, bytes]]:
        line = run.place.line
        for number, found in enumerate(self._rules.record.finditer(run.data)):
            if number in wanted:
                yield number, line, found[0]
            line += line_ends(found[0])

    def _fields(self, record: bytes) -> list[str]:
        if b'"' not in record:
            return record[:-1].decode().split(self._header.delimiter)
        return [field.decode() for field in self._rules.split(record)]


_ENCODER = json.JSONEncoder(ensure_ascii=False)


def raw_json(value: object) -> str:
    """Values as JSON; a byte order mark among them, which nobody would see, as its number."""
    return _ENCODER.encode(value).replace(BOM, r"\ufeff")
