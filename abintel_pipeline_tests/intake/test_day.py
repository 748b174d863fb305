"""One day's delivery as a whole: its sources, its duplicates, the cap, and what is left behind."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from abintel_pipeline.contract import TABLES
from abintel_pipeline.contract.customers import RawCustomers, RejectedCustomers
from abintel_pipeline.engine.connection import engine
from abintel_pipeline.intake import (
    DeliveryError,
    IntakeBroken,
    TooManyRejected,
    take_in_customers,
    take_in_transactions,
)
from abintel_pipeline.intake.csv import reader as csv_files
from abintel_pipeline.intake.csv.header import Header
from abintel_pipeline.intake.csv.reader import Slices
from abintel_pipeline.intake.landing import misplaced_files, told
from abintel_pipeline.intake.request_tables import CUSTOMERS, TRANSACTIONS
from abintel_pipeline.intake.staging import Reading
from abintel_pipeline.reading import read_snapshot
from abintel_pipeline.settings import Settings
from abintel_pipeline.settings.source import CUSTOMER_COLUMNS, TRANSACTION_COLUMNS
from abintel_pipeline.store.proofs import snapshot_rules
from abintel_pipeline.store.snapshot_store import SnapshotStore
from abintel_pipeline_tests.intake.conftest import DAY, GOOD, HEADER, Landing

POSITION = "customer_id, transaction_id, date, product_id, line_id"
SCORES = "customer_id,loyalty_score\n"


def line(customer: str = "001", order: str = "T1", amount: str = "1", product: str = "P1") -> str:
    return f"{customer},{order},2025-04-24,{amount},{product}\n"


# ── what a delivery consists of ──────────────────────────────────────────────


def test_a_day_without_a_source_has_no_delivery(landing: Landing) -> None:
    landing.put("transactions/2025-04-23.csv", HEADER)
    landing.put("transactions/2025-04-24/.hidden.csv", HEADER)
    landing.put("transactions/2025-04-24.csv.part")
    landing.put("transactions/2025-04-24/x.parquet.tmp")
    landing.put("transactions/2025-04-24.csv.TMP")
    landing.put("requests/2025-04-23.json")
    landing.put("requests/2025-04-24.json.part")
    landing.put("requests/.2025-04-24.json")
    for how in (take_in_transactions, take_in_customers):
        assert landing.intake(how, DAY) is None
        assert list(landing.staging.iterdir()) == []


def test_all_files_of_a_day_are_one_delivery_in_the_order_of_their_names(landing: Landing) -> None:
    order = {"transaction_id": "T5", "date": "2025-04-24", "amount": 5, "product_id": "P1"}
    document = {"customers": [{"customer_id": "005", "transactions": [order]}]}
    landing.put("requests/2025-04-24.json", json.dumps(document))
    landing.put("transactions/2025-04-24/b.CSV", HEADER + line("004") + "x\n")
    row = {"customer_id": "003", "product_id": "P", "transaction_id": "T", "amount": 3}
    landing.put("transactions/2025-04-24/a.jsonl", json.dumps({**row, "date": "2025-04-24"}))
    landing.put("transactions/2025-04-24.csv", HEADER + line("001") + line("002", amount="x"))
    taken = landing.take()
    assert [row[0] for row in taken.accepted] == ["001", "003", "004", "005"]
    assert taken.intake.files == (
        "transactions/2025-04-24.csv",
        "transactions/2025-04-24/a.jsonl",
        "transactions/2025-04-24/b.CSV",
        "requests/2025-04-24.json",
    )
    assert taken.places == [
        ("transactions/2025-04-24.csv", 3),
        ("transactions/2025-04-24/b.CSV", 3),
    ]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("transactions/2025-04-24/x.doc", "let its name end in one of .csv, .csv.gz, .parquet"),
        ("transactions/2025-04-24.json", "let its name end in one of .csv, .csv.gz, .parquet"),
        ("transactions/2025-04-24", "let its name end in one of"),
        ("transactions/sales_20250424.csv~", "let its name end in one of"),
        ("requests/2025-04-24.json.gz", "name the day's request document 2025-04-24.json"),
        ("requests/2025-04-24", "name the day's request document 2025-04-24.json"),
    ],
)
def test_a_file_that_is_no_delivery_file_fails(landing: Landing, name: str, advice: str) -> None:
    landing.put("customers/2025-04-24.csv", SCORES)
    landing.put(name, HEADER)
    with pytest.raises(DeliveryError) as error:
        landing.take()
    assert str(error.value).startswith(f"{name} is no delivery file: ")
    assert advice in str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        "sales_2025-04-24.csv",
        "20250424.csv",
        "2025-04-24_north.csv",
        "sales 2025_04_24 (1).CSV",
        "sales.2025.04.24.csv",
        "2025-04-24-and-again-20250424.csv",
        "order12_20250424T120000.csv",
        "2025-04-24/2025-04-23.csv",
        "2025-04-24/part/of/it/00000.csv",
        "delivered_on=2025-04-24/part-0.csv",
        "2025-04-24.csv/part-00000.csv",
    ],
)
def test_a_name_says_its_day_anywhere(landing: Landing, name: str) -> None:
    landing.put(f"transactions/{name}", HEADER + GOOD)
    taken = landing.take()
    assert taken.intake.files == (f"transactions/{name}",)
    assert landing.intake(take_in_transactions, date(2025, 4, 23)) is None
    assert misplaced_files(landing.root / "landing") == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("transactions/sales.csv", "has no day: name it after the one day"),
        ("transactions/2025-02-30.csv", "has no day: name it after the one day"),
        ("transactions/120250424.csv", "has no day: name it after the one day"),
        ("transactions/north/sales.csv", "has no day: name it after the one day"),
        (
            "customers/2025-04-23_to_2025-04-24.csv",
            "has two days in its name, 2025-04-23 and 2025-04-24: name it after the one day",
        ),
        ("2025-04-24.csv", "lies in no table's folder: put deliveries into transactions/"),
        ("orders/2025-04-24.csv", "is no table's folder: put deliveries into transactions/"),
    ],
)
def test_what_belongs_to_no_day_is_told(landing: Landing, name: str, why: str) -> None:
    landing.put(name, HEADER + GOOD)
    landing.put("transactions/_SUCCESS")
    (found,) = misplaced_files(landing.root / "landing")
    assert name.startswith(found.name)
    assert found.why.startswith(why)
    assert told([found]) == (f"belongs to no day and is not taken in: {found.name} {found.why}")
    assert landing.intake(take_in_transactions, DAY) is None


def test_what_other_programs_leave_is_ignored(landing: Landing) -> None:
    left = ("_SUCCESS", ".part-0.csv.crc", "part-0.csv.crc", "Thumbs.db", "DESKTOP.INI")
    for name in (*left, "_committed_123", "_2025-04-24.csv", ".DS_Store"):
        landing.put(f"transactions/2025-04-24/{name}", "x")
    assert landing.intake(take_in_transactions, DAY) is None
    landing.put("transactions/2025-04-24/part-0.csv", HEADER + GOOD)
    assert landing.take().intake.files == ("transactions/2025-04-24/part-0.csv",)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_column_may_stand_in_a_folders_name(landing: Landing, ending: str) -> None:
    content = {
        "csv": "transaction_id,amount,product_id\nT1,1,P1\n",
        "jsonl": '{"transaction_id": "T1", "amount": 1, "product_id": "P1"}\n',
    }[ending]
    folder = "transactions/2025-04-24/Date=2025-04-23/customer_id=K%C3%B6ln 1"
    landing.put(f"{folder}/part-0.{ending}", content)
    assert landing.take().accepted == [
        ("K\u00f6ln 1", "T1", date(2025, 4, 23), Decimal("1.00"), "P1")
    ]
    landing.put(f"{folder}/part-0.{ending}", content.replace("T1", ""))
    hive_null = "transactions/2025-04-24/Date=2025-04-23/customer_id=__HIVE_DEFAULT_PARTITION__"
    landing.put(f"{hive_null}/part-0.{ending}", content)
    missing = "missing" if ending == "csv" else "blank"
    assert sorted(landing.take().reasons) == [
        [f"customer_id: {missing}"],
        [f"transaction_id: {missing}"],
    ]


def test_two_files_of_a_day_with_the_same_bytes_fail_by_their_names(landing: Landing) -> None:
    landing.put("transactions/2025-04-24.csv", HEADER + GOOD)
    landing.put("transactions/2025-04-24 (1).csv", HEADER + GOOD)
    with pytest.raises(DeliveryError) as error:
        landing.take()
    assert str(error.value).startswith(
        "transactions/2025-04-24.csv holds the same bytes as transactions/2025-04-24 (1).csv"
    )
    landing.put("transactions/2025-04-24 (1).csv", HEADER + GOOD.replace("001", "002"))
    assert landing.take().intake.accepted == 2


def test_the_same_bytes_in_folders_of_other_columns_are_other_rows(landing: Landing) -> None:
    text = "transaction_id,date,amount,product_id\nT1,2025-04-24,1,P1\n"
    for customer in ("001", "002"):
        landing.put(f"transactions/2025-04-24/customer_id={customer}/part-0.csv", text)
    assert [row[0] for row in landing.take().accepted] == ["001", "002"]


def test_two_closed_shops_deliver_the_same_header(landing: Landing) -> None:
    for shop in ("north", "south"):
        landing.put(f"transactions/2025-04-24/{shop}.csv", HEADER + "\n")
    assert landing.take().intake.received == 0


@pytest.mark.parametrize("name", ["requests/2025-04-24/a.json", "requests/2025-04-24.json/a.json"])
def test_a_folder_of_request_documents_fails(landing: Landing, name: str) -> None:
    landing.put(name, "{}")
    folder = Path(name).parent
    for take in (landing.take, landing.take_customers):
        with pytest.raises(DeliveryError, match=f"^{folder} is not a file: name the day's request"):
            take()


def test_a_request_document_may_end_in_capitals(landing: Landing) -> None:
    landing.put("requests/2025-04-24.JSON", '{"customers": []}')
    assert landing.take().intake.files == ("requests/2025-04-24.JSON",)


@pytest.mark.parametrize(
    "name",
    [
        "transactions",
        "requests",
        "transactions/2025-04-24",
        "transactions/2025-04-24.csv",
        "transactions/2025-04-24/x.csv",
        "requests/2025-04-24.json",
    ],
)
def test_a_link_to_nothing_fails(landing: Landing, name: str) -> None:
    path = landing.root / "landing" / name
    path.parent.mkdir(parents=True)
    path.symlink_to("nowhere")
    with pytest.raises(DeliveryError) as error:
        landing.take()
    assert str(error.value).startswith(f"{name} can't be read (No such file or directory)")


@pytest.mark.parametrize(
    "name", ["transactions", "requests", "transactions/2025-04-24", "transactions/2025-04-24.csv"]
)
def test_what_may_not_be_read_fails_with_its_path(
    landing: Landing, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated, because tests may run as root, who may read everything."""
    forbidden = landing.root / "landing" / name
    landing.put(name if name.endswith(".csv") else f"{name}/2025-04-24.csv", HEADER)

    def rejecting(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Path, *arguments: Any, **options: Any) -> Any:
            if path == forbidden:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return method(path, *arguments, **options)

        return call

    for method in ("iterdir", "open"):
        monkeypatch.setattr(Path, method, rejecting(getattr(Path, method)))
    with pytest.raises(DeliveryError) as error:
        landing.take()
    assert str(error.value).startswith(f"{name} can't be read (Permission denied)")
    assert str(forbidden) in str(error.value)


def test_a_tables_folder_that_is_a_file_fails(landing: Landing) -> None:
    landing.put("transactions", HEADER)
    with pytest.raises(DeliveryError, match=r"^transactions can't be read \(Not a directory\)"):
        landing.take()


def test_customers_are_a_delivery_of_their_own(landing: Landing) -> None:
    text = (
        "001,0.97\n002,\n003,1\n004,1.01\n005,-0.1\n006,abc\n007,NaN\n,0.5\n008,1e309\n 9, 0.5 \n"
    )
    landing.put("customers/2025-04-24.csv", SCORES + text)
    taken = landing.take_customers()
    assert taken.accepted == [("001", 0.97), ("002", None), ("003", 1.0), ("007", None), ("9", 0.5)]
    assert taken.reasons == [
        ["loyalty_score: not in 0..1"],
        ["loyalty_score: not in 0..1"],
        ["loyalty_score: not a number"],
        ["customer_id: missing"],
        ["loyalty_score: not in 0..1"],
    ]
    assert taken.intake.late == 0
    assert landing.intake(take_in_transactions, DAY) is None


def test_customers_without_a_score_column_fail(landing: Landing) -> None:
    landing.put("customers/2025-04-24.csv", "customer_id,score\n001,0.5\n")
    with pytest.raises(DeliveryError, match="no column 'loyalty_score'"):
        landing.take_customers()
    names = {"loyalty_score": "score"}
    assert landing.take_customers(customer_columns=names).accepted == [("001", 0.5)]


def test_the_columns_that_can_be_mapped_are_the_contracts() -> None:
    assert TRANSACTIONS.columns == TRANSACTION_COLUMNS
    assert CUSTOMERS.columns == CUSTOMER_COLUMNS


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"cust": "x"}, "'cust' is no column of the contract"),
        ({"delivered_on": "x"}, "'delivered_on' is no column of the contract"),
        ({"customer_id": "amount"}, "two columns come from 'amount'"),
    ],
)
def test_a_mapping_that_cannot_be_right_is_no_setting(
    mapping: dict[str, str], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings(transaction_columns=mapping)


# ── time zones ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-04-21T23:30:00+02:00", "2025-04-21"),
        ("2025-04-21T01:30:00Z", "2025-04-20"),
        ("2025-04-21T01:30:00z", "2025-04-20"),
        ("2025-04-21 01:30Z", "2025-04-20"),
        ("2025-04-21 06:30:00 +0200", "2025-04-21"),
        ("2025-04-21T05:30:00+02", "2025-04-20"),
        ("2025-04-21T23:59:59.999999999-04:00", "2025-04-21"),
        ("2025-04-21T23:59:59,9", "2025-04-21"),
        (" 2025-04-21 00:00 ", "2025-04-21"),
        ("2025-03-09T02:30:00", "2025-03-09"),
        ("2025-04-21", "2025-04-21"),
    ],
)
def test_a_timestamp_counts_on_its_day_in_the_sources_zone(
    landing: Landing, text: str, day: str
) -> None:
    quoted = f'"{text}"'
    landing.put("transactions/2025-04-24.csv", HEADER + f"001,T1,{quoted},1,P1\n")
    taken = landing.take(source_timezone="America/New_York")
    assert [row[2] for row in taken.accepted] == [date.fromisoformat(day)]


@pytest.mark.parametrize(
    "text", ["2025-02-30T10:00:00Z", "2025-04-21T24:00:00Z", "2025-04-21T10:00:61", "10:00:00"]
)
def test_a_timestamp_that_is_none_is_rejected(landing: Landing, text: str) -> None:
    landing.put("transactions/2025-04-24.csv", HEADER + f"001,T1,{text},1,P1\n")
    taken = landing.take(source_timezone="America/New_York")
    assert taken.reasons == [["date: not an ISO calendar date"]]


# ── duplicates and conflicts ─────────────────────────────────────────────────


def test_lines_of_one_delivery_at_one_position_are_all_taken_in(landing: Landing) -> None:
    text = line(amount="21.63") * 3 + line(amount="5")
    landing.put("transactions/2025-04-24.csv", HEADER + text)
    taken = landing.take()
    assert taken.rejected == []
    assert sum(row[3] for row in taken.accepted) == Decimal("69.89")  # 3 · 21.63 + 5.00


def test_a_line_that_has_a_number_stands_there_once(landing: Landing) -> None:
    header = HEADER.rstrip() + ",line_id\n"
    rows = ["T1,1.00,1", "T1,1.00,1", "T1,1.00,2", "T2,1.00,1", "T2,2.00,1", "T3,1,", "T3,1,"]
    lines = (f"001,{t},2025-04-24,{a},P1,{n}\n" for t, a, n in (row.split(",") for row in rows))
    landing.put("transactions/2025-04-24.csv", header + "".join(lines))
    taken = landing.take()
    assert [(row["transaction_id"], row["line_id"]) for row in taken.rows] == [
        ("T1", "1"),
        ("T1", "2"),
        ("T3", None),
        ("T3", None),
    ]
    assert [(row["row"], row["reasons"][0]) for row in taken.rejected] == [
        (3, f"{POSITION}: duplicate"),
        (5, f"{POSITION}: conflict"),
        (6, f"{POSITION}: conflict"),
    ]


def test_a_line_that_is_cancelled_the_second_time_is_a_conflict(landing: Landing) -> None:
    header = HEADER.rstrip() + ",line_id,cancelled\n"
    rows = "001,T1,2025-04-24,1,P1,1,false\n001,T1,2025-04-24,1,P1,1,true\n"
    landing.put("transactions/2025-04-24.csv", header + rows)
    assert landing.take().reasons == [[f"{POSITION}: conflict"]] * 2


def test_an_exact_copy_is_rejected_and_the_first_kept(landing: Landing) -> None:
    landing.put("transactions/2025-04-24.csv", HEADER + line() + line("002") + line())
    taken = landing.take(repeated_lines="refuse")
    assert [row[0] for row in taken.accepted] == ["001", "002"]
    assert taken.reasons == [[f"{POSITION}: duplicate"]]
    assert taken.places == [("transactions/2025-04-24.csv", 4)]


def test_another_amount_for_the_same_line_rejects_them_all(landing: Landing) -> None:
    text = line(amount="1") + line(amount="2") + line(amount="1") + line("002")
    landing.put("transactions/2025-04-24.csv", HEADER + text)
    taken = landing.take(repeated_lines="refuse")
    assert [row[0] for row in taken.accepted] == ["002"]
    assert taken.reasons == [[f"{POSITION}: conflict"]] * 3


def test_amounts_are_compared_after_rounding(landing: Landing) -> None:
    text = line(amount="1.001") + line(amount="1.00")
    landing.put("transactions/2025-04-24.csv", HEADER + text)
    assert landing.take(repeated_lines="refuse").reasons == [[f"{POSITION}: duplicate"]]


def test_duplicates_and_conflicts_are_found_across_files(landing: Landing) -> None:
    landing.put("transactions/2025-04-24/a.csv", HEADER + line() + line("002") + line("003"))
    landing.put("transactions/2025-04-24/b.csv", HEADER + line("002") + line("003", amount="9"))
    taken = landing.take(repeated_lines="refuse")
    assert [row[0] for row in taken.accepted] == ["001", "002"]
    assert [(place[0][-5:], place[1]) for place in taken.places] == [
        ("a.csv", 4),
        ("b.csv", 2),
        ("b.csv", 3),
    ]
    assert [reasons[0].split(": ")[1] for reasons in taken.reasons] == [
        "conflict",
        "duplicate",
        "conflict",
    ]


def test_a_row_rejected_anyway_makes_no_duplicate(landing: Landing) -> None:
    text = line(amount="-1") + line(amount="x") + line()
    landing.put("transactions/2025-04-24.csv", HEADER + text)
    taken = landing.take(repeated_lines="refuse")
    assert [row[3] for row in taken.accepted] == [Decimal("1.00")]
    assert taken.reasons == [["amount: negative"], ["amount: not a number"]]


def test_a_customer_with_and_without_a_score_is_a_conflict(landing: Landing) -> None:
    text = "1,0.5\n2,\n1,\n2,\n3,0.5\n3,0.50\n4,0.1\n4,0.2\n"
    landing.put("customers/2025-04-24.csv", SCORES + text)
    taken = landing.take_customers()
    assert taken.accepted == [("2", None), ("3", 0.5)]
    assert [(row["row"], row["reasons"][0]) for row in taken.rejected] == [
        (2, "customer_id: conflict"),
        (4, "customer_id: conflict"),
        (5, "customer_id: duplicate"),
        (7, "customer_id: duplicate"),
        (8, "customer_id: conflict"),
        (9, "customer_id: conflict"),
    ]


# ── the cap ──────────────────────────────────────────────────────────────────


def test_above_the_cap_the_five_commonest_reasons_are_told_with_an_example(
    landing: Landing,
) -> None:
    bad = [line(amount="abc")] * 3 + [line(amount="-1")] * 2 + ["x\n", line("", "")]
    good = [line(f"{n:03}") for n in range(93)]
    landing.put("transactions/2025-04-24.csv", HEADER + "".join(good + bad))
    with pytest.raises(TooManyRejected) as error:
        landing.take(max_rejected_share=0.05)
    told = str(error.value).splitlines()
    assert told[0] == (
        "transactions of 2025-04-24: 7 of 100 rows rejected (7.0%), more than"
        " ABINTEL_MAX_REJECTED_SHARE allows (5.0%). Nothing was published."
        " The commonest reasons:"
    )
    assert told[1] == (
        "  3 rows: amount: not a number, as transactions/2025-04-24.csv, row 95:"
        ' {"customer_id": "001", "transaction_id": "T1", "date": "2025-04-24",'
        ' "amount": "abc", "product_id": "P1"}'
    )
    assert [text.split(",")[0] for text in told[2:6]] == [
        "  2 rows: amount: negative",
        "  1 row: customer_id: missing",
        "  1 row: line: 1 field",
        "  1 row: transaction_id: missing",
    ]
    assert list(landing.staging.glob(".*")) == []
    assert landing.take(max_rejected_share=0.07).intake.rejected == 7


@pytest.mark.parametrize(("rejected", "cap"), [(29, 0.29), (57, 0.57), (58, 0.58)])
def test_the_cap_itself_is_allowed(landing: Landing, rejected: int, cap: float) -> None:
    lines = [line(f"{n:03}", amount="x" if n < rejected else "1") for n in range(100)]
    landing.put("transactions/2025-04-24.csv", HEADER + "".join(lines))
    assert landing.take(max_rejected_share=cap).intake.rejected == rejected
    with pytest.raises(TooManyRejected):
        landing.take(max_rejected_share=cap - 0.0001)


def test_with_no_share_allowed_one_rejected_row_is_too_many(landing: Landing) -> None:
    landing.put("transactions/2025-04-24.csv", HEADER + line() + "x\n")
    with pytest.raises(TooManyRejected, match="1 of 2 rows"):
        landing.take(max_rejected_share=0)
    landing.put("transactions/2025-04-24.csv", HEADER)
    assert landing.take(max_rejected_share=0).intake.received == 0


# ── the files ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_large_file_is_cut_into_even_row_groups(landing: Landing, quote: str) -> None:
    lines = [f"{quote}{n:06}{quote},T,2025-04-24,{n},P\n" for n in range(500_000)]
    landing.put("transactions/2025-04-24.csv", HEADER + "".join(lines))
    taken = landing.take()
    metadata = pq.read_metadata(taken.intake.accepted_rows.path)
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert groups == [122_880] * 4 + [500_000 - 4 * 122_880]
    assert [row[0] for row in taken.accepted] == [f"{n:06}" for n in range(500_000)]


def test_a_file_of_long_rows_is_read_in_slices_of_bounded_size(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_files, "SLICE_BYTES", 1_000_000)
    lines = [f"{n:06},T,2025-04-24,1,{'P' * 1000}\n" for n in range(5000)]
    landing.put("transactions/2025-04-24.csv", HEADER + "".join(lines))
    assert [row[0] for row in landing.take().accepted] == [f"{n:06}" for n in range(5000)]


def large() -> str:
    lines = [line(f"{n:06}", amount=str(n)) for n in range(260_000)]
    lines[200_000] = "x\n"
    lines[100_000] = line("a", amount="x")
    return HEADER + "".join(lines)


@pytest.mark.parametrize("text", [large(), large().replace("x\n", "").replace(",x,", ",1,")])
def test_the_same_delivery_gives_the_same_bytes_on_any_number_of_threads(
    landing: Landing, text: str
) -> None:
    landing.put("transactions/2025-04-24.csv", text)
    seen = set()
    for threads in (1, 2, 3):
        landing.take(threads=threads)
        files = sorted(landing.staging.iterdir())
        seen.add(tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in files))
    assert len(seen) == 1


def test_the_staged_files_are_what_the_store_publishes(landing: Landing) -> None:
    landing.put("transactions/2025-04-24.csv", HEADER + GOOD + "x\n")
    landing.put("customers/2025-04-24.csv", SCORES + "1,0.5\n1,0.6\n2,\n")
    settings = landing.settings(currency_decimals=3)
    store = SnapshotStore(settings.store)
    with engine(settings) as connection, store.staging() as folder:
        for how in (take_in_transactions, take_in_customers):
            intake = how(connection, settings, DAY, folder)
            assert intake is not None
            store.publish(intake.accepted_rows, intake.rejected_rows)
    lines = read_snapshot("raw_transactions", DAY, settings=landing.settings())
    assert lines["customer_id"].tolist() == ["001"]
    RawCustomers.validate(read_snapshot("raw_customers", DAY, settings=settings))
    RejectedCustomers.validate(read_snapshot("rejected_customers", DAY, settings=settings))
    for name in ("raw_transactions", "rejected_transactions"):
        path = store.path(TABLES[name], DAY)
        assert pq.read_metadata(path).metadata[b"abintel_table"] == name.encode()
        assert snapshot_rules(path).currency_decimals == 3
    amount = pq.read_schema(store.path(TABLES["raw_transactions"], DAY)).field("amount")
    assert str(amount.type) == "decimal128(18, 3)"


def test_a_file_that_lacks_its_rejected_rows_still_names_its_table(landing: Landing) -> None:
    landing.put("transactions/2025-04-24.csv", HEADER + GOOD + line(amount="many"))
    settings = landing.settings(max_rejected_share=0.5)
    with engine(settings) as connection:
        intake = take_in_transactions(connection, settings, DAY, landing.staging)
    assert intake is not None
    assert (intake.accepted, intake.rejected) == (1, 1)
    metadata = pq.read_metadata(intake.accepted_rows.path).metadata
    assert metadata[b"abintel_table"] == b"raw_transactions"


@pytest.mark.parametrize("lost", [line(), "x\n"])
def test_rows_that_get_lost_are_an_error(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Rows that were counted and are not read are a defect here."""
    landing.put("transactions/2025-04-24.csv", HEADER + line() + line("002") + "x\n")
    stage = csv_files._staged

    def losing(reading: Reading, slices: Slices, header: Header) -> tuple[Path, int]:
        text = slices.paths[0].read_text()
        slices.paths[0].write_text(text.replace(line(), "" if lost == line() else lost))
        return stage(reading, slices, header)

    monkeypatch.setattr(csv_files, "_staged", losing)
    with pytest.raises(IntakeBroken, match="2 good records were written, 1 were read"):
        landing.take()


@pytest.mark.parametrize(
    ("name", "content", "broken"),
    [
        ("transactions/2025-04-24.jsonl", "{}\n", "json.lines._add"),
        ("transactions/2025-04-24.csv", HEADER + "x\n", "csv.reader._raw_line"),
        ("transactions/2025-04-24.csv", HEADER + line(amount="x"), "csv.located.Located._in_run"),
        (
            "requests/2025-04-24.json",
            '{"customers": []}',
            "json.request_documents._add_transactions",
        ),
    ],
)
def test_a_reader_that_fails_leaves_no_file_open(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, name: str, content: str, broken: str
) -> None:
    opened = []

    class Watched(pq.ParquetWriter):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            opened.append(self)

    def fail(*_: object) -> None:
        raise MemoryError("half way")

    landing.put(name, content)
    monkeypatch.setattr(pq, "ParquetWriter", Watched)
    monkeypatch.setattr(f"abintel_pipeline.intake.{broken}", fail)
    with pytest.raises(MemoryError, match="half way"):
        landing.take()
    assert opened
    assert not [writer for writer in opened if writer.is_open]
