"""Days of which one file of two is there, without any step that makes them."""

from datetime import date
from pathlib import Path

import pytest

from abintel_pipeline.contract import RAW_CUSTOMERS, RAW_TRANSACTIONS, REJECTED_OF, Table
from abintel_pipeline.store.deleted import deleted_deliveries, deleted_in, told_deleted
from abintel_pipeline.store.snapshot_store import SnapshotStore
from abintel_pipeline.store.windows import Window


def january(*days: int) -> list[date]:
    return [date(2025, 1, day) for day in days]


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path)


def touch(store: SnapshotStore, table: Table, *days: int) -> None:
    for day in january(*days):
        path = store.path(table, day)
        path.parent.mkdir(parents=True)
        path.touch()


def test_a_day_is_deleted_that_has_rejected_rows_and_no_accepted_ones(
    store: SnapshotStore,
) -> None:
    assert deleted_deliveries(store) == {}
    touch(store, REJECTED_OF["raw_transactions"], 5, 1, 2, 3, 4)
    touch(store, RAW_TRANSACTIONS, 2, 6)
    assert deleted_deliveries(store) == {RAW_TRANSACTIONS: january(1, 3, 4, 5)}
    touch(store, REJECTED_OF["raw_customers"], 3)
    assert deleted_deliveries(store, *january(3, 4)) == {
        RAW_TRANSACTIONS: january(3, 4),
        RAW_CUSTOMERS: january(3),
    }


def test_a_snapshot_would_read_the_lines_of_its_window_and_all_scores_up_to_its_day() -> None:
    window = Window(*january(3, 5), january(3, 5), date(2025, 1, 1))
    both = {RAW_TRANSACTIONS: january(2, 3, 5, 6), RAW_CUSTOMERS: january(1, 5, 6)}
    assert deleted_in(window, both) == {
        RAW_TRANSACTIONS: january(3, 5),
        RAW_CUSTOMERS: january(1, 5),
    }
    assert deleted_in(window, {RAW_TRANSACTIONS: january(2)}) == {}


@pytest.mark.parametrize(
    ("days", "named", "commands", "others"),
    [
        ([2], "2025-01-02", "`abintel run 2025-01-02 --only deliveries`", ""),
        (
            [2, 3],
            "2025-01-02 to 2025-01-03",
            "`abintel run 2025-01-02 2025-01-03 --only deliveries`",
            ", and so on for each day",
        ),
        (
            [2, 4, 6],
            "2025-01-02, 2025-01-04, 2025-01-06",
            "`abintel run 2025-01-02 --only deliveries`, `abintel run 2025-01-04 --only"
            " deliveries`, `abintel run 2025-01-06 --only deliveries`",
            ", and so on for each day",
        ),
        (
            [2, 4, 6, 8],
            "2025-01-02, 2025-01-04, 2025-01-06, …",
            "`abintel run 2025-01-02 --only deliveries`, `abintel run 2025-01-04 --only"
            " deliveries`, `abintel run 2025-01-06 --only deliveries`, …",
            ", and so on for each day",
        ),
    ],
    ids=["a day", "a run of days", "three runs", "four runs"],
)
def test_deleted_days_are_told_with_what_brings_them_back(
    tmp_path: Path, store: SnapshotStore, days: list[int], named: str, commands: str, others: str
) -> None:
    assert told_deleted(store, RAW_TRANSACTIONS, january(*days)) == (
        f"the transactions of {named} were taken in, and have since been deleted from the store. To"
        f" bring them back, have the delivery in the landing folder and run {commands}, then renew"
        " what `abintel affected 2025-01-02` names. To accept it, remove"
        f" {tmp_path}/rejected_transactions/delivered_on=2025-01-02 too{others}"
    )
