"""What must hold for any CSV file."""

import csv
import io
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from abintel_pipeline.intake import DeliveryError, csv_files
from abintel_pipeline.intake.csv_header import read_header
from abintel_pipeline.intake.csv_records import Run, grammar, walk
from abintel_pipeline.intake.csv_scan import NotPlain, plain_blocks
from abintel_pipeline_tests.intake.conftest import HEADER, Landing


class Factory:
    """Landing folders, one for each example."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self) -> Landing:
        return Landing(Path(tempfile.mkdtemp(dir=self.root)))


@pytest.fixture
def landing_factory(tmp_path: Path) -> Factory:
    return Factory(tmp_path)


NEEDED = {name: name for name in HEADER.strip().split(",")}
SMALL = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MARKS = [b'"', b'""', b",", b"\n", b"\r\n", b"\r", b" ", b"a", b"\xe9", b"\xc3\xa9", b"\x00", b"\t"]
LINES = [b"001,T1,2025-04-24,1,P1\n", b'"0,1",T2,2025-04-24,"2","P\n1"\n', b"1,2,3\n", b",,,,\n"]
WORDS = [b"001,T1,2025-04-24,1,P1\r\n", b'5" nail', b"2025-04-24", b"1e309"]
PIECES = st.sampled_from([*MARKS, *LINES, *WORDS])
HOSTILE = st.lists(PIECES, max_size=30).map(b"".join)
FIELD = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)
ROWS = st.lists(st.lists(FIELD, min_size=5, max_size=5), max_size=12)
ENDS = ["\n", "\r\n", "\r"]
ID = st.lists(st.sampled_from([*ENDS, '"', '""', ",", " ", "é", "a"]), max_size=6).map("".join)
IDS = st.lists(st.tuples(ID, ID), max_size=6)


def by_python(text: str) -> list[list[str]]:
    """The rows of a well-formed file, as Python's csv module reads them."""
    return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row][1:]


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


def walked(content: bytes) -> tuple[list[list[str]], int, int | None]:
    """The records that are walked over, the lines refused, and the count of the fast proof."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(content)
        file.flush()
        path = Path(file.name)
        header = read_header(path, "x.csv", ",", NEEDED)
        rules, found = grammar(5, ","), list(walk(path, header))
        records = [
            [field.decode() for field in rules.split(record[0])]
            for run in found
            if isinstance(run, Run)
            for record in rules.record.finditer(run.data)
        ]
        assert len(records) == sum(run.records for run in found if isinstance(run, Run))
        refused = sum(not isinstance(run, Run) for run in found)
        try:
            blocks = list(plain_blocks(path, header))
        except NotPlain:
            return records, refused, None
        return records, refused, sum(records for _, records in blocks)


@given(rows=ROWS, end=st.sampled_from(["\n", "\r\n", "\r"]), quoting=st.sampled_from([0, 1]))
@settings(max_examples=300, deadline=None)
def test_a_well_formed_file_is_walked_as_python_reads_it(
    rows: list[list[str]], end: str, quoting: int
) -> None:
    text = written(parted(rows, end, quoting), end, quoting)
    records, refused, counted = walked(text.encode())
    assert (records, refused) == (by_python(text), 0)
    assert counted in (None, len(records))


@given(tail=HOSTILE)
@settings(max_examples=500, deadline=None)
def test_what_is_proven_plain_is_walked_without_a_refusal(tail: bytes) -> None:
    records, refused, counted = walked(HEADER.encode() + tail)
    if counted is not None and refused == 0:
        assert counted == len(records)


@given(tail=HOSTILE)
@example(b'"x\n' + b"001,T1,2025-04-24,1,P1\n" * 3)
@example(b"001,T1,2025-04-24,1,P1,\n")
@example(b'001,T1,2025-04-24,1, "P1"\n')
@example(b'"001" ,T1,2025-04-24,1,P1\n')
@example(b"\x00,T1,2025-04-24,1,P1\n")
@SMALL
def test_no_row_of_any_file_is_lost(landing_factory: Factory, tail: bytes) -> None:
    landing = landing_factory()
    landing.put("transactions/2025-04-24.csv", HEADER.encode() + tail)
    records, refused, _ = walked(HEADER.encode() + tail)
    taken = landing.take()
    assert taken.intake.received == len(records) + refused
    assert taken.intake.refused == len(taken.refused) >= refused
    accepted = {(row[0], row[1], row[4]) for row in taken.accepted}
    assert accepted <= {(row[0], row[1], row[4]) for row in records}


@given(ids=IDS, end=st.sampled_from(ENDS), quoting=st.sampled_from([0, 1]), more=st.integers(0, 50))
@example([("\r\na", "b")], "\n", 1, 1)
@example([("a", "b"), ("a", "\r\na")], "\n", 1, 30)
@example([("\n", "\r")], "\r\n", 1, 1)
@example([("\n", "\r\n")], "\r", 1, 0)
@settings(SMALL, max_examples=60)
def test_line_ends_inside_quotes_are_taken_in_as_python_reads_them(
    landing_factory: Factory, ids: list[tuple[str, str]], end: str, quoting: int, more: int
) -> None:
    landing = landing_factory()
    lines = [*ids, *[("x", "y")] * more]
    rows = [[f"{n}{a}", "T", "2025-04-24", "1", f"P{b}"] for n, (a, b) in enumerate(lines)]
    text = written(parted(rows, end, quoting), end, quoting)
    landing.put("transactions/2025-04-24.csv", text)
    taken = landing.take()
    assert taken.refused == []
    assert [(row[0], row[4]) for row in taken.accepted] == [
        (row[0], row[4]) for row in by_python(text)
    ]


@given(rows=ROWS, end=st.sampled_from(["\n", "\r\n"]), quoting=st.sampled_from([0, 1]))
@example([["001", "T", "2025-04-24", "1", '"'], ["a\r\nb", "", "2025-04-24", "2", "c"]], "\n", 0)
@SMALL
def test_the_fast_and_the_slow_way_agree(
    landing_factory: Factory, rows: list[list[str]], end: str, quoting: int
) -> None:
    landing = landing_factory()
    landing.put("transactions/2025-04-24.csv", written(parted(rows, end, quoting), end, quoting))
    fast = landing.take()
    plain, csv_files._plain = csv_files._plain, lambda *_: None
    try:
        slow = landing.take()
    finally:
        csv_files._plain = plain
    assert (fast.accepted, fast.refused) == (slow.accepted, slow.refused)


@given(content=st.binary(max_size=60))
@SMALL
def test_any_bytes_are_taken_in_or_fail_as_a_delivery(
    landing_factory: Factory, content: bytes
) -> None:
    landing = landing_factory()
    for ending in ("csv", "csv.gz", "parquet", "jsonl"):
        path = landing.put(f"transactions/2025-04-24.{ending}", content)
        with suppress(DeliveryError):
            landing.take()
        path.unlink()
