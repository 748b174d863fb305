"""What the footers of raw files tell, on files written for it."""

from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import RAW_TRANSACTIONS
from abintel_pipeline.contract.line_traits import ORDINARY, LineTraits
from abintel_pipeline.store.footers import line_traits, spread
from abintel_pipeline.store.snapshot_store import SnapshotStore
from abintel_pipeline_tests.store.raw_files import VERSION_1, VERSION_2, put_lines

UNKNOWN = date.min, date(2025, 1, 9)


def january(*days: int | None) -> list[date | None]:
    return [day and date(2025, 1, day) for day in days]


def put(path: Path, dates: list[date | None], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = list(range(len(dates)))
    rows = pa.table({"number": numbers, "date": pa.array(dates, pa.date32())})
    pq.write_table(rows, path, **options)
    return path


@pytest.mark.parametrize("groups", [1, 2, 9])
def test_the_spread_of_a_column_is_over_all_row_groups(tmp_path: Path, groups: int) -> None:
    path = put(tmp_path / "file", january(4, 3, 7, 5), row_group_size=groups)
    assert spread(path, "date", UNKNOWN) == (date(2025, 1, 3), date(2025, 1, 7))


def test_a_file_without_rows_has_no_spread(tmp_path: Path) -> None:
    assert spread(put(tmp_path / "file", []), "date", UNKNOWN) is None


def test_a_row_group_that_tells_nothing_makes_the_spread_unknown(tmp_path: Path) -> None:
    path = put(tmp_path / "mute", january(4, 3), write_statistics=False)
    assert spread(path, "date", UNKNOWN) == UNKNOWN
    path = put(tmp_path / "nulls", january(4, 3, None, None), row_group_size=2)
    assert spread(path, "date", UNKNOWN) == UNKNOWN


def test_the_oldest_and_the_newest_date_of_a_delivery_are_read_off_its_file(
    tmp_path: Path,
) -> None:
    store, day = SnapshotStore(tmp_path), date(2025, 1, 9)

    def dates() -> tuple[date | None, date | None]:
        return store.oldest_date(day), store.newest_date(day)

    assert dates() == (None, None)
    path = store.path(RAW_TRANSACTIONS, day)
    put(path, [])
    assert dates() == (None, None)
    put(path, january(4, 7, 3))
    assert dates() == (date(2025, 1, 3), date(2025, 1, 7))
    put(path, january(4, 7, 3), write_statistics=False)
    assert dates() == (date.min, day)


# ── what is among the lines ──────────────────────────────────────────────────

TRAITS = {
    "late": {"date": date(2025, 1, 1)},
    "line_ids": {"line_id": "1"},
    "cancelled": {"cancelled": True},
    "returns": {"amount": Decimal("-0.01")},
    "without_order": {"transaction_id": None},
    "without_product": {"product_id": None},
}


@pytest.mark.parametrize("trait", TRAITS)
def test_a_footer_tells_of_one_such_line_among_others(tmp_path: Path, trait: str) -> None:
    schema = pa.schema([field.with_nullable(True) for field in VERSION_2])
    lines = [{}, TRAITS[trait], {}]
    for groups in (1, 3):  # all in one row group, or each in one of its own
        path = put_lines(tmp_path / "some.parquet", schema, *lines, row_group_size=groups)
        told = line_traits(path, date(2025, 1, 2))
        assert told == LineTraits(**{f.name: f.name == trait for f in fields(LineTraits)})


@pytest.mark.parametrize("schema", [VERSION_1, VERSION_2])
def test_a_footer_tells_of_lines_that_are_nothing_special(
    tmp_path: Path, schema: pa.Schema
) -> None:
    path = put_lines(tmp_path / "plain.parquet", schema, {}, {"amount": Decimal("0.00")})
    assert line_traits(path, date(2025, 1, 2)) == ORDINARY
    assert line_traits(put_lines(path, schema), date(2025, 1, 2)) == ORDINARY


def test_where_a_footer_tells_nothing_anything_may_be_that_the_version_can_hold(
    tmp_path: Path,
) -> None:
    path = put_lines(tmp_path / "mute.parquet", VERSION_2, {}, write_statistics=False)
    assert line_traits(path, date(2025, 1, 2)) == LineTraits()
    path = put_lines(tmp_path / "mute.parquet", VERSION_1, {}, write_statistics=False)
    assert line_traits(path, date(2025, 1, 2)) == LineTraits(line_ids=False, cancelled=False)


def test_each_day_of_a_store_has_the_traits_of_its_own_file(tmp_path: Path) -> None:
    store, days = SnapshotStore(tmp_path), [date(2025, 1, 2), date(2025, 1, 3)]
    for day in days:  # the line is of the 2nd
        put_lines(store.path(RAW_TRANSACTIONS, day), VERSION_1, {})
    traits = store.line_traits(days)
    assert traits == {days[0]: ORDINARY, days[1]: replace(ORDINARY, late=True)}
