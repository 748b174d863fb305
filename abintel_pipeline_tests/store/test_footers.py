"""What the footers of raw files tell, on files written for it."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import RAW_TRANSACTIONS
from abintel_pipeline.store.footers import spread
from abintel_pipeline.store.snapshot_store import SnapshotStore

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


def test_the_newest_date_of_a_delivery_is_read_off_its_file(tmp_path: Path) -> None:
    store, day = SnapshotStore(tmp_path), date(2025, 1, 9)
    assert store.newest_date(day) is None
    path = store.path(RAW_TRANSACTIONS, day)
    put(path, [])
    assert store.newest_date(day) is None
    put(path, january(4, 7, 3))
    assert store.newest_date(day) == date(2025, 1, 7)
    put(path, january(4, 7, 3), write_statistics=False)
    assert store.newest_date(day) == day
