"""Windows of snapshots over the days of a store, worked by hand."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import CUSTOMER_FEATURES, RAW_CUSTOMERS, RAW_TRANSACTIONS, Table
from abintel_pipeline.rules import Rules
from abintel_pipeline.store.proofs import Origin, file_metadata
from abintel_pipeline.store.snapshot_store import SnapshotStore
from abintel_pipeline.store.windows import (
    NothingDelivered,
    Window,
    affected_snapshots,
    published_windows,
    runs_of_days,
    spans,
    trailing_window,
    window_of,
)


def january(*days: int) -> list[date]:
    return [date(2025, 1, day) for day in days]


Put = Callable[..., None]


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path)


def put(store: SnapshotStore, table: Table, day: date, rows: pa.Table, rules: Rules) -> None:
    path = store.path(table, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows.replace_schema_metadata(file_metadata(table, day, Origin(rules))), path)


def put_snapshot(store: SnapshotStore, day: date, history_days: int) -> None:
    rows = pa.table({"customer_id": ["A"]})
    put(store, CUSTOMER_FEATURES, day, rows, Rules(history_days=history_days))


def put_lines(store: SnapshotStore, day: date, *dates: date) -> None:
    put(store, RAW_TRANSACTIONS, day, pa.table({"date": pa.array(dates, pa.date32())}), Rules())


def put_customers(store: SnapshotStore, day: date, *customers: str) -> None:
    rows = pa.table({"customer_id": pa.array(customers, pa.string())})
    put(store, RAW_CUSTOMERS, day, rows, Rules())


def test_a_window_reads_the_deliveries_from_its_first_day_to_its_last() -> None:
    taken_in = january(1, 2, 3, 5, 6)
    window = window_of(taken_in, date(2025, 1, 5), 4)
    assert window == Window(*january(2, 5), january(2, 3, 5), date(2025, 1, 1))
    assert window.missing == january(4)
    assert window_of(taken_in, date(2025, 1, 5), 1) == Window(
        *january(5, 5), january(5), date(2025, 1, 1)
    )


def test_a_window_in_which_nothing_was_delivered_is_none() -> None:
    assert window_of(january(1, 6), date(2025, 1, 5), 4) is None
    assert window_of([], date(2025, 1, 5), 4) is None


def test_days_before_the_very_first_delivery_are_not_missing() -> None:
    window = window_of(january(3, 6), date(2025, 1, 7), 30)
    assert window is not None
    assert window.missing == january(4, 5, 7)


def test_a_trailing_window_is_that_of_the_days_in_the_store(store: SnapshotStore) -> None:
    for day in january(2, 4, 6):
        put_lines(store, day)
    assert trailing_window(store, date(2025, 1, 5), 3) == Window(
        *january(3, 5), january(4), date(2025, 1, 2)
    )


def test_a_snapshot_of_a_window_without_a_delivery_names_the_window(store: SnapshotStore) -> None:
    put_lines(store, date(2025, 1, 6))
    with pytest.raises(NothingDelivered) as nothing:
        trailing_window(store, date(2025, 1, 5), 3)
    assert nothing.value.days == january(5)
    assert str(nothing.value) == (
        "no delivery of transactions from 2025-01-03 to 2025-01-05 has been taken in:"
        " materialize raw_transactions for these days first"
    )


@pytest.mark.parametrize(
    ("count", "named"),
    [
        (2, "2025-01-01, 2025-01-02"),
        (5, "2025-01-01, 2025-01-02, 2025-01-03, 2025-01-04, 2025-01-05"),
        (6, "2025-01-01, 2025-01-02, 2025-01-03, 2025-01-04, 2025-01-05, …"),
    ],
)
def test_of_many_snapshots_without_a_delivery_five_are_named(count: int, named: str) -> None:
    days = january(*range(1, count + 1))
    nothing = NothingDelivered(days, 540)
    assert nothing.days == days
    assert str(nothing) == (
        f"no delivery of transactions has been taken in for {count} of the snapshots asked for"
        f" ({named}) in the 540 days up to each: materialize raw_transactions for these days first"
    )


def window(end: date, delivered: list[date]) -> Window:
    return Window(min(delivered), end, delivered, min(delivered))


@pytest.mark.parametrize(
    ("new", "together"),
    [(1, True), (2, True), (3, False)],  # of six deliveries three are half
)
def test_a_day_joins_the_one_before_where_fewer_than_half_of_its_deliveries_are_new(
    new: int, together: bool
) -> None:
    first = window(date(2025, 1, 10), january(5, 6, 7, 8, 9, 10))
    second = window(date(2025, 1, 20), january(*range(5 + new, 11), *range(11, 11 + new)))
    assert len(second.delivered) == 6
    assert spans([first, second]) == ([[first, second]] if together else [[first], [second]])
    assert spans([]) == []


@pytest.mark.parametrize(("apart", "chunks"), [(365, 1), (366, 2)])
def test_a_chunk_spans_a_year_at_most(apart: int, chunks: int) -> None:
    day = date(2024, 1, 1)
    windows = [window(day + timedelta(days=n), [day]) for n in (0, apart)]
    assert len(spans(windows)) == chunks


def test_a_published_snapshot_has_the_window_of_the_rules_it_was_made_by(
    store: SnapshotStore,
) -> None:
    for day, history_days in zip(january(3, 4, 5), (1, 3, 2), strict=True):
        put_snapshot(store, day, history_days)
    opens = dict(zip(january(3, 4, 5), january(3, 2, 4), strict=True))
    assert published_windows(store) == opens
    assert list(published_windows(store, date(2025, 1, 4))) == january(4, 5)


def test_a_delivery_reaches_the_later_snapshots_whose_window_holds_its_newest_line(
    store: SnapshotStore,
) -> None:
    for day in january(3, 4, 5, 6):
        put_snapshot(store, day, 3)
    put_lines(store, date(2025, 1, 4), *january(1, 3, 2))
    assert affected_snapshots(store, date(2025, 1, 4)) == january(4, 5)
    known = {day: date(2025, 1, 3) for day in january(3, 4, 6)}
    assert affected_snapshots(store, date(2025, 1, 4), known) == january(4, 6)


def test_a_delivery_of_customers_reaches_every_later_snapshot(store: SnapshotStore) -> None:
    for day in january(3, 4, 5, 6):
        put_snapshot(store, day, 1)
    put_customers(store, date(2025, 1, 4), "A")
    assert affected_snapshots(store, date(2025, 1, 4)) == january(4, 5, 6)


def test_a_delivery_of_nothing_reaches_no_snapshot(store: SnapshotStore) -> None:
    put_snapshot(store, date(2025, 1, 4), 3)
    assert affected_snapshots(store, date(2025, 1, 4)) == []
    put_lines(store, date(2025, 1, 4))
    put_customers(store, date(2025, 1, 4))
    assert affected_snapshots(store, date(2025, 1, 4)) == []


def test_days_without_a_gap_are_one_run() -> None:
    assert runs_of_days(january(1, 2, 3, 5, 7, 8)) == [
        tuple(january(1, 3)),
        tuple(january(5, 5)),
        tuple(january(7, 8)),
    ]
    assert runs_of_days([]) == []
