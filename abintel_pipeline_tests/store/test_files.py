"""Files of a store, one function at a time, without any step that makes them."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import (
    CUSTOMER_FEATURES,
    CUSTOMER_LOYALTY,
    CUSTOMER_RFM,
    RAW_TRANSACTIONS,
    RFM_THRESHOLDS,
    Table,
)
from abintel_pipeline.engine.connection import Backend, engine, native
from abintel_pipeline.rules import Rules
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.locks import owned
from abintel_pipeline.store.proofs import NotAsPublished, Origin, snapshot_rules, stored_origin
from abintel_pipeline.store.snapshot_store import (
    LOCK,
    STAGING,
    Outdated,
    SnapshotMissing,
    SnapshotStore,
    Staged,
    bind_files,
    open_store,
    sweep,
    view_of_day,
)
from abintel_pipeline_tests.store.raw_files import VERSION_1, VERSION_2, put_lines

Row = dict[str, Any]
FIRST, SECOND, THIRD = (date(2025, 1, day) for day in (1, 2, 3))
RULES = Rules(bins=3)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("engine"), threads=2)
    with engine(settings) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(str(tmp_path / "store"))


def loyal(connection: Backend, *customers: str, score: float = 0.5) -> ir.Table:
    """Rows of customer_loyalty, in this order; scores as decimals, segments first."""
    rows = {
        "segment": ["Silver"] * len(customers),
        "customer_id": list(customers),
        "loyalty_score": pa.array([score] * len(customers)).cast(pa.decimal128(5, 4)),
    }
    return connection.create_table("loyal", pa.table(rows), overwrite=True)


def publish(
    connection: Backend, store: SnapshotStore, day: date, *customers: str, score: float = 0.5
) -> Staged:
    rows = loyal(connection, *customers, score=score)
    with store.staging() as folder:
        staged = store.stage(folder, CUSTOMER_LOYALTY, day, rows, Origin(RULES))
        store.publish(staged)
    return staged


def read(connection: Backend, store: SnapshotStore, *days: date) -> list[tuple[Any, ...]]:
    rows = connection.to_pyarrow(store.read(connection, CUSTOMER_LOYALTY, days))
    assert rows.column_names == CUSTOMER_LOYALTY.schema.names
    return [tuple(row.values()) for row in rows.to_pylist()]


def test_a_day_lies_in_a_folder_named_after_it(store: SnapshotStore, tmp_path: Path) -> None:
    folder = tmp_path / "store" / "customer_rfm" / "snapshot_date=2025-01-01"
    assert store.path(CUSTOMER_RFM, FIRST) == folder / "data.parquet"


def test_a_staged_file_has_the_contracts_columns_types_and_order(
    connection: Backend, store: SnapshotStore, tmp_path: Path
) -> None:
    rows = loyal(connection, "C", "A", "B")
    staged = store.stage(tmp_path / "folder", CUSTOMER_LOYALTY, FIRST, rows, Origin(RULES))
    path = tmp_path / "folder" / "customer_loyalty" / "snapshot_date=2025-01-01" / "data.parquet"
    assert staged == Staged(CUSTOMER_LOYALTY, FIRST, path, 3)
    assert pq.read_table(path, partitioning=None).to_pydict() == {
        "customer_id": ["A", "B", "C"],
        "loyalty_score": [0.5] * 3,
        "segment": ["Silver"] * 3,
    }
    schema = pq.read_schema(path)
    assert [str(field.type) for field in schema] == ["string", "double", "string"]


def test_a_staged_file_names_its_table_its_version_and_its_rules(
    connection: Backend, store: SnapshotStore, tmp_path: Path
) -> None:
    staged = store.stage(tmp_path, CUSTOMER_LOYALTY, FIRST, loyal(connection, "A"), Origin(RULES))
    metadata = pq.read_metadata(staged.path).metadata
    assert metadata[b"abintel_table"] == b"customer_loyalty"
    assert metadata[b"abintel_schema_version"] == b"1"
    assert metadata[b"abintel_rules"] == RULES.as_json().encode()
    assert snapshot_rules(staged.path) == RULES


def test_rows_that_are_in_order_already_are_written_as_they_come(
    connection: Backend, store: SnapshotStore, tmp_path: Path
) -> None:
    rows = loyal(connection, "C", "A")
    write = store.writing(
        connection, CUSTOMER_LOYALTY, rows, lambda _: Origin(RULES), in_order=True
    )
    staged = write(native(connection), tmp_path, SECOND)
    assert staged.day == SECOND
    written = pq.read_table(staged.path, partitioning=None)
    assert written["customer_id"].to_pylist() == ["C", "A"]


def test_each_days_file_says_what_that_day_was_made_from(
    connection: Backend, store: SnapshotStore, tmp_path: Path
) -> None:
    def origin(day: date) -> Origin:
        return Origin(RULES, {"customer_features": {str(day): "7"}})

    write = store.writing(connection, CUSTOMER_LOYALTY, loyal(connection, "A"), origin)
    for day in (FIRST, SECOND):
        path = write(native(connection), tmp_path, day).path
        assert stored_origin(path) == {"customer_features": {str(day): "7"}}


def test_a_table_without_an_order_is_written_as_its_rows_come(
    connection: Backend, store: SnapshotStore, tmp_path: Path
) -> None:
    lines = pa.Table.from_pylist([LINE | {"product_id": p} for p in "CAB"], schema=LINES)
    rows = connection.create_table("lines", lines, overwrite=True)
    staged = store.stage(tmp_path, RAW_TRANSACTIONS, FIRST, rows, Origin(RULES))
    written = pq.read_table(staged.path, partitioning=None)
    assert written["product_id"].to_pylist() == ["C", "A", "B"]


LINES = pa.schema(
    [(field.name, field.type) for field in RAW_TRANSACTIONS.schema if field.name != "delivered_on"]
)
LINE: Row = {
    "customer_id": "A",
    "transaction_id": "T",
    "date": FIRST,
    "amount": 1,
    "product_id": "P",
    "line_id": None,
    "cancelled": False,
}


def test_a_file_of_other_types_than_the_contracts_is_rejected_before_it_is_published(
    connection: Backend, store: SnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = loyal(connection, "A")

    def other(cursor: Any, query: str, path: Path, metadata: dict[str, str]) -> None:
        pq.write_table(pa.table({"customer_id": ["A"]}), path)

    monkeypatch.setattr("abintel_pipeline.store.snapshot_store.copy_to_parquet", other)
    with pytest.raises(TypeError) as rejected:
        store.stage(tmp_path, CUSTOMER_LOYALTY, FIRST, rows, Origin(RULES))
    assert str(rejected.value) == (
        "customer_loyalty: wrote customer_id: string, the contract has {'customer_id':"
        " DataType(string), 'loyalty_score': DataType(double), 'segment': DataType(string)}"
    )


def test_a_published_file_replaces_the_one_before_and_leaves_no_stage(
    connection: Backend, store: SnapshotStore
) -> None:
    publish(connection, store, FIRST, "A", "B")
    before = store.versions(CUSTOMER_LOYALTY)
    staged = publish(connection, store, FIRST, "B", score=0.25)
    assert not staged.path.exists()
    assert list((store.root / STAGING).iterdir()) == []
    assert read(connection, store, FIRST) == [(FIRST, "B", 0.25, "Silver")]
    assert store.rows(CUSTOMER_LOYALTY, FIRST) == 1
    assert store.versions(CUSTOMER_LOYALTY) != before
    assert store.versions(CUSTOMER_LOYALTY).keys() == before.keys() == {FIRST}


def test_what_this_process_has_published_it_takes_for_proved(
    connection: Backend, store: SnapshotStore
) -> None:
    """Bytes that changed in the same moment in the same file are the one thing it can't see."""
    publish(connection, store, FIRST, "A")
    path = store.path(CUSTOMER_LOYALTY, FIRST)
    known = path.stat()
    path.write_bytes(b"x" * known.st_size)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert store.paths(CUSTOMER_LOYALTY, [FIRST]) == [path]
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns + 1))
    with pytest.raises(NotAsPublished):
        store.paths(CUSTOMER_LOYALTY, [FIRST])


def test_days_whose_inputs_have_changed_are_not_published(
    connection: Backend, store: SnapshotStore, tmp_path: Path
) -> None:
    made = [
        store.stage(tmp_path, CUSTOMER_LOYALTY, day, loyal(connection, "A"), Origin(RULES))
        for day in (FIRST, SECOND)
    ]
    with pytest.raises(Outdated):
        store.publish(*made, unchanged=lambda day: day == FIRST)
    assert store.days(CUSTOMER_LOYALTY) == []
    store.publish(*made, unchanged=lambda day: day in (FIRST, SECOND))
    assert store.days(CUSTOMER_LOYALTY) == [FIRST, SECOND]


def test_days_are_listed_in_order_from_the_first_to_the_last_asked_for(
    connection: Backend, store: SnapshotStore
) -> None:
    for day in (THIRD, FIRST, SECOND):
        publish(connection, store, day, "A")
    assert store.days(CUSTOMER_LOYALTY) == [FIRST, SECOND, THIRD]
    assert store.days(CUSTOMER_LOYALTY, start=SECOND) == [SECOND, THIRD]
    assert store.days(CUSTOMER_LOYALTY, end=SECOND) == [FIRST, SECOND]
    assert store.days(CUSTOMER_LOYALTY, SECOND, SECOND) == [SECOND]
    assert list(store.versions(CUSTOMER_LOYALTY, SECOND, SECOND)) == [SECOND]
    assert store.days(CUSTOMER_RFM) == []


@pytest.mark.parametrize(
    "name",
    [
        "snapshot_date=2025-1-01",
        "snapshot_date=2025-01-011",
        "xsnapshot_date=2025-01-01",
        "delivered_on=2025-01-01",
    ],
)
def test_a_folder_that_is_not_named_after_a_day_is_none(store: SnapshotStore, name: str) -> None:
    folder = store.root / "customer_loyalty" / name
    folder.mkdir(parents=True)
    (folder / "data.parquet").touch()
    assert store.days(CUSTOMER_LOYALTY) == []


def test_a_days_folder_without_a_file_is_no_published_day(
    connection: Backend, store: SnapshotStore
) -> None:
    publish(connection, store, SECOND, "A")
    store.path(CUSTOMER_LOYALTY, FIRST).parent.mkdir()
    store.path(CUSTOMER_LOYALTY, THIRD).parent.mkdir()
    assert store.days(CUSTOMER_LOYALTY) == [SECOND]


def test_a_version_tells_a_file_from_one_of_the_same_moment(
    connection: Backend, store: SnapshotStore
) -> None:
    publish(connection, store, FIRST, "A")
    path = store.path(CUSTOMER_LOYALTY, FIRST)
    before = store.versions(CUSTOMER_LOYALTY)
    known = path.stat()
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    os.utime(copy, ns=(known.st_atime_ns, known.st_mtime_ns))
    copy.replace(path)
    assert store.versions(CUSTOMER_LOYALTY) != before
    before = store.versions(CUSTOMER_LOYALTY)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns + 1))
    assert store.versions(CUSTOMER_LOYALTY) != before


def test_rows_are_read_of_the_days_asked_for_in_their_order(
    connection: Backend, store: SnapshotStore
) -> None:
    publish(connection, store, FIRST, "B", "A")
    publish(connection, store, SECOND, "A", score=1.0)
    publish(connection, store, THIRD, "X")
    assert read(connection, store, SECOND, FIRST) == [
        (SECOND, "A", 1.0, "Silver"),
        (FIRST, "A", 0.5, "Silver"),
        (FIRST, "B", 0.5, "Silver"),
    ]


def test_no_day_at_all_is_an_empty_table_of_the_same_columns(
    connection: Backend, store: SnapshotStore
) -> None:
    assert read(connection, store) == []
    rows = store.read(connection, CUSTOMER_LOYALTY, [])
    assert connection.to_pyarrow(rows).schema.types == CUSTOMER_LOYALTY.schema.types


def test_rows_of_an_earlier_version_have_the_values_of_what_was_added_since(
    connection: Backend, store: SnapshotStore
) -> None:
    put_lines(store.path(RAW_TRANSACTIONS, FIRST), VERSION_1, {})
    put_lines(store.path(RAW_TRANSACTIONS, SECOND), VERSION_2, {"line_id": "7", "cancelled": True})
    old, new = (FIRST, None, False), (SECOND, "7", True)
    for days, expected in (
        ([FIRST], [old]),
        ([SECOND], [new]),
        ([FIRST, SECOND], [old, new]),
        ([SECOND, FIRST], [new, old]),
    ):
        rows = connection.to_pyarrow(store.read(connection, RAW_TRANSACTIONS, days))
        assert rows.column_names == RAW_TRANSACTIONS.schema.names
        assert rows.schema.types == RAW_TRANSACTIONS.schema.types
        names = ("delivered_on", "line_id", "cancelled")
        assert [tuple(row[name] for name in names) for row in rows.to_pylist()] == expected


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (1, "1 of the days asked for are missing (2025-01-01)"),
        (
            5,
            "5 of the days asked for are missing"
            " (2025-01-01, 2025-01-02, 2025-01-03, 2025-01-04, 2025-01-05)",
        ),
        (
            6,
            "6 of the days asked for are missing"
            " (2025-01-01, 2025-01-02, 2025-01-03, 2025-01-04, 2025-01-05, …)",
        ),
    ],
)
def test_of_days_that_are_missing_five_are_named(
    connection: Backend, store: SnapshotStore, asked: int, told: str
) -> None:
    days = [date(2025, 1, day) for day in range(1, asked + 1)]
    with pytest.raises(SnapshotMissing) as missing:
        store.paths(CUSTOMER_LOYALTY, days)
    assert str(missing.value) == f"customer_loyalty: {told}; none is published"
    assert missing.value.missing == days
    for day in (date(2025, 2, 1), date(2025, 2, 3), date(2025, 2, 2)):
        publish(connection, store, day, "A")
    with pytest.raises(SnapshotMissing) as missing:
        store.read(connection, CUSTOMER_LOYALTY, [*days, date(2025, 2, 1)])
    assert str(missing.value) == (
        f"customer_loyalty: {told}; published are 2025-02-01 to 2025-02-03"
    )
    assert missing.value.missing == days


@pytest.mark.parametrize("days", [[FIRST], []], ids=["a day", "no day"])
def test_cursors_see_what_is_read_on_their_connection(
    connection: Backend, store: SnapshotStore, days: list[date]
) -> None:
    publish(connection, store, FIRST, "A")
    query = connection.compile(store.read(connection, CUSTOMER_LOYALTY, days))
    with native(connection).cursor() as cursor:
        assert cursor.execute(query).fetchall() == [(one, "A", 0.5, "Silver") for one in days]


def test_added_columns_may_be_of_numbers_and_of_texts(
    connection: Backend, store: SnapshotStore
) -> None:
    path = store.path(CUSTOMER_LOYALTY, FIRST)
    path.parent.mkdir(parents=True)
    told = {"abintel_table": "customer_loyalty", "abintel_schema_version": "1"}
    pq.write_table(pa.table({"customer_id": ["A"]}).replace_schema_metadata(told), path)
    added = {"loyalty_score": 0.25, "segment": "nobody's"}
    table = replace(CUSTOMER_LOYALTY, version=2, added=added)
    rows = connection.to_pyarrow(store.read(connection, table, [FIRST])).to_pylist()
    assert rows == [{"snapshot_date": FIRST, "customer_id": "A"} | added]


def test_the_settings_name_the_store(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path / "data")
    assert open_store(settings).root == settings.store == tmp_path / "data" / "store"


def test_only_the_stages_older_than_an_age_are_swept(tmp_path: Path) -> None:
    now = time.time()
    for name, age in (("old", 130.0), ("young", 70.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half.parquet").touch()
        os.utime(tmp_path / name, (now - age, now - age))
    sweep(tmp_path, 100)
    assert [path.name for path in tmp_path.iterdir()] == ["young"]


def test_a_stage_goes_with_the_run_that_held_its_lock_however_old_it_is(tmp_path: Path) -> None:
    for name in ("killed", "living"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half.parquet").touch()
    os.utime(tmp_path / "living", (0, 0))
    for name in ("killed", "killed before it made its stage"):
        (tmp_path / f"{name}{LOCK}").touch()
    with owned(tmp_path / f"living{LOCK}"):
        sweep(tmp_path, 100)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["living", f"living{LOCK}"]
        assert (tmp_path / "living" / "half.parquet").exists()


def test_what_cannot_be_removed_from_the_stages_stops_nobody(tmp_path: Path) -> None:
    """A file is no stage, and to remove one as if it were a folder is an error."""
    for name in ("a file", "b file"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    sweep(tmp_path, 100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a file", "b file"]


def test_a_stage_that_another_run_has_just_removed_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old").mkdir()
    os.utime(tmp_path / "old", (0, 0))
    gone = tmp_path / "gone"
    monkeypatch.setattr(Path, "iterdir", lambda _: iter([gone, tmp_path / "old"]))
    sweep(tmp_path, 100)
    assert not (tmp_path / "old").exists()


def test_a_stage_that_goes_while_it_is_removed_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old").mkdir()
    os.utime(tmp_path / "old", (0, 0))
    stat = Path.stat

    def last_seen(path: Path, **options: Any) -> os.stat_result:
        seen = stat(path, **options)
        if path.name == "old":
            path.rmdir()
        return seen

    monkeypatch.setattr(Path, "stat", last_seen)
    sweep(tmp_path, 100)


def test_a_view_of_a_day_has_the_rows_of_the_file_that_is_bound(
    connection: Backend, store: SnapshotStore
) -> None:
    publish(connection, store, FIRST, "A", "B")
    publish(connection, store, SECOND, "C", score=1.0)
    rows = view_of_day(CUSTOMER_LOYALTY)
    assert rows.columns == tuple(CUSTOMER_LOYALTY.schema.names)
    query = connection.compile(rows.select("snapshot_date", "customer_id", "loyalty_score"))
    seen = []
    with native(connection).cursor() as cursor:
        for day in (FIRST, SECOND, FIRST):
            bind_files(cursor, (CUSTOMER_LOYALTY, store.path(CUSTOMER_LOYALTY, day)))
            seen.append(cursor.execute(query).fetchall())
    assert seen == [
        [(FIRST, "A", 0.5), (FIRST, "B", 0.5)],
        [(SECOND, "C", 1.0)],
        [(FIRST, "A", 0.5), (FIRST, "B", 0.5)],
    ]


def features(customers: str) -> pa.Table:
    columns = {
        "customer_id": list(customers),
        "purchase_total": [10.0 * (n + 1) for n in range(len(customers))],
        "visit_frequency": [1] * len(customers),
        "avg_ticket": [10.0] * len(customers),
        "product_diversity": [1] * len(customers),
        "loyalty_score": [0.125] * len(customers),
        "recency_days": [0] * len(customers),
    }
    return pa.table(columns)


@pytest.fixture
def both(connection: Backend, store: SnapshotStore) -> SnapshotStore:
    """A day with features, whose loyalty_score was delivered, and with loyalty."""
    publish(connection, store, FIRST, "A", "B", score=0.75)
    rows = connection.create_table("features", features("AB"), overwrite=True)
    with store.staging() as folder:
        store.publish(store.stage(folder, CUSTOMER_FEATURES, FIRST, rows, Origin(RULES)))
    return store


@pytest.mark.parametrize(
    ("table", "other", "names", "expected"),
    [
        (
            CUSTOMER_FEATURES,
            CUSTOMER_LOYALTY,
            ("customer_id", "purchase_total", "loyalty_score", "segment", "snapshot_date"),
            [("A", 10.0, 0.75, "Silver", FIRST), ("B", 20.0, 0.75, "Silver", FIRST)],
        ),
        (
            CUSTOMER_LOYALTY,
            CUSTOMER_FEATURES,
            ("customer_id", "loyalty_score", "segment", "purchase_total"),
            [("A", 0.125, "Silver", 10.0), ("B", 0.125, "Silver", 20.0)],
        ),
    ],
    ids=["loyalty beside features", "features beside loyalty"],
)
def test_beside_a_customer_stands_the_other_tables_row_whose_columns_win(
    connection: Backend,
    both: SnapshotStore,
    table: Table,
    other: Table,
    names: tuple[str, ...],
    expected: list[tuple[Any, ...]],
) -> None:
    rows = view_of_day(table, other)
    query = connection.compile(rows.select(*names))
    with native(connection).cursor() as cursor:
        bind_files(cursor, (table, both.path(table, FIRST)), (other, both.path(other, FIRST)))
        assert cursor.execute(query).fetchall() == expected


def test_of_several_columns_in_common_all_are_the_others(
    connection: Backend, store: SnapshotStore
) -> None:
    publish(connection, store, FIRST, "A", score=0.25)
    other = replace(CUSTOMER_LOYALTY, name="other_loyalty")
    path = store.path(other, FIRST)
    path.parent.mkdir(parents=True)
    rows = {"customer_id": ["A"], "loyalty_score": [0.75], "segment": ["Gold"]}
    pq.write_table(pa.table(rows), path)
    both = view_of_day(CUSTOMER_LOYALTY, other)
    query = connection.compile(both.select("customer_id", "loyalty_score", "segment"))
    with native(connection).cursor() as cursor:
        own = (CUSTOMER_LOYALTY, store.path(CUSTOMER_LOYALTY, FIRST))
        bind_files(cursor, own, (other, path))
        assert cursor.execute(query).fetchall() == [("A", 0.75, "Gold")]


def test_tables_of_no_column_in_common_stand_beside_each_other_whole(
    connection: Backend, store: SnapshotStore
) -> None:
    publish(connection, store, FIRST, "A")
    rows = pa.table({"metric": ["recency"], "position": [1], "cut": ["1/2"], "threshold": [2.5]})
    listed = connection.create_table("thresholds", rows, overwrite=True)
    with store.staging() as folder:
        store.publish(store.stage(folder, RFM_THRESHOLDS, FIRST, listed, Origin(RULES)))
    query = connection.compile(
        view_of_day(CUSTOMER_LOYALTY, RFM_THRESHOLDS).select("customer_id", "threshold")
    )
    places = [store.path(table, FIRST) for table in (CUSTOMER_LOYALTY, RFM_THRESHOLDS)]
    with native(connection).cursor() as cursor:
        bind_files(cursor, (CUSTOMER_LOYALTY, places[0]), (RFM_THRESHOLDS, places[1]))
        assert cursor.execute(query).fetchall() == [("A", 2.5)]


def test_a_stage_of_rows_that_an_engine_holds_knows_the_engine(
    connection: Backend, store: SnapshotStore, tmp_path: Path
) -> None:
    rows = loyal(connection, "A", "B").filter(ibis._.customer_id == "B")
    assert store.stage(tmp_path, CUSTOMER_LOYALTY, FIRST, rows, Origin(RULES)).rows == 1
