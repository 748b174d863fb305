"""Whatever a file holds, it fails its own day by name; the days around it are taken in."""

import gzip
import json
import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.engine.connection import engine, native, reopen_if_broken
from abintel_pipeline.intake import DeliveryError, take_in_transactions
from abintel_pipeline.intake.day import READERS
from abintel_pipeline.intake.landing import Source
from abintel_pipeline.intake.staging import Part, Reading
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import StepContext, take_in_days
from abintel_pipeline_tests.intake.conftest import HEADER
from abintel_pipeline_tests.intake.workbooks import text, workbook

BAD = date(2025, 4, 24)
DAYS = [BAD + timedelta(days=n) for n in (-1, 0, 1)]
ROWS = [[f"C{n}", f"T{n}", "2025-04-20", f"{n}.50", f"P{n % 3}"] for n in range(40)]
NAMES = HEADER.strip().split(",")
SHEET = [NAMES, *ROWS]


def csv_bytes() -> bytes:
    return (HEADER + "".join(",".join(row) + "\n" for row in ROWS)).encode()


def parquet_bytes(path: Path, **options: object) -> bytes:
    columns = dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))
    pq.write_table(pa.table(columns), path, **options)
    return path.read_bytes()


def json_bytes() -> bytes:
    lines = (json.dumps(dict(zip(NAMES, row, strict=True))) for row in ROWS)
    return "\n".join(lines).encode()


WHOLE: dict[str, Callable[[Path], bytes]] = {
    "csv": lambda _: csv_bytes(),
    "csv.gz": lambda _: gzip.compress(csv_bytes(), mtime=0),
    "jsonl": lambda _: json_bytes(),
    "parquet": lambda folder: parquet_bytes(folder / "whole.parquet"),
    "plain.parquet": lambda folder: parquet_bytes(
        folder / "plain.parquet", compression="none", use_dictionary=False
    ),
    "xlsx": lambda _: workbook(
        [(n, list(map(text, row))) for n, row in enumerate([NAMES, *ROWS], 1)]
    ),
}


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """The bytes with one to four changes: other bytes, a cut, a gap, a piece twice."""
    data = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(data) + 1), chance.randint(1, 12)
        kind = chance.randrange(5)
        if kind == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            data[at : at + length] = chance.randbytes(length)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length] * 2
        else:
            del data[at:]
    return bytes(data)


def take_in_damaged(tmp_path: Path, kind: str, seed: int, tries: int) -> int:
    """Take in damaged files between good days; how many failed their day."""
    (tmp_path / "made").mkdir()
    whole = WHOLE[kind](tmp_path / "made")
    folder = tmp_path / "landing" / "transactions"
    folder.mkdir(parents=True)
    chance, failed = random.Random(f"{seed} {kind}"), 0
    for day in (DAYS[0], DAYS[2]):
        (folder / f"{day}.csv").write_bytes(csv_bytes())
    settings = Settings(_env_file=None, data_dir=tmp_path, max_rejected_share=1)
    with engine(settings) as connection:
        step = StepContext(connection, settings, settings.rules)
        for _ in range(tries):
            (folder / f"{BAD}.{kind.removeprefix('plain.')}").write_bytes(damaged(whole, chance))
            taken, told = [], f"transactions/{BAD}."
            try:
                for day, intake in take_in_days(step, DAYS, take_in_transactions):
                    taken.append((day, intake and intake.accepted))
            except DeliveryError as error:
                failed, told = failed + 1, str(error)
            assert told.startswith(f"transactions/{BAD}.")
            assert {(DAYS[0], 40), (DAYS[2], 40)} <= set(taken)
    return failed


@pytest.mark.parametrize("kind", WHOLE)
def test_a_damaged_file_fails_its_day_by_name_or_is_read(tmp_path: Path, kind: str) -> None:
    take_in_damaged(tmp_path, kind, seed=1, tries=12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", WHOLE)
def test_hundreds_of_damaged_files_fail_their_days_by_name(tmp_path: Path, kind: str) -> None:
    assert take_in_damaged(tmp_path, kind, seed=2, tries=400) > 0


def test_a_file_that_brings_the_engine_down_stops_its_day_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated: pyarrow sees the damage that is known to do it before DuckDB does."""
    folder = tmp_path / "landing" / "transactions"
    folder.mkdir(parents=True)
    for day in DAYS:
        (folder / f"{day}.csv").write_bytes(csv_bytes())
    read = READERS["csv"]

    def fatal(reading: Reading, source: Source) -> Part | None:
        if reading.day != BAD:
            return read(reading, source)
        reading.duckdb.close()
        raise duckdb.FatalException("the database has been invalidated")

    monkeypatch.setitem(READERS, "csv", fatal)
    settings = Settings(_env_file=None, data_dir=tmp_path)
    with engine(settings) as connection:
        step = StepContext(connection, settings, settings.rules)
        with pytest.raises(DeliveryError, match=rf"^transactions/{BAD}\.csv: .*invalidated"):
            list(take_in_days(step, DAYS, take_in_transactions))
        assert step.store.days(TABLES["raw_transactions"]) == [DAYS[0], DAYS[2]]


def test_an_engine_that_is_brought_down_is_opened_anew(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, memory_limit="700MB", threads=1)
    with engine(settings) as connection:
        assert not reopen_if_broken(connection)
        connection.con.close()
        assert reopen_if_broken(connection)
        told = "SELECT current_setting('memory_limit'), current_setting('threads')"
        assert native(connection).execute(told).fetchone() == ("667.5 MiB", 1)
        zone = native(connection).execute("SELECT current_setting('TimeZone')").fetchone()
        assert zone == ("UTC",)
