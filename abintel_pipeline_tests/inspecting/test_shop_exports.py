"""Exports of shop systems become deliveries by the lines that inspecting them prints."""

import csv
import gzip
import json
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pandas as pd
import pytest

from abintel_pipeline.inspecting import as_text
from abintel_pipeline_tests.inspecting import exports
from abintel_pipeline_tests.inspecting.inspected import inspected, made_as_told, spoken, written

REAL = Path(__file__).parent / "real"


def test_a_german_erp_export_is_read_with_its_marks_and_dates():
    seen = inspected(written(exports.GERMAN_ERP))
    assert as_text.env(seen) == [
        "ABINTEL_CSV_DELIMITER=';'",
        'ABINTEL_TRANSACTION_COLUMNS=\'{"customer_id": "Kundennr.", "transaction_id": "Belegnr.",'
        ' "date": "Belegdatum", "amount": "Betrag", "product_id": "Artikelnr."}\'',
        "ABINTEL_DECIMAL_MARK=','",
        "ABINTEL_DATE_FORMAT='%d.%m.%Y'",
        "ABINTEL_RETURNS=net",
    ]
    assert made_as_told(seen).customers == {
        "10001": (1244.42, 1),
        "10002": (1000.00, 1),
    }  # a return is no visit


def test_umlauts_of_windows_are_read_as_they_were_written():
    seen = inspected(written(exports.GERMAN_ERP.encode("cp1252")))
    assert seen.proposal.values["encoding"] == "cp1252"
    assert made_as_told(seen).customers == {
        "10001": (1244.42, 1),
        "10002": (1000.00, 1),
    }  # a return is no visit


def test_pieces_of_one_product_add_up_for_the_person_not_for_the_order():
    seen = inspected(written(exports.MARKETPLACE))
    assert seen.proposal.values["transaction_columns"] == {
        "customer_id": "customer_unique_id",
        "transaction_id": "order_id",
        "date": "order_purchase_timestamp",
        "amount": "price",
        "line_id": "order_item_id",
    }
    assert "customer_id may also be 'customer_id'" in spoken(seen)
    assert made_as_told(seen).customers == {"u1": (69.89, 2), "u2": (5.00, 1)}


def test_customers_that_r_calls_na_are_nobody():
    seen = inspected(written(exports.R_EXPORT))
    assert seen.proposal.values["nobody_ids"] == [""]
    assert "rows without a customer: 2 (50.0%), 10.00 of money" in spoken(seen)
    assert seen.trial.left_out_by == {"customer_id: NA": 2}
    assert made_as_told(seen).customers == {"A": (10.00, 1), "B": (20.00, 1)}


def test_shopify_counts_items_not_the_orders_total():
    seen = inspected(written(exports.SHOPIFY))
    assert seen.matches.system == "Shopify orders"
    assert seen.proposal.values["transaction_columns"] == {
        "cancelled": "Cancelled at",
        "customer_id": "Email",
        "transaction_id": "Name",
        "date": "Created at",
        "amount": "Lineitem quantity * Lineitem price",
        "product_id": "Lineitem sku",
    }
    assert seen.proposal.values["cancelled_words"] == {"": False, "*": True}
    totals = seen.trial.totals
    assert (totals.customers, totals.orders, float(totals.money), totals.cancelled) == (
        2,
        2,
        65.00,
        1,
    )


def test_a_cancelled_order_of_shopify_counts_for_nothing():
    assert made_as_told(inspected(written(exports.SHOPIFY))).customers == {
        "ann@example.com": (45.00, 1),
        "eve@example.com": (20.00, 1),
    }


def test_shopifys_status_keeps_the_rows_that_have_none():
    seen = inspected(written(exports.SHOPIFY))
    assert '# ABINTEL_KEEP_ROWS=\'{"Financial Status": ["paid", ""]}\'' in seen.proposal.choices
    assert "'Financial Status' says what became of an order: paid 2, refunded 1, nothing 1" in (
        spoken(seen)
    )


def test_the_day_of_a_timestamp_with_an_offset_is_told_to_depend_on_the_zone():
    seen = inspected(written(exports.SHOPIFY))
    assert "in UTC the day is another one in 1 row" in spoken(seen)


def test_woocommerce_offers_to_keep_what_was_not_cancelled():
    seen = inspected(written(exports.WOOCOMMERCE))
    mapping = seen.proposal.values["transaction_columns"]
    assert mapping["amount"] == "Order Line Total"
    assert mapping["customer_id"] == "Customer User ID"
    choices = seen.proposal.choices
    assert '# ABINTEL_KEEP_ROWS=\'{"Order Status": ["completed", "processing"]}\'' in choices
    (words,) = [line for line in choices if "CANCELLED_WORDS" in line]
    assert json.loads(words.partition("=")[2].strip("'")) == {
        "cancelled": True,
        "*": False,
        "": False,
    }
    assert made_as_told(seen).customers == {"0": (16.50, 1), "7": (5.00, 1), "8": (9.00, 1)}


def test_sap_writes_the_minus_behind_and_the_day_as_digits():
    seen = inspected(written(exports.SAP))
    assert seen.proposal.values["date_format"] == "YYYYMMDD"
    assert seen.proposal.values["returns"] == "net"
    assert seen.proposal.values["transaction_columns"]["line_id"] == "POSNR"
    made = made_as_told(seen)
    assert made.customers == {
        "0000100001": (299.70, 1),
        "0000100002": (0.00, 1),
    }  # a return is no visit


def test_the_price_of_an_amazon_item_is_not_multiplied():
    seen = inspected(written(exports.AMAZON, "orders.txt"))
    assert seen.amount.source == "item-price"
    assert made_as_told(seen).customers == {
        "ann@example.com": (20.0, 1),
        "bob@example.com": (10.0, 1),
    }


def test_three_columns_are_enough():
    seen = inspected(written(exports.THREE_COLUMNS))
    assert seen.proposal.values["transaction_columns"] == {
        "transaction_id": None,
        "date": "trans_date",
        "amount": "tran_amount",
        "product_id": None,
    }
    assert seen.proposal.values["date_format"] == "%d-%b-%y"
    assert seen.trial.totals.customers == 2
    assert seen.trial.totals.money == 126


def test_lines_of_online_retail_are_priced_exactly():
    source = REAL / "online-retail-lines.csv"
    seen = inspected(written(source.read_bytes(), "2010-12-08.csv"))
    assert seen.proposal.values["transaction_columns"]["amount"] == "Quantity * UnitPrice"
    assert "'Revenue' has float noise" in spoken(seen)
    spend: dict[str, Decimal] = defaultdict(Decimal)
    for row in csv.DictReader(source.open()):
        line = int(row["Quantity"]) * Decimal(row["UnitPrice"])
        cents = line.quantize(Decimal("0.01"), ROUND_HALF_UP)
        spend[row["CustomerID"].removesuffix(".0")] += cents
    found = {customer: total for customer, (total, _) in made_as_told(seen).customers.items()}
    assert found == {customer: float(total) for customer, total in spend.items()}


def test_invoices_of_online_retail_have_no_product():
    source = REAL / "online-retail-invoices.csv"
    seen = inspected(written(source.read_bytes(), "2011-12-09.csv"))
    assert seen.proposal.values["transaction_columns"]["product_id"] is None
    assert seen.proposal.values["transaction_columns"]["amount"] == "TotalPrice"
    frame = pd.read_csv(source, dtype={"CustomerID": str})
    wanted = frame.groupby("CustomerID").TotalPrice.sum().round(2).to_dict()
    found = {customer: total for customer, (total, _) in made_as_told(seen).customers.items()}
    assert found == pytest.approx(wanted)


def test_a_zipped_export_is_the_same_export():
    path = written(gzip.compress(exports.GERMAN_ERP.encode()), "orders.csv.gz")
    seen = inspected(path)
    assert seen.target.name == "2025-12-27.csv.gz"
    assert made_as_told(seen).customers == {
        "10001": (1244.42, 1),
        "10002": (1000.00, 1),
    }  # a return is no visit


def test_json_lines_are_read_by_their_keys():
    lines = [
        {"kunde": "A", "auftrag": 1, "datum": "2025-03-04", "umsatz": 12.5, "artikel": "P"},
        {"kunde": "B", "auftrag": 2, "datum": "2025-03-05", "umsatz": 7, "artikel": "P"},
    ]
    text = "\n".join(map(json.dumps, lines))
    assert made_as_told(inspected(written(text, "orders.jsonl"))).customers == {
        "A": (12.5, 1),
        "B": (7.0, 1),
    }


def test_parquet_is_read_with_its_types():
    frame = pd.DataFrame(
        {
            "CustomerID": ["001", "002"],
            "order_no": [7, 8],
            "ordered": pd.to_datetime(["2025-03-04 10:00", "2025-03-05 23:00"]),
            "revenue": [1.5, 2.25],
            "sku": ["P1", "P2"],
        }
    )
    frame.to_parquet("orders.parquet")
    seen = inspected(Path("orders.parquet"))
    assert seen.proposal.values["transaction_columns"]["date"] == "ordered"
    assert made_as_told(seen).customers == {"001": (1.5, 1), "002": (2.25, 1)}


def excel() -> Path:
    exports.write_xlsx(
        Path("orders.xlsx"),
        [
            ["Kunde", "Auftrag", "Datum", "Umsatz", "Artikel"],
            [17850.0, "R-1", "2025-03-04", 19.9, "P1"],
            [17851.0, "R-2", "2025-03-05", 5.0, "P2"],
        ],
    )
    return Path("orders.xlsx")


def test_an_excel_file_is_told_by_its_first_sheet():
    seen = inspected(excel())
    assert spoken(seen).startswith("orders.xlsx: Excel, first sheet, 'Orders'; 2 rows")
    assert [(one.name, one.kind, one.example) for one in seen.columns][:1] == [
        ("Kunde", "whole number", "17850")
    ]


def test_an_excel_file_becomes_a_delivery():
    assert made_as_told(inspected(excel())).customers == {"17850": (19.9, 1), "17851": (5.0, 1)}


def test_excels_sep_line_is_not_the_header():
    seen = inspected(written("sep=;\n" + exports.GERMAN_ERP))
    assert made_as_told(seen).customers == {
        "10001": (1244.42, 1),
        "10002": (1000.00, 1),
    }  # a return is no visit


def test_loyalty_scores_are_a_table_of_their_own():
    seen = inspected(
        written("Kundennummer;Score\nA;0,5\nB;0,75\n", "crm-2025-03-04.csv"), table="customers"
    )
    assert as_text.env(seen) == [
        "ABINTEL_CSV_DELIMITER=';'",
        'ABINTEL_CUSTOMER_COLUMNS=\'{"customer_id": "Kundennummer", "loyalty_score": "Score"}\'',
        "ABINTEL_DECIMAL_MARK=','",
    ]
    assert (seen.trial.accepted, seen.trial.totals.customers) == (2, 2)
    assert seen.target == Path("data/landing/customers/2025-03-04.csv")


def test_saps_invoices_with_a_flag_for_cancelled_ones_become_a_delivery():
    seen = inspected(written(exports.SAP_INVOICES.encode("cp1252"), "sap_20261103.csv"))
    assert "csv_delimiter" not in seen.proposal.values  # a tab is found, and hard to paste
    assert made_as_told(seen).customers == {
        "0000123456": (1348.80, 1),
        "0000123457": (-512.40, 1),
    }
