"""Whatever is wrong with a request is told by its place, what was there and what is wanted."""

import json
from typing import Any

import pytest

from abintel_pipeline.service.calls.calls import Calls
from abintel_pipeline.service.calls.documents import Fault
from abintel_pipeline.service.calls.faults import Faulty, NotJson, Refused
from abintel_pipeline_tests.service.documents import FEATURES_REQUEST, LOYALTY_REQUEST, RFM_REQUEST

DATE = "an ISO calendar date, YYYY-MM-DD"


def refused(call: Any, body: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        call(body)
    return caught.value


def faults(call: Any, body: bytes) -> list[tuple[str, str, str]]:
    error = refused(call, body)
    assert isinstance(error, Faulty), error
    assert error.problem.status == 422
    return [(fault.place, fault.wanted, fault.found) for fault in error.problem.faults]


@pytest.mark.parametrize(
    ("there", "instead", "fault"),
    [
        (
            b'"customer_id": "C-1001",',
            b"",
            ("customers[0].customer_id", "this field, it is required", ""),
        ),
        (b'"C-1002"', b"1002", ("customers[1].customer_id", "string", "1002")),
        (b'"C-1002"', b"null", ("customers[1].customer_id", "string", "null")),
        (b'"today": "2025-04-24"', b'"today": "24.4.2025"', ("today", DATE, '"24.4.2025"')),
        (b'"today": "2025-04-24"', b'"now": 1', ("now", "no such field", "1")),
        (
            b'"2025-04-18"',
            b'"2025-02-30"',
            ("customers[0].transactions[1].date", DATE, '"2025-02-30"'),
        ),
        (
            b'"2025-04-18"',
            b'"2025-04-18T10:00:00"',
            ("customers[0].transactions[1].date", DATE, '"2025-04-18T10:00:00"'),
        ),
        (b'"2025-04-18"', b"20250418", ("customers[0].transactions[1].date", "date", "20250418")),
        (b"520.55", b"true", ("customers[0].transactions[0].amount", "number", "true")),
        (b"520.55", b'"520.55"', ("customers[0].transactions[0].amount", "number", '"520.55"')),
        (b"520.55", b"1e309", ("customers[0].transactions[0].amount", "a finite number", "1e309")),
        (
            b"520.55",
            b"9" * 400,
            ("customers[0].transactions[0].amount", "a finite number", "9" * 100 + "…"),
        ),
        (b"0.97", b"false", ("customers[0].loyalty_score", "number or null", "false")),
        (
            b'"P-11" }',
            b'"P-11", "sku": {"a": 1} }',
            ("customers[1].transactions[1].sku", "no such field", '{"a": 1}'),
        ),
        (
            b'"amount": 75.90,',
            b'"amount": 75.90, "amount": 1,',
            ("customers[1].transactions[1].amount", "a key once, it stands twice", ""),
        ),
        (
            b'"amount": 75.90,',
            b'"am\\u006funt": 1, "amount": 75.90,',
            ("customers[1].transactions[1].amount", "a key once, it stands twice", ""),
        ),
        (
            b'"loyalty_score": 0.97',
            b'"loyalty_score": 1, "loyalty_score": 0.97',
            ("customers[0].loyalty_score", "a key once, it stands twice", ""),
        ),
        (b'"today"', b'"today": null, "today"', ("today", "a key once, it stands twice", "")),
        (
            b'"T-001"',
            b'"T\\u0000"',
            ("customers[0].transactions[0].transaction_id", "a text without NUL characters", ""),
        ),
    ],
)
def test_the_first_fault_of_structure_is_told(
    calls: Calls, there: bytes, instead: bytes, fault: tuple[str, str, str]
):
    body = FEATURES_REQUEST.replace(there, instead, 1)
    assert body != FEATURES_REQUEST
    assert faults(calls.customer_features, body) == [fault]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"[]", ("the document", "object", "[]")),
        (b"null", ("the document", "object", "null")),
        (b"{}", ("customers", "this field, it is required", "")),
        (b'{"customers": []}', ("customers", "array with at least 1 element", "[]")),
        (b'{"customers": {}}', ("customers", "array", "{}")),
        (b'{"customers": [[]]}', ("customers[0]", "object", "[]")),
        (
            b'{"customers": [{"customer_id": "a", "transactions": []}]}',
            ("customers[0].transactions", "array with at least 1 element", "[]"),
        ),
    ],
)
def test_a_document_without_its_arrays_is_refused(
    calls: Calls, body: bytes, fault: tuple[str, str, str]
):
    assert faults(calls.customer_features, body) == [fault]
    assert faults(calls.customer_rfm, body) == [fault]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "cut off"),
        (b'{"customers": [', "cut off"),
        (b'{"customers": [1]} {}', "trailing characters"),
        (b"\xef\xbb\xbf{}", "byte 0"),
        (FEATURES_REQUEST.replace(b"C-1001", "é".encode("latin-1")), "not UTF-8"),
        ("{}".encode("utf-16"), "malformed"),
        (FEATURES_REQUEST.replace(b"520.55", b"NaN"), "malformed"),
        (FEATURES_REQUEST.replace(b"520.55", b"-Infinity"), "malformed"),
        (FEATURES_REQUEST.replace(b"520.55", b"0520.55"), "malformed"),
        (FEATURES_REQUEST.replace(b"C-1001", b"\\ud800"), "lone surrogate"),
        (FEATURES_REQUEST.replace(b"C-1001", b"\xed\xa0\x80"), "not UTF-8"),
        (b'{"customers": [' + b"[" * 100_000, "nested too deep"),
    ],
)
def test_what_is_not_json_is_told_apart(calls: Calls, body: bytes, detail: str):
    error = refused(calls.customer_features, body)
    assert isinstance(error, NotJson)
    assert error.problem.status == 400
    assert detail in error.problem.detail


def test_every_fault_of_value_is_told(calls: Calls):
    request = json.loads(FEATURES_REQUEST)
    first, second = request["customers"]
    first["customer_id"] = second["customer_id"] = "  "
    first["loyalty_score"] = 1.5
    first["transactions"][0] |= {"amount": -0.001, "product_id": " "}
    first["transactions"][1] |= {"amount": 12345678901234567, "transaction_id": ""}
    second["transactions"][0]["date"] = "2025-04-25"
    second["transactions"][1]["date"] = "2025-04-24"
    assert faults(calls.customer_features, json.dumps(request).encode()) == [
        ("customers[0].customer_id", "a text that isn't blank", '"  "'),
        ("customers[0].loyalty_score", "a number in 0..1", "1.5"),
        ("customers[0].transactions[0].amount", "a number >= 0", "-0.001"),
        ("customers[0].transactions[0].product_id", "a text that isn't blank", '" "'),
        (
            "customers[0].transactions[1].amount",
            "at most 16 digits before the point",
            "12345678901234567",
        ),
        ("customers[0].transactions[1].transaction_id", "a text that isn't blank", '""'),
        ("customers[1].customer_id", "a text that isn't blank", '"  "'),
        ("customers[1].customer_id", "an id once, it stands twice", '"  "'),
        ("customers[1].transactions[0].date", "a date not after 2025-04-24", '"2025-04-25"'),
    ]


def test_at_most_100_faults_are_listed_and_all_are_counted(calls: Calls):
    event = {"date": "2025-01-01", "amount": -1}
    customers = [{"customer_id": str(n), "transactions": [event, event]} for n in range(80)]
    body = json.dumps({"customers": customers, "bins": 11}).encode()
    problem = refused(calls.customer_rfm, body).problem
    assert problem.total_faults == 161
    assert len(problem.faults) == 100
    assert problem.faults[0] == Fault("bins", "a number less than or equal to 10", "11")
    assert problem.faults[99].place == "customers[49].transactions[0].amount"
    assert problem.detail.startswith("bins: wanted")
    assert problem.detail.endswith("160 more")


def test_lines_of_one_order_day_and_product_are_all_counted(calls: Calls):
    request = json.loads(FEATURES_REQUEST)
    lines = request["customers"][1]["transactions"]
    lines += [lines[0] | {"amount": 5}, lines[0] | {"amount": 5}]
    made = calls.customer_features(json.dumps(request).encode()).customers[1].features
    # 120.00 + 75.90 of two orders, and twice 5 more of the first: 205.90 / 2.
    assert (made.purchase_total, made.visit_frequency, made.avg_ticket) == (205.9, 2.0, 102.95)
    assert made.product_diversity == 2.0


@pytest.mark.parametrize(
    ("there", "column"),
    [(b"17850.55", "purchase_total"), (b"287.27", "avg_ticket")],
)
def test_features_below_zero_are_refused_though_a_snapshot_may_have_them(
    calls: Calls, there: bytes, column: str
):
    body = LOYALTY_REQUEST.replace(there, b"-0.01")
    place = f"customers[0].features.{column}"
    assert faults(calls.customer_loyalty, body) == [(place, "a number >= 0", "-0.01")]


def test_no_product_at_all_is_refused_though_a_snapshot_may_have_it(calls: Calls):
    body = LOYALTY_REQUEST.replace(b'"product_diversity": 36', b'"product_diversity": 0')
    place = "customers[0].features.product_diversity"
    assert faults(calls.customer_loyalty, body) == [(place, "a number >= 1", "0")]


def test_two_orders_of_the_same_day_and_amount_are_two_orders(calls: Calls):
    event = b'{ "date": "2025-01-05", "amount": 120.00 }'
    body = RFM_REQUEST.replace(event, event + b"," + event)
    second = calls.customer_rfm(body).customers[1]
    assert (second.frequency, second.monetary_total) == (3, 315.9)


@pytest.mark.parametrize(
    ("there", "instead", "fault"),
    [
        (b"17850.55", b"-1", ("customers[0].features.purchase_total", "a number >= 0", "-1")),
        (
            b"17850.55",
            b"1e16",
            ("customers[0].features.purchase_total", "at most 16 digits before the point", "1e16"),
        ),
        (
            b": 62",
            b": 62.5",
            (
                "customers[0].features.visit_frequency",
                "a whole number below 9,007,199,254,740,992",
                "62.5",
            ),
        ),
        (b": 62", b": 0", ("customers[0].features.visit_frequency", "a number >= 1", "0")),
        (
            b": 15",
            b": 2147483648",
            (
                "customers[1].features.recency_days",
                "a whole number below 2,147,483,648",
                "2147483648",
            ),
        ),
        (b": 15", b": -3", ("customers[1].features.recency_days", "a number >= 0", "-3")),
        (
            b": 15",
            b': 15, "loyalty_score": 2',
            ("customers[1].features.loyalty_score", "a number in 0..1", "2"),
        ),
        (
            b'"C-1002"',
            b'"C-1001"',
            ("customers[1].customer_id", "an id once, it stands twice", '"C-1001"'),
        ),
        (
            b"0.25",
            b"-0.25",
            (
                "weights.purchase_total",
                "another value: the weight of purchase_total is -0.25",
                "-0.25",
            ),
        ),
        (
            b'"purchase_total": 0.25',
            b'"spend": 0.25',
            ("weights.spend", "another value: unknown metric 'spend'", "0.25"),
        ),
        (
            b'{\n  "weights"',
            b'{"segment_thresholds": {"A": 0.5}, "weights"',
            (
                "segment_thresholds",
                "another value: the lowest segment starts at 0.5",
                '{"A": 0.5}',
            ),
        ),
        (
            b'{\n  "weights"',
            b'{"segment_thresholds": {"A": "0"}, "weights"',
            ("segment_thresholds.A", "number", '"0"'),
        ),
        (
            b'"recency_days": 0.20',
            b'"recency_days": 0.20, "recency_days": 0.20',
            ("weights.recency_days", "a key once, it stands twice", ""),
        ),
    ],
)
def test_faults_of_the_loyalty_call(
    calls: Calls, there: bytes, instead: bytes, fault: tuple[str, str, str | None]
):
    body = LOYALTY_REQUEST.replace(there, instead, 1)
    assert body != LOYALTY_REQUEST
    ((place, wanted, found),) = faults(calls.customer_loyalty, body)
    assert place == fault[0]
    assert wanted.startswith(fault[1])
    assert fault[2] is None or found == fault[2]


def test_every_fault_of_the_rules_is_told(calls: Calls):
    weights = {"purchase_total": -1, "spend": 1, "avg_ticket": 2, "recency_days": -0.5}
    segments = {"Platinum": 1, "Gold": 1.5, "Silver": -0.5, "Rest": 0}
    body = json.loads(LOYALTY_REQUEST) | {"weights": weights, "segment_thresholds": segments}
    body["customers"][0]["features"]["purchase_total"] = -1
    found = faults(calls.customer_loyalty, json.dumps(body).encode())
    assert [(place, there) for place, _, there in found] == [
        ("weights.spend", "1"),
        ("weights.purchase_total", "-1"),
        ("weights.recency_days", "-0.5"),
        ("segment_thresholds.Gold", "1.5"),
        ("segment_thresholds.Silver", "-0.5"),
        ("customers[0].features.purchase_total", "-1"),
    ]


def test_every_pair_of_segments_from_the_same_score_is_told(calls: Calls):
    segments = {"A": 0.9, "B": 0.9, "C": 0.9, "D": 0.1}
    body = json.loads(LOYALTY_REQUEST) | {"segment_thresholds": segments}
    found = faults(calls.customer_loyalty, json.dumps(body).encode())
    assert [(place, wanted.partition(":")[2].split(": ")[0]) for place, wanted, _ in found] == [
        ("segment_thresholds.B", " segments 'A' and 'B' both start at 0.9"),
        ("segment_thresholds.C", " segments 'B' and 'C' both start at 0.9"),
        ("segment_thresholds", " the lowest segment starts at 0.1"),
    ]


@pytest.mark.parametrize(
    ("there", "wanted"), [("null", "number"), ("[]", "number"), ("1e309", "a finite number")]
)
def test_a_weight_of_another_json_type_is_told_by_its_key(calls: Calls, there: str, wanted: str):
    weights = f'{{"recency_days": 1, "avg_ticket": {there}, "purchase_total": true}}'
    body = json.dumps(json.loads(LOYALTY_REQUEST) | {"weights": {}}).encode()
    body = body.replace(b'"weights": {}', b'"weights": ' + weights.encode())
    assert faults(calls.customer_loyalty, body) == [("weights.avg_ticket", wanted, there)]


def test_there_are_at_most_100_segments(calls: Calls):
    segments = {str(n): n / 200 for n in range(101)}
    body = json.loads(LOYALTY_REQUEST) | {"segment_thresholds": segments}
    ((place, wanted, _),) = faults(calls.customer_loyalty, json.dumps(body).encode())
    assert (place, wanted) == ("segment_thresholds", "object with at most 100 entries")
    del segments["100"]
    assert calls.customer_loyalty(json.dumps(body).encode()).customers[0].segment == "99"


@pytest.mark.parametrize(
    ("bins", "wanted"),
    [
        (b"1", "a number greater than or equal to 2"),
        (b"11", "a number less than or equal to 10"),
        (b"9" * 400, "a number less than or equal to 10"),
        (b"5.0", "integer or null"),
        (b"true", "integer or null"),
        (b'"5"', "integer or null"),
    ],
)
def test_bins_are_a_whole_number_from_2_to_10(calls: Calls, bins: bytes, wanted: str):
    body = RFM_REQUEST.replace(b'"bins": 5', b'"bins": ' + bins)
    ((place, said, _),) = faults(calls.customer_rfm, body)
    assert (place, said) == ("bins", wanted)


def test_colons_and_escapes_in_texts_are_no_faults(calls: Calls):
    for text in (b"a:b::", b"\\u003a", b"\\\\u0000", b'\\"x\\": 1', "é:ü".encode(), b"\\u00e9:"):
        body = FEATURES_REQUEST.replace(b"T-001", text).replace(b"C-1001", b"C:" + text)
        response = calls.customer_features(body)
        assert response.customers[0].customer_id == "C:" + json.loads(b'"' + text + b'"')


def test_an_escaped_colon_does_not_hide_a_key_that_stands_twice(calls: Calls):
    """The text's colon isn't written, the key's is once too often: their numbers cancel out."""
    body = FEATURES_REQUEST.replace(b"T-001", b"\\u003A").replace(
        b'"amount": 75.90,', b'"amount": 75.90, "amount": 75.90,'
    )
    ((place, _, _),) = faults(calls.customer_features, body)
    assert place == "customers[1].transactions[1].amount"


@pytest.mark.parametrize(
    ("amount", "total"),
    [
        (b"0.285", 0.29),  # stored as 0.28499999999999998
        (b"0.28499999999999999999999", 0.28),  # the same number as 0.285, but not the same text
        (b"1.005", 1.01),
        (b"-0.0", 0.0),
        (b"5e-324", 0.0),
        (b"9999999999999999.99", 1e16),  # 18 digits are kept exactly, until they are JSON again
        (b"70368744177664.005", 70368744177664.01),  # 2**46 and half a cent
    ],
)
def test_amounts_are_rounded_half_up_as_they_are_written(calls: Calls, amount: bytes, total: float):
    customer = b'{"customer_id": "a", "transactions": [{"date": "2025-01-01", "amount": %s}]}'
    response = calls.customer_rfm(b'{"customers": [' + customer % amount + b"]}")
    assert response.customers[0].monetary_total == total
