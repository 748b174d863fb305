"""What must hold for any CSV file."""

import csv
import io
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from abintel_pipeline.intake import DeliveryError
from abintel_pipeline.intake.csv import records as csv_records
from abintel_pipeline.intake.csv.grammar import grammar
from abintel_pipeline.intake.csv.header import read_header
from abintel_pipeline.intake.csv.records import Run, walk
from abintel_pipeline.intake.landing import Source
from abintel_pipeline.intake.request_tables import TRANSACTIONS, SourceColumns
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.intake.conftest import HEADER, Landing
from abintel_pipeline_tests.metrics.running import reproducible


class Factory:
    """Landing folders, one for each example."""

    def __init__(self, root: Path, shared: Backend) -> None:
        self.root = root
        self.shared = shared

    def __call__(self) -> Landing:
        return Landing(Path(tempfile.mkdtemp(dir=self.root)), self.shared)


@pytest.fixture
def landing_factory(tmp_path: Path, shared: Backend) -> Factory:
    return Factory(tmp_path, shared)


def of_whole_intakes(max_examples: int) -> settings:
    """Settings of a test whose examples are taken in, each from a landing folder of its own."""
    unchecked = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(reproducible(max_examples), suppress_health_check=unchecked)


MARKS = [b'"', b'""', b",", b"\n", b"\r\n", b"\r", b" ", b"a", b"\xe9", b"\xc3\xa9", b"\x00", b"\t"]
NOTES = [b',"hello\n', b'\nbye"\n', b'\r\nbye",x\r\n', b',"x, ""y""\n', b'"","",""\n', b" , ,\t\n"]
LINES = [b"001,T1,2025-04-24,1,P1\n", b'"0,1",T2,2025-04-24,"2","P\n1"\n', b"1,2,3\n", b",,,,\n"]
WORDS = [b"001,T1,2025-04-24,1,P1\r\n", b'5" nail', b"2025-04-24", b"1e309"]
PIECES = st.sampled_from([*MARKS, *LINES, *WORDS, *NOTES])
HOSTILE = st.lists(PIECES, max_size=30).map(b"".join)
FIELD = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)
ROWS = st.lists(st.lists(FIELD, min_size=5, max_size=5), max_size=12)
ENDS = ["\n", "\r\n", "\r"]
ID = st.lists(st.sampled_from([*ENDS, '"', '""', ",", " ", "é", "a"]), max_size=6).map("".join)
IDS = st.lists(st.tuples(ID, ID), max_size=6)


def by_python(text: str) -> list[list[str]]:
    """The rows of a well-formed file, as Python's csv module reads them."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    return [row for row in rows if any(field.strip(" \t") for field in row)][1:]


def parted(rows: list[list[str]], end: str, quoting: int) -> list[list[str]]:
    """Rows without what a writer leaves unquoted though it ends a line: `a\\rb` in a file of LF."""
    alien = set() if quoting else {"\r"} | {"\n"} - set(end)
    table = str.maketrans("", "", "".join(sorted(alien)))
    return [[field.translate(table) for field in row] for row in rows]


def written(rows: list[list[str]], end: str, quoting: int) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([HEADER.strip().split(","), *rows])
    return file.getvalue()


Rejected = list[tuple[int, bytes]]


def walked(content: bytes) -> tuple[list[list[str]], Rejected]:
    """The records that are walked over, and the lines rejected with their numbers."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(content)
        file.flush()
        path = Path(file.name)
        columns = SourceColumns(TRANSACTIONS, Settings(_env_file=None, csv_delimiter=","))
        header = read_header(path, Source("x.csv", "csv", path), columns)
        rules, found = grammar(5, ","), list(walk(path, header))
    records = [
        [field.decode() for field in rules.split(record[0])]
        for run in found
        if isinstance(run, Run)
        for record in rules.record.finditer(run.data)
    ]
    assert len(records) == sum(run.records for run in found if isinstance(run, Run))
    rejected = [(one.line, one.data.rstrip(b"\r\n")) for one in found if not isinstance(one, Run)]
    return records, sorted(rejected)


@dataclass
class SlowReader:
    """The rules for records, a character at a time: the fast reader is compared with it."""

    text: str
    at: int = 0
    line: int = 1

    def everything(self, fields: int) -> tuple[list[list[str]], Rejected]:
        rows: list[list[str]] = []
        rejected: Rejected = []
        while self.at < len(self.text):
            start, line = self.at, self.line
            row, good = self._record()
            text = self.text[start : self.at]
            self.line += len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1
            if all(not value.strip(" \t") for value in row):
                continue
            if good and len(row) == fields and utf8(text):
                rows.append([value.encode("latin-1").decode() for value in row])
            else:
                rejected.append((line, text.encode("latin-1").rstrip(b"\r\n")))
        return rows, rejected

    def _record(self) -> tuple[list[str], bool]:
        row, good = [], True
        while True:
            value, right = self._field()
            row.append(value)
            good = good and right
            if self._here() != ",":
                break
            self.at += 1
        if self.text.startswith("\r\n", self.at):
            self.at += 1
        self.at += 1
        return row, good

    def _field(self) -> tuple[str, bool]:
        """A field's value, and whether it may stand in a row."""
        start = self.at
        self._skip_blanks()
        if self._here() == '"':
            led, value = self.at > start, self._closed()
            if value is not None:
                end = self.at
                self._skip_blanks()
                if self._here() in (",", "\r", "\n", ""):
                    return value, not led and self.at == end
            self._to_end_of_field(start)
            return self.text[start : self.at] + '"', False
        self._to_end_of_field(start)
        return self.text[start : self.at], True

    def _closed(self) -> str | None:
        self.at += 1
        value = ""
        while self._here():
            if self.text.startswith('""', self.at):
                value += '"'
                self.at += 2
            elif self._here() == '"':
                self.at += 1
                return value
            else:
                value += self._here()
                self.at += 1
        return None

    def _to_end_of_field(self, start: int) -> None:
        self.at = start
        while self._here() not in (",", "\r", "\n", ""):
            self.at += 1

    def _skip_blanks(self) -> None:
        while self._here() in (" ", "\t"):
            self.at += 1

    def _here(self) -> str:
        return self.text[self.at : self.at + 1]


def utf8(text: str) -> bool:
    try:
        text.encode("latin-1").decode()
    except UnicodeDecodeError:
        return False
    return True


@given(tail=HOSTILE)
@example(b'C4,T4,2025-04-24,1,50,"hello\nC9,T666,2025-04-24,99999.00,P1\nbye"\n')
@example(b'"a\nC9,T,2025-04-24,1,P\nb",x,"c\r\nC9,T,2025-04-24,1,P\r\nd"\r\n')
@example(b'1,2,"a" x,"b\nC9,T,2025-04-24,1,P\n"\n')
@example(b'1, "a\nC9,T,2025-04-24,1,P\nb" ,2\n')
@example(b'"a\nC9,T,2025-04-24,1,P\n')
@reproducible(3000)
def test_any_file_is_walked_as_a_slow_reader_reads_it(tail: bytes) -> None:
    expected = SlowReader(tail.decode("latin-1"), line=2).everything(5)
    assert walked(HEADER.encode() + tail) == expected


@given(tail=HOSTILE)
@reproducible(900)
def test_lines_are_sorted_by_blocks_as_one_by_one(tail: bytes) -> None:
    short, csv_records._SHORT = csv_records._SHORT, 0
    try:
        by_blocks = walked(HEADER.encode() + tail)
    finally:
        csv_records._SHORT = short
    assert by_blocks == walked(HEADER.encode() + tail)


NOTE = st.lists(
    st.sampled_from(["\n", "\r\n", '"', '",', ",", "\\", "a", ROW := "C9,T,2025-04-24,1,P\n"])
)


@given(notes=st.lists(NOTE.map("".join), min_size=1, max_size=4), more=st.integers(0, 2))
@reproducible(1500)
def test_no_row_begins_inside_a_field_whose_quotes_have_a_backslash(
    notes: list[str], more: int
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL)
    for note in notes:
        writer.writerow(["001", "T1", "2025-04-24", "1", *["P"] * more, note])
    records, _ = walked((HEADER + file.getvalue()).encode())
    assert {record[0] for record in records} <= {"001"}


@given(rows=ROWS, end=st.sampled_from(["\n", "\r\n", "\r"]), quoting=st.sampled_from([0, 1]))
@reproducible(900)
def test_a_well_formed_file_is_walked_as_python_reads_it(
    rows: list[list[str]], end: str, quoting: int
) -> None:
    text = written(parted(rows, end, quoting), end, quoting)
    assert walked(text.encode()) == (by_python(text), [])


@given(tail=HOSTILE)
@example(b'"x\n' + b"001,T1,2025-04-24,1,P1\n" * 3)
@example(b"001,T1,2025-04-24,1,P1,\n")
@example(b'001,T1,2025-04-24,1, "P1"\n')
@example(b'"001" ,T1,2025-04-24,1,P1\n')
@example(b"\x00,T1,2025-04-24,1,P1\n")
@example(b" 001,T1,2025-04-24,1,P1\n")
@of_whole_intakes(150)
def test_no_row_of_any_file_is_lost(landing_factory: Factory, tail: bytes) -> None:
    landing = landing_factory()
    landing.put("transactions/2025-04-24.csv", HEADER.encode() + tail)
    records, rejected = walked(HEADER.encode() + tail)
    taken = landing.take()
    assert taken.intake.received == len(records) + len(rejected)
    assert taken.intake.rejected == len(taken.rejected) >= len(rejected)
    accepted = {(row[0], row[1], row[4]) for row in taken.accepted}
    # Ids lose their outer white space.
    assert accepted <= {tuple(row[n].strip() for n in (0, 1, 4)) for row in records}


@given(ids=IDS, end=st.sampled_from(ENDS), quoting=st.sampled_from([0, 1]), more=st.integers(0, 50))
@example([("\r\na", "b")], "\n", 1, 1)
@example([("a", "b"), ("a", "\r\na")], "\n", 1, 30)
@example([("\n", "\r")], "\r\n", 1, 1)
@example([("\n", "\r\n")], "\r", 1, 0)
@of_whole_intakes(200)
def test_line_ends_inside_quotes_are_taken_in_as_python_reads_them(
    landing_factory: Factory, ids: list[tuple[str, str]], end: str, quoting: int, more: int
) -> None:
    landing = landing_factory()
    lines = [*ids, *[("x", "y")] * more]
    rows = [[f"{n}{a}", "T", "2025-04-24", "1", f"P{b}"] for n, (a, b) in enumerate(lines)]
    text = written(parted(rows, end, quoting), end, quoting)
    landing.put("transactions/2025-04-24.csv", text)
    taken = landing.take()
    assert taken.rejected == []
    assert [(row[0], row[4]) for row in taken.accepted] == [
        (row[0].strip(), row[4].strip())  # ids lose their outer white space
        for row in by_python(text)
    ]


@given(content=st.binary(max_size=60))
@of_whole_intakes(150)
def test_any_bytes_are_taken_in_or_fail_as_a_delivery(
    landing_factory: Factory, content: bytes
) -> None:
    landing = landing_factory()
    for ending in ("csv", "csv.gz", "parquet", "jsonl"):
        path = landing.put(f"transactions/2025-04-24.{ending}", content)
        with suppress(DeliveryError):
            landing.take()
        path.unlink()
