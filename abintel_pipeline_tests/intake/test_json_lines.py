"""JSON-lines deliveries."""

import json
from decimal import Decimal
from typing import Any

import pytest

from abintel_pipeline.intake import DeliveryError
from abintel_pipeline_tests.intake.conftest import DAY, Landing

NAME = "transactions/2025-04-24.jsonl"
GOOD = (
    '{"customer_id": "001", "transaction_id": "T1", "date": "2025-04-24",'
    ' "amount": 1.005, "product_id": "P1"}'
)
ROW = ("001", "T1", DAY, Decimal("1.01"), "P1")


def deliver(landing: Landing, *lines: str | bytes, **changes: Any):
    content = b"\n".join(s if isinstance(s, bytes) else s.encode() for s in lines)
    landing.put(NAME, content)
    return landing.take(**changes)


def other(**changes: Any) -> str:
    return json.dumps({**json.loads(GOOD), "transaction_id": "T2", **changes})


def test_lines_are_rows_and_blank_lines_are_none(landing: Landing) -> None:
    taken = deliver(landing, "\ufeff" + GOOD, "", "  \r", other(amount="2.50", note=[1]) + "\r")
    assert taken.accepted == [ROW, ("001", "T2", DAY, Decimal("2.50"), "P1")]


def test_numbers_keep_their_text(landing: Landing) -> None:
    text = other().replace("1.005", "9007199254740993.005").replace('"001"', "12345678901234567890")
    assert deliver(landing, text).accepted == [
        ("12345678901234567890", "T2", DAY, Decimal("9007199254740993.01"), "P1")
    ]


@pytest.mark.parametrize("number", ["0", "1", "-7", "12345678901234567890123"])
def test_a_whole_number_is_an_id_by_its_own_text(landing: Landing, number: str) -> None:
    taken = deliver(landing, GOOD.replace('"001"', number))
    assert [row[0] for row in taken.accepted] == [number]


@pytest.mark.parametrize("number", ["17850.0", "17850.00"])
def test_a_whole_number_that_was_a_float_is_an_id_by_its_digits(
    landing: Landing, number: str
) -> None:
    taken = deliver(landing, GOOD.replace('"001"', number))
    assert [row[0] for row in taken.accepted] == ["17850"]


@pytest.mark.parametrize("number", ["1e0", "1E5", "-1.5", "0.05", "1.0e0"])
def test_a_number_with_decimals_or_an_exponent_is_no_id(landing: Landing, number: str) -> None:
    taken = deliver(landing, GOOD.replace('"001"', number))
    assert taken.reasons == [["customer_id: not text"]]


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"amount": True}, ["amount: not a number"]),
        ({"amount": [1]}, ["amount: not a number"]),
        ({"amount": {"value": 1}}, ["amount: not a number"]),
        ({"amount": "12,50"}, ["amount: not a number"]),
        ({"amount": ""}, ["amount: blank"]),
        ({"amount": None}, ["amount: missing"]),
        ({"amount": float("nan")}, ["amount: missing"]),
        ({"amount": float("-inf")}, ["amount: not a number"]),
        ({"amount": "\ud800"}, ["amount: not a number"]),
        ({"customer_id": True}, ["customer_id: not text"]),
        ({"customer_id": float("nan")}, ["customer_id: missing"]),
        ({"customer_id": float("inf")}, ["customer_id: not text"]),
        ({"customer_id": ["001"]}, ["customer_id: not text"]),
        ({"customer_id": None}, ["customer_id: missing"]),
        ({"customer_id": ""}, ["customer_id: blank"]),
        ({"customer_id": "\ud800"}, ["customer_id: not UTF-8 text"]),
        ({"date": 20250424}, ["date: not an ISO calendar date"]),
        ({"date": False}, ["date: not an ISO calendar date"]),
        ({"product_id": {}, "amount": -1}, ["amount: negative", "product_id: not text"]),
    ],
)
def test_a_bad_value_is_rejected(
    landing: Landing, change: dict[str, Any], reasons: list[str]
) -> None:
    taken = deliver(landing, GOOD, "", other(**change))
    assert taken.accepted == [ROW]
    assert taken.reasons == [reasons]
    assert taken.places == [(NAME, 3)]
    assert set(taken.raw[0]) == set(json.loads(GOOD))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (other()[:-1] + ', "amount": 2}', "key 'amount' stands twice"),
        (other()[:-1], "not JSON (column 105: Expecting ',' delimiter)"),
        ("[1, 2]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"a": ' + "[" * 100_000, "not a JSON object (nested too deep)"),
        (b'{"customer_id": "caf\xe9"}', "not UTF-8"),
        ('{"customer_id": "' + "x" * 3_000_000 + '"}', "longer than 1 MiB"),
    ],
)
def test_a_line_that_is_no_object_is_rejected(
    landing: Landing, line: str | bytes, reason: str
) -> None:
    taken = deliver(landing, line, GOOD)
    assert taken.accepted == [ROW]
    assert taken.reasons == [[f"line: {reason}"]]
    assert taken.places == [(NAME, 1)]
    shown = line.decode("utf-8", "backslashreplace") if isinstance(line, bytes) else line
    assert taken.raw == [{"line": shown[:10_000]}]


def test_keys_that_are_not_there_are_missing_values(landing: Landing) -> None:
    taken = deliver(landing, "{}")
    assert taken.reasons[0] == [
        f"{c}: missing" for c in ("amount", "customer_id", "date", "product_id", "transaction_id")
    ]


def test_keys_of_other_names_are_mapped(landing: Landing) -> None:
    line = GOOD.replace('"amount"', '"total"')
    assert deliver(landing, line, transaction_columns={"amount": "total"}).accepted == [ROW]


def test_keys_match_without_regard_to_case_and_may_differ_from_row_to_row(
    landing: Landing,
) -> None:
    shouted = GOOD.replace('"amount"', '" AMOUNT "').replace('"date"', '"Date"')
    taken = deliver(landing, shouted, other(), GOOD.replace('"T1"', '"T3", "line_id": 7'))
    assert [row[3] for row in taken.accepted] == [Decimal("1.01")] * 3
    assert [row["line_id"] for row in taken.rows] == [None, None, "7"]


def test_numbers_of_json_have_a_point_whatever_the_source_writes_in_texts(
    landing: Landing,
) -> None:
    taken = deliver(landing, GOOD, other(amount="1.234,50"), decimal_mark=",")
    assert [row[3] for row in taken.accepted] == [Decimal("1.01"), Decimal("1234.50")]


@pytest.mark.parametrize("content", ["", "\ufeff", "\n\n", " \r\n\t\n"])
def test_an_empty_file_is_no_delivery_of_an_empty_day(landing: Landing, content: str) -> None:
    with pytest.raises(DeliveryError, match=f"^{NAME}: is empty: .* CSV file that has its header"):
        deliver(landing, content)
    assert list(landing.staging.iterdir()) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_utf_16_fails(landing: Landing, encoding: str) -> None:
    with pytest.raises(DeliveryError, match=f"^{NAME}: is not UTF-8"):
        deliver(landing, GOOD.encode(encoding))


def test_more_rows_than_one_batch_stay_in_order(landing: Landing) -> None:
    taken = deliver(landing, *(other(customer_id=f"{n:06}") for n in range(45_000)))
    assert [row[0] for row in taken.accepted] == [f"{n:06}" for n in range(45_000)]
