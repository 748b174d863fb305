"""Finds rejected records again, by their ordinals: in which line they stand, and what they say."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from json.encoder import encode_basestring
from pathlib import Path

import numpy as np

from abintel_pipeline.engine.sql import file_literal
from abintel_pipeline.intake.csv.grammar import grammar
from abintel_pipeline.intake.csv.header import Header
from abintel_pipeline.intake.csv.records import Place, Run, walk
from abintel_pipeline.intake.csv.window import LONGEST, line_ends
from abintel_pipeline.intake.staging import Numbers, ParquetRows, Reading
from abintel_pipeline.intake.text_rows import text_schema

_LF = 0x0A
BOM = "\ufeff"


@dataclass
class _Stretch:
    """Runs that follow one another for about a MiB; where nothing but unquoted records stands in
    between, `size` is as far as the next stretch, and the file's bytes are these records.
    """

    first: int
    """The ordinal of its first record."""
    place: Place
    size: int = 0
    """Bytes of its records."""
    quoted: bool = False


class Located:
    """SELECT of a file's records by their ordinals, in the columns of `text_schema`.

    `keys` are the names of a record's fields in what is shown of it.

    While the file is read it is told of each run: only the parts of the file that hold a wanted
    record are read again.
    """

    def __init__(self, reading: Reading, path: Path, header: Header, keys: list[str]) -> None:
        self._reading, self._path, self._header = reading, path, header
        self._rules = grammar(len(header.names), header.delimiter)
        self._raw = objects_of(keys)
        self._columns = reading.columns
        self._noted: list[_Stretch] = []

    def note(self, ordinal: int, run: Run) -> None:
        """A run, and the ordinal of its first record."""
        if not self._noted or run.place.offset >= self._noted[-1].place.offset + LONGEST:
            self._noted.append(_Stretch(ordinal, run.place))
        self._noted[-1].size += len(run.data)
        self._noted[-1].quoted |= b'"' in run.data

    def __call__(self, wanted: str) -> str:
        found = self._reading.duckdb.execute(f"{wanted} ORDER BY ordinal").fetchnumpy()
        ordinals = np.asarray(found["ordinal"], np.int64)
        path = self._reading.new_path(".parquet")
        places = list(self._header.placed.values())
        with closing(ParquetRows(path, text_schema(self._columns))) as rows:
            for ordinal, line, fields in self._records(ordinals):
                texts = [(fields[p] if isinstance(p, int) else p) or None for p in places]
                rows.add(ordinal, line, self._raw(fields), None, None, None, *texts)
        return f"SELECT * FROM read_parquet({file_literal(path)})"

    def _records(self, ordinals: Numbers) -> Iterator[tuple[int, int, list[str]]]:
        firsts = np.array([stretch.first for stretch in self._noted], np.int64)
        near = np.searchsorted(firsts, ordinals, "right") - 1
        pairs = zip(near.tolist(), ordinals.tolist(), strict=True)
        for number, group in groupby(pairs, key=lambda pair: pair[0]):
            yield from self._behind(number, [ordinal for _, ordinal in group])

    def _behind(self, number: int, wanted: list[int]) -> Iterator[tuple[int, int, list[str]]]:
        """The wanted records of a stretch."""
        at, first = 0, self._noted[number].first
        for run in self._runs(number):
            start = at
            while at < len(wanted) and wanted[at] < first + run.records:
                at += 1
            if at > start:
                for nth, line, record in self._in_run(run, [n - first for n in wanted[start:at]]):
                    yield first + nth, line, self._fields(record)
            if at == len(wanted):
                return
            first += run.records

    def _runs(self, number: int) -> Iterator[Run]:
        """The runs of a stretch, or one of all of it, and those behind it."""
        stretch = self._noted[number]
        if number + 1 < len(self._noted):
            behind = self._noted[number + 1]
            size = behind.place.offset - stretch.place.offset
            if size == stretch.size and not stretch.quoted:
                with self._path.open("rb") as file:
                    file.seek(stretch.place.offset)
                    yield Run(stretch.place, file.read(size), behind.first - stretch.first)
                return
        found = walk(self._path, self._header, stretch.place)
        yield from (one for one in found if isinstance(one, Run))

    def _in_run(self, run: Run, wanted: list[int]) -> Iterator[tuple[int, int, bytes]]:
        if b'"' in run.data:
            yield from self._quoted(run, set(wanted))
            return
        ends = np.flatnonzero(np.frombuffer(run.data, np.uint8) == _LF) + 1
        numbers = np.array(wanted)
        starts = np.where(numbers > 0, ends[numbers - 1], 0)
        lines = numbers if run.lines is None else run.lines[numbers]
        places = zip(lines.tolist(), starts.tolist(), ends[numbers].tolist(), strict=True)
        for number, (line, start, end) in zip(wanted, places, strict=True):
            yield number, run.place.line + line, run.data[start:end]

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


def raw_json(value: object) -> str:
    """Values as JSON; a byte order mark among them, which nobody would see, as its number."""
    return _visible(json.dumps(value, ensure_ascii=False))


def objects_of(keys: list[str]) -> Callable[[list[str]], str]:
    r"""`raw_json` of texts as an object of these keys, of each record after the other.

    Python's own `dumps` makes an encoder every time, which takes longer than all else of a record.

    >>> print(objects_of(["id", "note"])(["001", 'a "b"']))
    {"id": "001", "note": "a \"b\""}
    """
    named = [f"{encode_basestring(key)}: " for key in keys]
    return lambda texts: _visible(
        f"{{{', '.join([n + encode_basestring(t) for n, t in zip(named, texts, strict=True)])}}}"
    )


def _visible(text: str) -> str:
    return text.replace(BOM, r"\ufeff")
