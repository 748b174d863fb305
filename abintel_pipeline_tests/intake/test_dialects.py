"""Deliveries in every dialect: nothing altered, nothing lost.

Python's csv module writes them, with rows made at random, and what is taken in must be those rows.
"""

import csv
import io
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.engine.connection import engine, native
from abintel_pipeline.intake import take_in_transactions
from abintel_pipeline.intake.csv.grammar import grammar
from abintel_pipeline.intake.csv.header import read_header
from abintel_pipeline.intake.csv.records import Run, walk
from abintel_pipeline.intake.landing import Source
from abintel_pipeline.intake.request_tables import TRANSACTIONS, SourceColumns
from abintel_pipeline.intake.staging import Reading
from abintel_pipeline.intake.text_files import as_utf8
from abintel_pipeline.intake.texts.ids import CHANGED
from abintel_pipeline.intake.texts.numbers import offer_products
from abintel_pipeline.intake.texts.screening import screened
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.intake.conftest import DAY, HEADER

EVERY_NUMBER = 20_000
EVERYDAY = 16
ROWS = 6
NAMES = HEADER.strip().split(",")
DATES = {"ISO": "%Y-%m-%d", "YYYYMMDD": "%Y%m%d"}
LETTERS = {
    "utf-8": "é中😀ß",
    "utf-8-sig": "é中😀ß",
    "cp1252": "é€ß",
    "latin-1": "éßÿ",
    "utf-16": "é中😀",
}
CHOICES: dict[str, list[Any]] = {
    "delimiter": [",", ";", "|", "\t"],
    "quoting": [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE],
    "decimal_mark": [".", ","],
    "thousands": [None, ".", ",", " ", "'"],
    "encoding": list(LETTERS),
    "date_format": ["ISO", "YYYYMMDD", "%d.%m.%Y", "%m/%d/%Y", "%d-%b-%Y", "%y.%m.%d"],
    "end": ["\n", "\r\n", "\r"],
    "delimiter_set": [True, False],
    "sep_line": [True, False],
    "empty_rows": [True, False],
    "header": [str.lower, str.upper, " {} ".format],
    "extra": ["", "note"],
}
Row = tuple[str, str, date, Decimal, str]


@dataclass(frozen=True)
class Dialect:
    """How one delivery is written."""

    delimiter: str
    quoting: Any
    decimal_mark: str
    thousands: str | None
    encoding: str
    date_format: str
    end: str
    delimiter_set: bool
    sep_line: bool
    empty_rows: bool
    header: Any
    extra: str

    @property
    def makes_sense(self) -> bool:
        return self.thousands != self.decimal_mark and (
            self.quoting != csv.QUOTE_NONE
            or self.delimiter not in (self.decimal_mark, self.thousands)
        )

    def settings(self, root: Path) -> Settings:
        return Settings(
            _env_file=None,
            data_dir=root,
            csv_delimiter=self.delimiter if self.delimiter_set else None,
            decimal_mark=self.decimal_mark,
            thousands_mark=self.thousands,
            encoding=self.encoding,
            date_format=self.date_format,
        )

    def written(self, rows: list[Row], draw: random.Random) -> bytes:
        file = io.StringIO(newline="")
        if self.sep_line:
            file.write(f"sep={self.delimiter}{self.end}")
        writer = csv.writer(
            file, delimiter=self.delimiter, quoting=self.quoting, lineterminator=self.end
        )
        order = draw.sample(range(len(NAMES)), len(NAMES))
        extra = [self.extra] if self.extra else []
        writer.writerow([*(self.header(NAMES[n]) for n in order), *extra])
        for row in rows:
            texts = (row[0], row[1], self.day(row[2]), self.amount(row[3], draw), row[4])
            writer.writerow([*(texts[n] for n in order), *extra])
            if self.empty_rows and draw.random() < 0.5:
                file.write(draw.choice(["", self.delimiter * 4, "  "]) + self.end)
        return file.getvalue().encode(self.encoding)

    def day(self, day: date) -> str:
        return day.strftime(DATES.get(self.date_format, self.date_format))

    def amount(self, amount: Decimal, draw: random.Random) -> str:
        whole, decimals = f"{amount:.2f}".split(".")
        if self.thousands and draw.random() < 0.7:
            whole = f"{int(whole):,}".replace(",", self.thousands)
        return f"{whole}{self.decimal_mark}{decimals}"

    def rows(self, draw: random.Random) -> list[Row]:
        first = date(1980, 1, 1)
        days = (DAY - first).days
        return [
            (
                self.name(draw),
                self.name(draw),
                first + timedelta(draw.randrange(days + 1)),
                Decimal(draw.randrange(10 ** draw.randrange(1, 11))) / 100,
                self.name(draw),
            )
            for _ in range(draw.randrange(1, ROWS))
        ]

    def name(self, draw: random.Random) -> str:
        """An id with whatever a quoted field may hold inside."""
        marks = ["a", "0", "-", ".", "'", "\\", *LETTERS[self.encoding]]
        if self.quoting != csv.QUOTE_NONE:
            marks += [self.delimiter, '"', '""', self.end, " "]
        return f"{draw.choice('x07')}{''.join(draw.choices(marks, k=draw.randrange(5)))}z"


def dialects(number: int) -> Iterator[tuple[int, Dialect]]:
    """So many dialects that differ, drawn from all that make sense."""
    every = [Dialect(*one) for one in itertools.product(*CHOICES.values())]
    sensible = [dialect for dialect in every if dialect.makes_sense]
    yield from enumerate(random.Random(1).sample(sensible, number))


def taken(connection: Any, dialect: Dialect, content: bytes, root: Path) -> list[Row]:
    landing, staging = root / "landing" / "transactions", root / "staging"
    for folder in (landing, staging):
        folder.mkdir(parents=True, exist_ok=True)
    (landing / f"{DAY}.csv").write_bytes(content)
    intake = take_in_transactions(connection, dialect.settings(root), DAY, staging)
    assert intake is not None
    assert intake.rejected == 0
    rows = pq.read_table(intake.accepted_rows.path).to_pylist()
    return [tuple(row[name] for name in NAMES) for row in rows]  # type: ignore[misc]


def hold(root: Path, number: int) -> None:
    with engine(Settings(_env_file=None, data_dir=root)) as connection:
        for seed, dialect in dialects(number):
            draw = random.Random(seed)
            rows = dialect.rows(draw)
            assert taken(connection, dialect, dialect.written(rows, draw), root) == rows, dialect


def test_deliveries_of_some_dialects_are_taken_in_as_they_were_written(tmp_path: Path) -> None:
    hold(tmp_path, EVERYDAY)


@pytest.mark.slow
def test_deliveries_of_500_dialects_are_taken_in_as_they_were_written(tmp_path: Path) -> None:
    hold(tmp_path, 500)


def read(reading: Reading, source: Source) -> list[dict[str, object]]:
    """The texts of a delivery's records, as they go to be screened."""
    path = as_utf8(reading, source)
    header = read_header(path, source, reading.columns)
    rules = grammar(len(header.names), header.delimiter)
    found = list(walk(path, header))
    assert all(isinstance(run, Run) for run in found)
    records = [
        [field.decode() for field in rules.split(record[0])]
        for run in found
        for record in rules.record.finditer(run.data)
    ]
    if path != source.path:
        path.unlink()
    return [reading.columns.values(header.placed, record) for record in records]


def screen(connection: Any, columns: SourceColumns, texts: list[dict[str, object]]) -> list[Row]:
    """Many deliveries' texts, screened at once."""
    kinds = pa.schema([(name, pa.string()) for name in columns.texts])
    connection.register("texts", pa.Table.from_pylist(texts, kinds))
    offer_products(connection)
    connection.execute(f"CREATE OR REPLACE TEMP SEQUENCE {CHANGED}")
    typed = screened(columns, "SELECT * FROM texts")
    rows: list[Row] = connection.execute(f"SELECT {', '.join(NAMES)} FROM ({typed})").fetchall()
    return rows


@pytest.mark.slow
def test_20_000_dialects_are_read_and_screened_as_they_were_written(tmp_path: Path) -> None:
    """By the reader's own steps, without a file of each: a whole intake takes 0.3 s and more."""
    expected: dict[tuple[Any, ...], list[Row]] = {}
    texts: dict[tuple[Any, ...], list[dict[str, object]]] = {}
    readings: dict[tuple[Any, ...], Reading] = {}
    path = tmp_path / "x.csv"
    with engine(Settings(_env_file=None, data_dir=tmp_path)) as connection:
        for seed, dialect in dialects(EVERY_NUMBER):
            draw = random.Random(seed)
            rows = dialect.rows(draw)
            path.write_bytes(dialect.written(rows, draw))
            numbers = (dialect.decimal_mark, dialect.thousands, dialect.date_format)
            mark = dialect.delimiter if dialect.delimiter_set else None
            key = (*numbers, dialect.encoding, mark)
            if key not in readings:
                settings = dialect.settings(tmp_path)
                readings[key] = Reading(connection, settings, TRANSACTIONS, DAY, tmp_path)
            got = read(readings[key], Source("x.csv", "csv", path))
            assert len(got) == len(rows), dialect
            expected.setdefault(numbers, []).extend(rows)
            texts.setdefault(numbers, []).extend(got)
            readings.setdefault(numbers, readings[key])
        for numbers, rows in expected.items():
            columns = readings[numbers].columns
            assert screen(native(connection), columns, texts[numbers]) == rows, numbers
