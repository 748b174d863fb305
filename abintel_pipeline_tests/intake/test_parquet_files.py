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


def test_numbers_that_are_none_and_nulls_are_rejected_by_row(landing: Landing) -> None:
    values = pa.array([float("nan"), float("inf"), 1e300, None, -0.001])
    five = {name: column[:1] * 5 for name, column in COLUMNS.items() if name != "amount"}
    path = landing.put(NAME)
    pq.write_table(pa.table({**five, "amount": values}), path)
    taken = landing.take()
    assert taken.reasons == [
        ["amount: missing"],
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
    ("values", "customers"),
    [
        (pa.array([1001.0, 9007199254740991.0]), ["1001", "9007199254740991"]),
        (pa.array([7.0, 16777216.0], pa.float32()), ["7", "16777216"]),
        (pa.array([Decimal(1001), Decimal(2)], pa.decimal128(38, 0)), ["1001", "2"]),
        (pa.array([Decimal(10**20), Decimal(-3)], pa.decimal128(38, 2)), [str(10**20), "-3"]),
        (pa.array([b"C1", "Jos\u00e9".encode()]), ["C1", "Jos\u00e9"]),
        (pa.array([b"ab", b"cd"], pa.binary(2)), ["ab", "cd"]),
        (pa.array(["001", "002"], pa.large_string()), ["001", "002"]),
        (pa.array(["001", "002"], pa.string_view()), ["001", "002"]),
        (pa.array([2**64 - 1, 1], pa.uint64()), ["18446744073709551615", "1"]),
    ],
)
def test_ids_of_every_type_are_their_digits_or_their_text(
    landing: Landing, values: pa.Array, customers: list[str]
) -> None:
    taken = deliver(landing, customer_id=values).take()
    assert [row[0] for row in taken.accepted] == customers


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (pa.array([1.5, 1.0]), "not a whole number"),
        (pa.array([float("inf"), 1.0]), "not a whole number"),
        (pa.array([float("nan"), 1.0]), "missing"),
        (pa.array([1e16, 1.0]), "in scientific notation"),
        (pa.array([9007199254740992.0, 1.0]), "a float of 2**53 or more"),
        (pa.array([Decimal("1.5"), Decimal(1)], pa.decimal128(9, 1)), "not a whole number"),
        (pa.array([b"\xff", b"1"]), "not UTF-8 text"),
        (pa.array([None, 1.0]), "missing"),
    ],
)
def test_an_id_that_is_none_is_rejected_by_its_row(
    landing: Landing, values: pa.Array, reason: str
) -> None:
    taken = deliver(landing, customer_id=values).take()
    assert [row[0] for row in taken.accepted] == ["1"]
    assert taken.places == [(NAME, 1)]
    assert taken.reasons[0][0].startswith(f"customer_id: {reason}")


def test_a_decimal_of_256_bits_is_exact(landing: Landing) -> None:
    """DuckDB reads it as a float."""
    values = pa.array([Decimal("1234567890123456.785"), Decimal("-0")], pa.decimal256(60, 20))
    assert amounts(landing, values) == [Decimal("1234567890123456.79"), Decimal("0.00")]
    ids = pa.array([Decimal(2**70), Decimal(1)], pa.decimal256(60, 0))
    assert [row[0] for row in deliver(landing, customer_id=ids).take().accepted] == [
        str(2**70),
        "1",
    ]


def test_an_int96_is_an_instant_in_utc_also_at_midnight(landing: Landing) -> None:
    clock = pa.array(["2025-04-23T23:30:00", "2025-04-24T00:00:00"]).cast(pa.timestamp("ns"))
    path = landing.put(NAME)
    table = pa.table({**COLUMNS, "date": clock})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)
    assert (
        landing.take().reasons
        == [["date: a timestamp; set ABINTEL_SOURCE_TIMEZONE to take its day"]] * 2
    )
    taken = landing.take(source_timezone="America/New_York")
    assert [row[2] for row in taken.accepted] == [dt.date(2025, 4, 23)] * 2
    taken = landing.take(source_timezone="Europe/Berlin")
    assert [row[2] for row in taken.accepted] == [DAY] * 2


def test_typed_numbers_have_a_point_whatever_mark_the_source_writes(landing: Landing) -> None:
    taken = deliver(landing).take(decimal_mark=",")
    assert [row[3] for row in taken.accepted] == [Decimal("1.01"), Decimal("2.00")]
    columns = {"amount": "pieces * price"}
    whole, price = pa.array([3, 2]), pa.array([Decimal("0.335"), Decimal("1.5")])
    taken = deliver(landing, pieces=whole, price=price).take(
        decimal_mark=",", transaction_columns=columns
    )
    assert [row[3] for row in taken.accepted] == [Decimal("1.01"), Decimal("3.00")]


def test_whole_numbers_are_dates_where_the_source_writes_them_so(landing: Landing) -> None:
    taken = deliver(landing, date=[20250424, 20250423]).take(date_format="YYYYMMDD")
    assert [row[2] for row in taken.accepted] == [DAY, dt.date(2025, 4, 23)]


def test_empty_parts_may_be_alike(landing: Landing) -> None:
    for part in ("a", "b"):
        path = landing.put(f"transactions/2025-04-24/{part}.parquet")
        pq.write_table(pa.table(COLUMNS)[:0], path)
    assert landing.take().intake.received == 0


def test_flags_say_what_is_cancelled(landing: Landing) -> None:
    for values in (pa.array([True, None]), pa.array([1, 0], pa.int8()), pa.array(["yes", "no"])):
        taken = deliver(landing, cancelled=values).take()
        assert [row["cancelled"] for row in taken.rows] == [True, False]


def test_a_page_that_differs_from_its_checksum_fails(landing: Landing) -> None:
    """DuckDB looks at no checksum: a flipped bit would be another amount."""
    path = landing.put(NAME)
    options = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    pq.write_table(pa.table(COLUMNS), path, **options)
    assert landing.take().intake.accepted == 2
    whole = path.read_bytes()
    place = whole.index(b"001\x03\x00\x00\x00002")  # in the page; its header has no checksum
    for flipped in (place, place + 9):
        damaged = bytearray(whole)
        damaged[flipped] ^= 4
        path.write_bytes(bytes(damaged))
        with pytest.raises(DeliveryError, match=f"^{NAME}: can't be read as Parquet .*CRC"):
            landing.take()


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("customer_id", pa.array([True, False])),
        ("product_id", pa.array([[1], [2]])),
        ("transaction_id", pa.array([DAY, DAY])),
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
    assert zoned.take().intake.rejected == 2
    assert [row[2] for row in zoned.take(source_timezone="America/New_York").accepted] == [
        dt.date(2025, 4, 23)
    ] * 2


def test_text_columns_go_by_the_rules_of_text(landing: Landing) -> None:
    taken = deliver(landing, amount=["1.005", "12,50"], date=["2025-04-24", "2025-02-30"]).take()
    assert [row[3] for row in taken.accepted] == [Decimal("1.01")]
    assert taken.reasons == [["amount: not a number", "date: not an ISO calendar date"]]


def test_rejected_rows_of_a_large_file_leave_the_others_in_order(landing: Landing) -> None:
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


def test_most_rows_rejected_still_leaves_the_others_in_order(landing: Landing) -> None:
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
    with pytest.raises(DeliveryError, match="column 'date' stands there twice"):
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
