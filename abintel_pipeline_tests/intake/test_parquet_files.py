"""Parquet deliveries: which types are taken for what, and what a torn file does."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.intake import DeliveryError
from abintel_pipeline_tests.intake.conftest import DAY, Landing

NAME = "transactions/2025-04-24.parquet"
COLUMNS: dict[str, Any] = {
    "customer_id": ["001", "002"],
    "transaction_id": ["T1", "T2"],
    "date": [DAY, DAY],
    "amount": [1.005, 2.0],
    "product_id": ["P1", "P2"],
}


def deliver(landing: Landing, **changes: Any):
    path = landing.put(NAME)
    pq.write_table(pa.table({**COLUMNS, **changes}), path)
    return landing


def amounts(landing: Landing, values: pa.Array) -> list[Any]:
    return [row[3] for row in deliver(landing, amount=values).take().accepted]


def test_float32_amounts_are_what_they_look_like(landing: Landing) -> None:
    assert amounts(landing, pa.array([19.99, 16777.216], pa.float32())) == [
        Decimal("19.99"),
        Decimal("16777.22"),
    ]


def test_long_decimals_are_rounded_half_up_from_their_digits(landing: Landing) -> None:
    values = [Decimal("2.6750000000"), Decimal("0.0049999999")]
    assert amounts(landing, pa.array(values, pa.decimal128(38, 10))) == [
        Decimal("2.68"),
        Decimal("0.00"),
    ]


def test_doubles_are_taken_by_their_shortest_text(landing: Landing) -> None:
    assert amounts(landing, pa.array([0.1 + 0.2, 1e15])) == [
        Decimal("0.30"),
        Decimal("1000000000000000.00"),
    ]


def test_numbers_that_are_none_and_nulls_are_refused_by_row(landing: Landing) -> None:
    values = pa.array([float("nan"), float("inf"), 1e300, None, -0.001])
    five = {name: column[:1] * 5 for name, column in COLUMNS.items() if name != "amount"}
    path = landing.put(NAME)
    pq.write_table(pa.table({**five, "amount": values}), path)
    taken = landing.take()
    assert taken.reasons == [
        ["amount: not a number"],
        ["amount: not a number"],
        ["amount: more than 16 digits before the point"],
        ["amount: missing"],
        ["amount: negative"],
    ]
    assert taken.places == [(NAME, n) for n in range(1, 6)]
    assert taken.raw[0] == {
        "customer_id": "001",
        "transaction_id": "T1",
        "date": "2025-04-24",
        "product_id": "P1",
        "amount": "nan",
    }


def test_whole_number_ids_are_taken_as_text(landing: Landing) -> None:
    taken = deliver(
        landing,
        customer_id=pa.array([1, 9007199254740993], pa.int64()),
        product_id=pa.array([1, 2], pa.uint8()),
        transaction_id=pa.array(["T1", "T2"]).dictionary_encode(),
    ).take()
    assert [row[:2] for row in taken.accepted] == [("1", "T1"), ("9007199254740993", "T2")]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("customer_id", pa.array([1.0, 2.0])),
        ("customer_id", pa.array([True, False])),
        ("product_id", pa.array([Decimal(1), Decimal(2)], pa.decimal128(9, 0))),
        ("transaction_id", pa.array([b"a", b"b"])),
        ("amount", pa.array([True, False])),
        ("amount", pa.array([[1], [2]])),
        ("date", pa.array([20250424, 20250424])),
    ],
)
def test_a_column_of_a_wrong_type_fails_with_its_name_and_type(
    landing: Landing, column: str, values: pa.Array
) -> None:
    with pytest.raises(DeliveryError, match=rf"^{NAME}: column '{column}' is [A-Z]+.*must hold"):
        deliver(landing, **{column: values}).take()


def test_timestamps_at_midnight_are_dates_as_pandas_writes_them(landing: Landing) -> None:
    path = landing.put(NAME)
    pd.DataFrame({**COLUMNS, "date": pd.to_datetime(["2025-04-24", "2025-04-23"])}).to_parquet(path)
    taken = landing.take()
    assert [row[2] for row in taken.accepted] == [DAY, dt.date(2025, 4, 23)]


def test_other_timestamps_need_the_sources_time_zone(landing: Landing) -> None:
    clock = pa.array(["2025-04-24T01:30:00", "2025-04-24T00:00:00"]).cast(pa.timestamp("us"))
    taken = deliver(landing, date=clock).take()
    assert [row[2] for row in taken.accepted] == [DAY]
    assert taken.reasons == [["date: a timestamp; set ABINTEL_SOURCE_TIMEZONE to take its day"]]
    zoned = deliver(landing, date=clock.cast(pa.timestamp("ns", "UTC")))
    assert zoned.take().intake.refused == 2
    assert [row[2] for row in zoned.take(source_timezone="America/New_York").accepted] == [
        dt.date(2025, 4, 23)
    ] * 2


def test_text_columns_go_by_the_rules_of_text(landing: Landing) -> None:
    taken = deliver(landing, amount=["1.005", "12,50"], date=["2025-04-24", "2025-02-30"]).take()
    assert [row[3] for row in taken.accepted] == [Decimal("1.01")]
    assert taken.reasons == [["amount: not a number", "date: not an ISO calendar date"]]


def test_refused_rows_of_a_large_file_leave_the_others_in_order(landing: Landing) -> None:
    rows = 300_000
    amounts = [str(n % 1000) if n % 1000 else "x" for n in range(rows)]
    pq.write_table(
        pa.table(
            {
                "customer_id": [f"{n:06}" for n in range(rows)],
                "transaction_id": ["T"] * rows,
                "date": [DAY] * rows,
                "amount": amounts,
                "product_id": ["P"] * rows,
            }
        ),
        landing.put(NAME),
    )
    taken = landing.take()
    assert taken.places == [(NAME, n + 1) for n in range(0, rows, 1000)]
    assert [row[0] for row in taken.accepted] == [f"{n:06}" for n in range(rows) if n % 1000]


def test_most_rows_refused_still_leaves_the_others_in_order(landing: Landing) -> None:
    rows = 150_000
    columns = {name: ["x"] * rows for name in COLUMNS if name not in ("amount", "date")}
    amounts = ["1" if n % 1000 == 0 else "x" for n in range(rows)]
    customers = [f"{n:06}" for n in range(rows)]
    columns |= {"customer_id": customers, "amount": amounts, "date": ["2025-04-24"] * rows}
    pq.write_table(pa.table(columns), landing.put(NAME))
    assert [row[0] for row in landing.take().accepted] == customers[::1000]


def test_a_torn_file_fails(landing: Landing) -> None:
    path = deliver(landing).root / "landing" / NAME
    whole = path.read_bytes()
    for torn in (whole[:-30], whole[:-4], b"", b"PAR1 no Parquet PAR1", _scrambled(whole)):
        path.write_bytes(torn)
        with pytest.raises(DeliveryError, match=rf"^{NAME}: can't be read as Parquet"):
            landing.take()
        assert list(landing.staging.iterdir()) == []


def _scrambled(whole: bytes) -> bytes:
    """A good footer over broken pages."""
    return b"PAR1" + b"\xff" * 300 + whole[304:]


def test_a_missing_or_repeated_column_fails(landing: Landing, tmp_path: Path) -> None:
    path = landing.put(NAME)
    table = pa.table(COLUMNS)
    pq.write_table(table.drop_columns("amount"), path)
    with pytest.raises(DeliveryError, match="no column 'amount'; it has customer_id"):
        landing.take()
    pq.write_table(table.append_column("date", table["date"]), path)
    with pytest.raises(DeliveryError, match="column 'date' twice"):
        landing.take()


def test_names_that_differ_in_case_alone_are_different_columns(landing: Landing) -> None:
    pq.write_table(
        pa.table({"AMOUNT": ["a", "b"], "Customer_Id": ["x", "y"], **COLUMNS}), landing.put(NAME)
    )
    assert [row[0] for row in landing.take().accepted] == ["001", "002"]


def test_columns_of_other_names_are_mapped(landing: Landing) -> None:
    table = pa.table(COLUMNS).rename_columns(["c", "t", "d", "a", 'p"'])
    pq.write_table(table, landing.put(NAME))
    names = {"customer_id": "c", "transaction_id": "t", "date": "d", "amount": "a"}
    taken = landing.take(transaction_columns={**names, "product_id": 'p"'})
    assert [row[4] for row in taken.accepted] == ["P1", "P2"]


@pytest.mark.parametrize(
    "name", ["file_row_number", "FILE_ROW_NUMBER", "filename", "ordinal", "c0", "rows", "raw"]
)
def test_a_column_may_have_a_name_that_is_used_in_reading(landing: Landing, name: str) -> None:
    taken = deliver(landing, amount=["x", "2"], **{name: [7, 8]}).take()
    assert [row[0] for row in taken.accepted] == ["002"]
    assert taken.places == [(NAME, 1)]
    assert taken.raw[0][name] in (7, "7")


def test_rows_keep_their_numbers_beside_a_column_of_numbers(landing: Landing) -> None:
    rows = 300_000
    amounts = ["x" if n % 1000 == 7 else "1" for n in range(rows)]
    columns = {name: ["x"] * rows for name in COLUMNS} | {"amount": amounts, "date": [DAY] * rows}
    columns |= {"customer_id": [f"{n:06}" for n in range(rows)], "file_row_number": [0] * rows}
    pq.write_table(pa.table(columns), landing.put(NAME), row_group_size=20_000)
    taken = landing.take()
    assert [row[0] for row in taken.accepted] == [f"{n:06}" for n in range(rows) if n % 1000 != 7]
    assert taken.places == [(NAME, n + 1) for n in range(rows) if n % 1000 == 7]
    assert [raw["customer_id"] for raw in taken.raw] == [f"{n - 1:06}" for _, n in taken.places]
