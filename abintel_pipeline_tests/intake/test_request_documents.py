"""Request documents, as the features document defines them."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from abintel_pipeline.intake import DeliveryError
from abintel_pipeline_tests.intake.conftest import DAY, Landing

NAME = "requests/2025-04-24.json"
CONTRACT = """
{
  "today": "2025-04-24",
  "customers": [
    {
      "customer_id": "C-1001",
      "loyalty_score": 0.97,
      "transactions": [
        { "transaction_id": "T-001", "date": "2025-04-21", "amount": 520.55, "product_id": "P-01" },
        { "transaction_id": "T-002", "date": "2025-04-18", "amount": 398.40, "product_id": "P-02" }
      ]
    },
    {
      "customer_id": "C-1002",
      "transactions": [
        { "transaction_id": "T-004", "date": "2025-01-05", "amount": 120.00, "product_id": "P-10" },
        { "transaction_id": "T-005", "date": "2024-12-19", "amount": 75.90,  "product_id": "P-11" }
      ]
    }
  ]
}
"""
ITEM = {"transaction_id": "T1", "date": "2025-04-24", "amount": 1, "product_id": "P1"}


def deliver(landing: Landing, *customers: Any) -> Landing:
    landing.put(NAME, json.dumps({"customers": customers}))
    return landing


def customer(name: Any = "001", items: Any = (ITEM,), **more: Any) -> dict[str, Any]:
    return {"customer_id": name, "transactions": items, **more}


def test_the_contracts_example_becomes_its_lines(landing: Landing) -> None:
    landing.put(NAME, CONTRACT)
    taken = landing.take()
    assert taken.accepted == [
        ("C-1001", "T-001", date(2025, 4, 21), Decimal("520.55"), "P-01"),
        ("C-1001", "T-002", date(2025, 4, 18), Decimal("398.40"), "P-02"),
        ("C-1002", "T-004", date(2025, 1, 5), Decimal("120.00"), "P-10"),
        ("C-1002", "T-005", date(2024, 12, 19), Decimal("75.90"), "P-11"),
    ]
    assert (taken.intake.files, taken.intake.late) == ((NAME,), 4)


def test_the_contracts_example_becomes_its_customers(landing: Landing) -> None:
    landing.put(NAME, CONTRACT)
    taken = landing.take_customers()
    assert taken.accepted == [("C-1001", 0.97), ("C-1002", None)]
    assert taken.intake.late == 0


def test_reasons_name_the_place_in_the_document(landing: Landing) -> None:
    bad = [
        {**ITEM, "amount": "abc", "date": "2025-02-30"},
        ITEM,
        ITEM,
        {**ITEM, "amount": 2, "transaction_id": True},
    ]
    taken = deliver(landing, customer("002"), customer("001", bad), customer(None)).take()
    place = "customers[1].transactions"
    assert taken.accepted == [
        ("002", "T1", DAY, Decimal("1.00"), "P1"),
        ("001", "T1", DAY, Decimal("1.00"), "P1"),
        ("001", "T1", DAY, Decimal("1.00"), "P1"),
    ]
    assert taken.reasons == [
        [f"{place}[0].amount: not a number", f"{place}[0].date: not an ISO calendar date"],
        [f"{place}[3].transaction_id: not text"],
        ["customers[2].customer_id: missing"],
    ]
    assert taken.places == [(NAME, 2), (NAME, 5), (NAME, 6)]
    assert taken.raw[0] == {"customer_id": "001", **bad[0]}
    assert taken.intake.reasons["customers[].transactions[].amount: not a number"] == 1


def test_copies_are_rejected_by_their_place_where_a_source_never_repeats_a_line(
    landing: Landing,
) -> None:
    taken = deliver(landing, customer("001", [ITEM, ITEM])).take(repeated_lines="refuse")
    assert taken.reasons == [["customers[0].transactions[1]: duplicate"]]


def test_a_documents_rows_need_no_column_that_only_files_have(landing: Landing) -> None:
    columns = {"amount": "Quantity * Price"}
    taken = deliver(landing, customer("001", [{**ITEM, "amount": 2.5}])).take(
        transaction_columns=columns, keep_rows={"Status": ["paid"]}, decimal_mark=","
    )
    assert [row[3] for row in taken.accepted] == [Decimal("2.50")]
    assert taken.intake.left_out == 0


def test_transactions_that_are_no_objects_are_rejected(landing: Landing) -> None:
    document = '{"customers": [{"customer_id": "1", "transactions": [7, {"a": 1, "a": NaN}]}, 8]}'
    landing.put(NAME, document)
    taken = landing.take()
    assert taken.reasons == [
        ["customers[0].transactions[0]: not an object"],
        ["customers[0].transactions[1]: key 'a' stands twice"],
    ]
    assert taken.raw == [7, {"a": "NaN"}]


def test_customers_are_rejected_with_every_reason(landing: Landing) -> None:
    taken = deliver(
        landing,
        customer(loyalty_score=1.5),
        customer("  ", [], loyalty_score="high"),
        customer("003", None),
        customer("004", {"a": 1}),
        customer("005", loyalty_score=0.5),
        customer("005", loyalty_score=0.5),
        customer("006", loyalty_score=0.5),
        customer("006"),
        [],
        customer(["007"]),
    ).take_customers()
    assert taken.accepted == [("005", 0.5)]
    assert taken.reasons == [
        ["customers[0].loyalty_score: not in 0..1"],
        [
            "customers[1].customer_id: blank",
            "customers[1].loyalty_score: not a number",
            "customers[1].transactions: empty",
        ],
        ["customers[2].transactions: missing"],
        ["customers[3].transactions: not an array"],
        ["customers[5]: duplicate"],
        ["customers[6]: conflict"],
        ["customers[7]: conflict"],
        ["customers[8]: not an object"],
        ["customers[9].customer_id: not text"],
    ]
    assert [place[1] for place in taken.places] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert taken.raw[1] == {"customer_id": "  ", "loyalty_score": "high"}


def test_today_may_be_left_out_or_null(landing: Landing) -> None:
    landing.put(NAME, json.dumps({"today": None, "customers": [customer()]}))
    assert landing.take().intake.accepted == 1


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{"customers": [}', "line 1, column 16: is not JSON (Expecting value)"),
        ("", "line 1, column 1: is not JSON"),
        ("[]", "no array `customers`"),
        ("{}", "no array `customers`"),
        ('{"customers": {}}', "no array `customers`"),
        ('{"customers": [], "customers": []}', "key 'customers' stands twice"),
        ('{"today": "2025-04-25", "customers": []}', '`today` is "2025-04-25", but'),
        ('{"today": 20250424, "customers": []}', "`today` is 20250424, but"),
        (b'{"customers": "caf\xe9"}', "byte 19: is not UTF-8"),
        ("[" * 200_000, "nested too deep"),
    ],
)
def test_a_document_that_is_no_request_fails(
    landing: Landing, document: str | bytes, message: str
) -> None:
    landing.put(NAME, document)
    for take in (landing.take, landing.take_customers):
        with pytest.raises(DeliveryError, match=r"^requests/2025-04-24\.json") as error:
            take()
        assert message in str(error.value)
