"""Deliveries that people met, each from its file to its snapshot.

The expected values are worked by hand from the small files, or, of the two real exports, come from
tables that other programs made. `real_exports/README.md` says where the files are from.
"""

import csv
import gzip
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from abintel_pipeline.intake import DeliveryError, Intake, take_in_transactions
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import take_in_days
from abintel_pipeline_tests.shop import Shop, day, days

EXPORTS = Path(__file__).with_name("real_exports")
Features = dict[str, tuple[float, int, int]]
"""{customer: (purchase_total, visit_frequency, recency_days)}"""


@dataclass
class Taken:
    """The deliveries of some days, taken in, and what became of those that couldn't be."""

    shop: Shop
    intakes: dict[date, Intake | None]
    failed: str = ""
    rejected: list[tuple[int, list[str]]] = field(default_factory=list)

    def features(self, on: str) -> Features:
        """The features of a day's snapshot, which is made for it with all that follows."""
        self.shop.snapshot(on)
        rows = self.shop.read("customer_features", on).to_dict("records")
        return {
            row["customer_id"]: (row["purchase_total"], row["visit_frequency"], row["recency_days"])
            for row in rows
        }


@pytest.fixture
def take(tmp_path: Path) -> Iterator[Any]:
    """Takes in the deliveries of a case."""
    opened: list[Any] = []

    def take_case(name: str, first: str, last: str | None = None, **changes: Any) -> Taken:
        root = tmp_path / f"{name}-{len(opened)}"
        shutil.copytree(EXPORTS / "cases" / name, root / "landing")
        return take_in(root, first, last or first, changes)

    def take_in(root: Path, first: str, last: str, changes: dict[str, Any]) -> Taken:
        context = Shop.open(Settings(_env_file=None, data_dir=root, **changes))
        shop = context.__enter__()
        opened.append(context)
        taken = Taken(shop, {})
        try:
            for one, intake in take_in_days(shop.step, days(first, last), take_in_transactions):
                taken.intakes[one] = intake
        except DeliveryError as error:
            taken.failed = str(error)
        for one in taken.intakes:
            if taken.intakes[one] is not None:
                rows = shop.read("rejected_transactions", str(one)).to_dict("records")
                taken.rejected += [(row["row"], list(row["reasons"])) for row in rows]
        return taken

    take_case.files = take_in  # type: ignore[attr-defined]
    yield take_case
    for context in opened:
        context.__exit__(None, None, None)


def counts(intake: Intake | None) -> tuple[int, int, int, int]:
    assert intake is not None
    return intake.received, intake.accepted, intake.rejected, intake.left_out


# ── lines, orders, returns ───────────────────────────────────────────────────


def test_the_same_product_three_times_in_an_order_is_paid_three_times(take: Any) -> None:
    features = take("same-product-twice-one-order", "2024-03-05").features("2024-03-05")
    assert features["C1"] == (64.89, 1, 0)  # 3 · 21.63


def test_a_configurable_product_written_as_two_rows_is_one_purchase(take: Any) -> None:
    features = take("magento-configurable", "2024-03-05").features("2024-03-05")
    assert features["C1"] == (49.90, 1, 0)  # 49.90 + 0.00


def test_an_order_over_midnight_is_two_visits(take: Any) -> None:
    """An order is (transaction_id, date), as the documents' table has it."""
    features = take("order-over-midnight", "2024-03-05").features("2024-03-05")
    assert features["C1"] == (15.00, 2, 0)


def test_an_order_corrected_to_nothing_is_still_a_visit(take: Any) -> None:
    taken = take("cancelled-order", "2024-03-04", "2024-03-05")
    assert taken.features("2024-03-05")["C1"] == (0.00, 1, 1)


def test_an_order_that_is_cancelled_never_was(take: Any, tmp_path: Path) -> None:
    folder = tmp_path / "cancelled" / "landing" / "transactions"
    shutil.copytree(EXPORTS / "cases" / "cancelled-order" / "transactions", folder)
    (folder / "2024-03-05.csv").write_text(
        "customer_id,transaction_id,date,amount,product_id,cancelled\n"
        "C1,T1,2024-03-04,10.00,P1,yes\n"
        "C3,T3,2024-03-05,4.00,P1,\n"
    )
    taken = take.files(tmp_path / "cancelled", "2024-03-04", "2024-03-05", {})
    assert set(taken.features("2024-03-04")) == {"C1", "C2"}
    assert taken.features("2024-03-05") == {"C2": (10.00, 1, 1), "C3": (4.00, 1, 0)}


def test_a_credit_line_is_rejected_or_netted(take: Any) -> None:
    taken = take("negative-refund-line", "2024-03-05")
    assert counts(taken.intakes[day("2024-03-05")]) == (31, 30, 1, 0)
    assert taken.rejected == [(3, ["amount: negative"])]
    taken = take("negative-refund-line", "2024-03-05", returns="net")
    assert taken.features("2024-03-05")["C1"] == (5.00, 1, 0)  # 15.00 - 10.00, one visit


def test_a_tie_passes_no_threshold(take: Any) -> None:
    taken = take("half-ties", "2024-03-05", bins=2)
    taken.features("2024-03-05")
    rfm = taken.shop.read("customer_rfm", "2024-03-05")
    assert len(rfm) == 201  # 100 spent 0.00 and 101 spent 1.00: the median is 1
    assert set(rfm["monetary_score"]) == {1}


# ── ids ──────────────────────────────────────────────────────────────────────


def test_whole_decimals_are_ids(take: Any) -> None:
    features = take("decimal38-ids-parquet", "2024-03-05").features("2024-03-05")
    assert features == {"1001": (19.90, 1, 0), "1002": (5.00, 1, 0)}


def test_nobody_is_called_na(take: Any) -> None:
    taken = take("na-text-ids", "2024-03-05")
    assert counts(taken.intakes[day("2024-03-05")]) == (100, 95, 5, 0)
    assert [reasons for _, reasons in taken.rejected] == [["customer_id: missing"]] * 5
    assert "NA" not in taken.features("2024-03-05")
    taken = take("na-text-ids", "2024-03-05", nobody_ids=[""])
    assert counts(taken.intakes[day("2024-03-05")]) == (100, 95, 0, 5)


def test_an_id_that_was_a_float_for_a_day_is_one_customer(take: Any) -> None:
    taken = take("float-ids-split", "2024-03-04", "2024-03-05")
    assert taken.features("2024-03-05") == {"17850": (30.00, 2, 0)}


def test_padded_ids_are_one_customer(take: Any) -> None:
    features = take("padded-ids", "2024-03-05").features("2024-03-05")
    assert features == {"C1": (30.00, 2, 0), "C2": (5.00, 1, 0)}


def test_float_ids_of_a_parquet_file_are_taken_in_and_the_missing_one_rejected(take: Any) -> None:
    taken = take("parquet-float-ids", "2024-03-05")
    assert counts(taken.intakes[day("2024-03-05")]) == (43, 42, 1, 0)
    assert [reasons for _, reasons in taken.rejected] == [["customer_id: missing"]]
    assert taken.features("2024-03-05")["17850"] == (1.00, 1, 0)


def test_one_name_in_two_unicode_forms_is_one_customer(take: Any) -> None:
    features = take("utf8-forms", "2024-03-05").features("2024-03-05")
    assert features == {"JOS\u00c9": (30.00, 2, 0), "C2": (1.00, 1, 0)}


# ── CSV ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("setting", [{"csv_delimiter": ";"}, {}])
def test_an_excel_sep_line_is_no_header(take: Any, setting: dict[str, str]) -> None:
    taken = take("excel-sep-line", "2024-03-05", **setting)
    assert counts(taken.intakes[day("2024-03-05")]) == (3, 3, 0, 0)


def test_escaped_quotes_never_shift_a_column(take: Any) -> None:
    taken = take("backslash-escaped-quotes", "2024-03-05", max_rejected_share=1)
    assert [row for row, _ in taken.rejected] == [2, 3]
    assert set(taken.features("2024-03-05")) == {"C3", "C4"}


def test_blank_lines_and_lines_of_spaces_are_no_rows(take: Any) -> None:
    taken = take("blank-and-space-lines", "2024-03-05")
    assert counts(taken.intakes[day("2024-03-05")]) == (30, 30, 0, 0)


def test_a_delimiter_at_the_end_of_every_line_is_no_harm(take: Any) -> None:
    taken = take("trailing-delimiter", "2024-03-05")
    assert counts(taken.intakes[day("2024-03-05")]) == (30, 30, 0, 0)


def test_a_header_in_capitals_is_the_same_header(take: Any) -> None:
    taken = take("upper-case-header", "2024-03-05")
    assert counts(taken.intakes[day("2024-03-05")])[2:] == (0, 0)


def test_a_footer_is_one_rejected_row(take: Any) -> None:
    taken = take("footer-line", "2024-03-05")
    assert counts(taken.intakes[day("2024-03-05")]) == (31, 30, 1, 0)
    assert taken.rejected == [(33, ["line: 1 field, the header has 5"])]


def test_a_description_in_latin_1_needs_its_encoding_named(take: Any) -> None:
    taken = take("latin1-description", "2024-03-05")
    assert "ABINTEL_ENCODING" in taken.failed
    taken = take("latin1-description", "2024-03-05", encoding="latin-1")
    assert counts(taken.intakes[day("2024-03-05")]) == (100, 100, 0, 0)


def test_dates_are_never_guessed_between_day_first_and_month_first(take: Any) -> None:
    taken = take("day-first-dates", "2024-03-05")
    assert "3 of 3 rows rejected" in taken.failed
    assert "date: not an ISO calendar date" in taken.failed
    taken = take("day-first-dates", "2024-03-05", date_format="%d/%m/%Y")
    assert taken.features("2024-03-05")["C1"] == (10.00, 1, 0)


def test_nothing_inside_a_rejected_record_is_a_row(take: Any) -> None:
    taken = take("line-end-in-a-rejected-record", "2025-04-24", max_rejected_share=1)
    intake = taken.intakes[day("2025-04-24")]
    assert intake is not None
    assert "C9" not in taken.features("2025-04-24")
    injected = [row for row, _ in taken.rejected if row == 5]
    assert injected == [5]  # the record begins in line 5 and ends in line 7
    assert not {6, 7} & {row for row, _ in taken.rejected}


def test_a_source_of_three_columns_is_taken_in(take: Any) -> None:
    columns = {
        "date": "trans_date",
        "amount": "tran_amount",
        "transaction_id": None,
        "product_id": None,
    }
    taken = take("three-column-source", "2024-03-05", transaction_columns=columns)
    assert taken.features("2024-03-05") == {"CS5295": (35.00, 1, 1), "CS4768": (39.00, 1, 0)}
    diversity = taken.shop.read("customer_features", "2024-03-05")["product_diversity"]
    assert set(diversity) == {0}


# ── Parquet and JSON ─────────────────────────────────────────────────────────


def test_int96_timestamps_are_instants_in_utc(take: Any) -> None:
    taken = take("int96-timestamps", "2024-03-05", source_timezone="Europe/Berlin")
    features = taken.features("2024-03-05")
    assert {c: recency for c, (_, _, recency) in features.items()} == {"C1": 0, "C2": 0, "C3": 1}
    taken = take("int96-timestamps", "2024-03-05")
    assert "a timestamp; set ABINTEL_SOURCE_TIMEZONE to take its day" in taken.failed


def test_a_decimal256_is_exact(take: Any) -> None:
    taken = take("decimal256", "2024-03-05")
    lines = taken.shop.read("raw_transactions", "2024-03-05")
    assert lines["amount"].tolist() == [Decimal("1234567890123.45")]


def test_a_parquet_without_rows_is_a_day_without_sales(take: Any) -> None:
    taken = take("zero-row-parquet", "2024-03-04", "2024-03-05")
    assert counts(taken.intakes[day("2024-03-05")]) == (0, 0, 0, 0)
    assert set(taken.features("2024-03-05")) == {"C1", "C2", "C3"}


def test_parquet_files_of_two_writers_are_one_delivery(take: Any) -> None:
    features = take("parquet-files-of-two-writers", "2024-03-05").features("2024-03-05")
    assert features["001"] == (5.00, 2, 0)  # 1.50 + 3.50
    assert set(features) == {"001", "002", "003"}


def test_instants_count_on_their_day_in_the_sources_zone(take: Any) -> None:
    taken = take("utc-timestamps-berlin", "2024-03-05", source_timezone="Europe/Berlin")
    features = taken.features("2024-03-05")
    assert {c: recency for c, (_, _, recency) in features.items()} == {"C1": 0, "C2": 0, "C3": 1}


def test_what_windows_leaves_in_a_folder_is_ignored(take: Any) -> None:
    taken = take("thumbs-db-in-day-folder", "2024-03-05")
    assert counts(taken.intakes[day("2024-03-05")]) == (3, 3, 0, 0)


def test_milliseconds_since_1970_are_no_date(take: Any) -> None:
    taken = take("pandas-jsonl-epoch", "2024-03-05")
    assert "date: not an ISO calendar date" in taken.failed


def test_a_column_may_stand_in_a_folders_name(take: Any) -> None:
    features = take("partition-column-in-folder", "2024-03-05").features("2024-03-05")
    assert features == {"C1": (1.00, 1, 0)}


# ── days ─────────────────────────────────────────────────────────────────────


def test_a_day_that_never_was_is_one_without_a_delivery(take: Any) -> None:
    """Samoa crossed the date line: it had no 30 December 2011."""
    zone = {"timezone": "Pacific/Apia", "first_day": date(2011, 12, 1)}
    taken = take("day-that-never-was", "2011-12-29", "2011-12-31", **zone)
    assert taken.intakes[day("2011-12-30")] is None
    features = taken.features("2011-12-31")
    assert {c: recency for c, (_, _, recency) in features.items()} == {"C1": 2, "C2": 0}


def test_a_timestamp_of_year_one_costs_its_row_and_nothing_else(take: Any) -> None:
    zone = {"source_timezone": "America/New_York"}
    taken = take("year-one-timestamp", "2025-04-24", "2025-04-26", **zone)
    assert taken.failed == ""
    assert [(row, reasons[0].split(",")[0]) for row, reasons in taken.rejected] == [
        (2, "date: before 1980-01-01")
    ]
    assert set(taken.intakes) == set(days("2025-04-24", "2025-04-26"))
    assert taken.features("2025-04-26")["C1"] == (20.00, 2, 0)


@pytest.mark.parametrize("name", ["damaged-parquet-among-good-days", "column-name-not-utf8"])
def test_a_damaged_file_stops_its_day_by_name_and_no_other(take: Any, name: str) -> None:
    taken = take(name, "2025-04-24", "2025-04-26")
    assert taken.failed.startswith("transactions/2025-04-24.parquet: ")
    assert list(taken.intakes) == [day("2025-04-25"), day("2025-04-26")]
    assert taken.features("2025-04-26")["C1"] == (20.00, 2, 0)


# ── two real exports, to the last digit ──────────────────────────────────────


def test_online_retails_lines_give_every_value_of_the_expected_table(
    take: Any, tmp_path: Path
) -> None:
    columns = {
        "customer_id": "CustomerID",
        "transaction_id": "InvoiceNo",
        "date": "InvoiceDate",
        "amount": "Quantity * UnitPrice",
        "product_id": "StockCode",
    }
    settings = {"transaction_columns": columns, "date_format": "%Y-%m-%d %H:%M:%S"}
    export = unpacked(tmp_path / "lines", "online-retail-lines-2010-12-08", "2010-12-08.csv")
    taken = take.files(export, "2010-12-08", "2010-12-08", settings)
    assert counts(taken.intakes[day("2010-12-08")]) == (10_000, 10_000, 0, 0)
    assert differences(taken, "2010-12-08", "online-retail-lines") == []
    assert total(taken, "2010-12-08") == (390, Decimal("193542.69"))


def test_online_retails_invoices_give_every_value_of_the_expected_table(
    take: Any, tmp_path: Path
) -> None:
    columns = {
        "customer_id": "CustomerID",
        "transaction_id": "InvoiceNo",
        "date": "InvoiceDate",
        "amount": "TotalPrice",
        "product_id": None,
    }
    export = unpacked(tmp_path / "invoices", "online-retail-invoices-2011-12-09", "2011-12-09.csv")
    taken = take.files(export, "2011-12-09", "2011-12-09", {"transaction_columns": columns})
    assert counts(taken.intakes[day("2011-12-09")]) == (18_532, 18_532, 0, 0)
    assert differences(taken, "2011-12-09", "online-retail-invoices") == []
    assert total(taken, "2011-12-09") == (4_338, Decimal("8911407.90"))


def unpacked(root: Path, name: str, as_file: str) -> Path:
    folder = root / "landing" / "transactions"
    folder.mkdir(parents=True)
    (folder / as_file).write_bytes(gzip.decompress((EXPORTS / f"{name}.csv.gz").read_bytes()))
    return root


NAMES = {"R": "recency_score", "F": "frequency_score", "M": "monetary_score"}


def differences(taken: Taken, on: str, name: str) -> list[str]:
    """Every value that isn't the expected table's."""
    taken.shop.snapshot(on)
    found: dict[str, dict[str, Any]] = {}
    for table in ("customer_rfm", "customer_features", "customer_loyalty"):
        for row in taken.shop.read(table, on).to_dict("records"):
            found.setdefault(row["customer_id"], {}).update(row)
    with gzip.open(EXPORTS / f"{name}-expected-{on}.csv.gz", "rt") as file:
        expected = {row["customer_id"]: row for row in csv.DictReader(file)}
    assert set(found) == set(expected)
    return [
        f"{customer}.{column}: {found[customer][NAMES.get(column, column)]}, expected {value}"
        for customer, row in expected.items()
        for column, value in row.items()
        if not same(found[customer][NAMES.get(column, column)], value)
    ]


def same(found: Any, expected: str) -> bool:
    return found == expected if isinstance(found, str) else Decimal(str(found)) == Decimal(expected)


def total(taken: Taken, on: str) -> tuple[int, Decimal]:
    spent = taken.shop.read("customer_features", on)["purchase_total"]
    return len(spent), sum(map(Decimal, map(str, spent)), Decimal(0))
