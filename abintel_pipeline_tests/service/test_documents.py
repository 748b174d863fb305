"""The documents' examples: what they print is answered, and where they can't be right, what is."""

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from abintel_pipeline.service.calls.calls import Calls
from abintel_pipeline.service.calls.documents import encode
from abintel_pipeline.service.calls.examples import EXAMPLES
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.service import documents


def formatted(json_text: bytes) -> bytes:
    """JSON laid out as in the documents: two spaces, one value a line."""
    return msgspec.json.format(json_text, indent=2) + b"\n"


def test_the_features_response_is_the_documents_byte_for_byte(calls: Calls):
    response = calls.customer_features(documents.FEATURES_REQUEST)
    assert formatted(encode(response)) == documents.FEATURES_RESPONSE


def test_the_loyalty_example_scores_one_and_zero(calls: Calls):
    """The document prints 0.87 for C-1002. Under min-max over two customers the better one gets 1
    in every metric and the other 0, so under any weights. Gold and Bronze are counted here too.
    The 90th percentile of 0 and 1 is 0.9.
    """
    response = json.loads(encode(calls.customer_loyalty(documents.LOYALTY_REQUEST)))
    assert response == {
        "customers": [
            {"customer_id": "C-1001", "loyalty_score": 1.0, "segment": "Platinum"},
            {"customer_id": "C-1002", "loyalty_score": 0.0, "segment": "At-Risk"},
        ],
        "summary": {
            "mean_score": 0.5,
            "median_score": 0.5,
            "top_decile_threshold": 0.9,
            "segment_counts": {"Platinum": 1, "Gold": 0, "Silver": 0, "Bronze": 0, "At-Risk": 1},
        },
    }
    assert next(iter(response["summary"]["segment_counts"])) == "Platinum"


def test_the_rfm_examples_metrics_are_the_documents_and_its_scores_those_of_its_customers(
    calls: Calls,
):
    """The printed thresholds are of another cohort, and equal frequencies can't score 4 and 2.

    Of recency 3 and 109 the quantiles are 3 + k/5 · 106 = 24.2, 45.4, 66.6, 87.8; of frequency 2
    and 2 they are 2; of 195.90 and 830.55 they are 195.90 + k/5 · 634.65. C-1001: no threshold
    below 3, four at or above: R 5; frequency 2 passes none: F 1; 830.55 passes four: M 5. Of the
    totals 3 and 11 the 70th percentile is 8.6 and the 20th 4.6: Loyal and At-Risk.
    """
    response = json.loads(encode(calls.customer_rfm(documents.RFM_REQUEST)))
    best, worst = response["customers"]
    assert list(best.items()) == [
        ("customer_id", "C-1001"),
        ("recency_days", 3),
        ("frequency", 2),
        ("monetary_total", 830.55),
        ("recency_score", 5),
        ("frequency_score", 1),
        ("monetary_score", 5),
        ("rfm_class", "515"),
        ("rfm_total", 11),
        ("rfm_tier", "Loyal"),
        ("interpretation", "Loyal – regular buyers of above-average value"),
    ]
    assert [worst[key] for key in ("recency_days", "frequency", "monetary_total")] == [
        109,
        2,
        195.9,
    ]
    assert (worst["rfm_class"], worst["rfm_tier"]) == ("111", "At-Risk")
    assert worst["interpretation"] == "At-Risk – infrequent, low recent activity"
    assert response["thresholds"] == {
        "recency": [87.8, 66.6, 45.4, 24.2],
        "frequency": [2.0, 2.0, 2.0, 2.0],
        "monetary": [322.83, 449.76, 576.69, 703.62],
    }


def test_the_documents_twelve_thresholds_come_from_the_cohort_they_describe(calls: Calls):
    """Recency 1, 3 and 109, frequency 2, 3 and 4, monetary 195.90, 660.00 and 1228.95."""

    def customer(name: str, dates: list[str], total: float) -> dict:
        amounts = [total, *[0] * (len(dates) - 1)]
        events = [{"date": d, "amount": a} for d, a in zip(dates, amounts, strict=True)]
        return {"customer_id": name, "transactions": events}

    request = {
        "today": "2025-04-24",
        "customers": [
            customer("a", ["2025-04-23"] * 2, 195.90),
            customer("b", ["2025-04-21"] * 3, 660.00),
            customer("c", ["2025-01-05"] * 4, 1228.95),
        ],
    }
    response = calls.customer_rfm(json.dumps(request).encode())
    assert msgspec.to_builtins(response.thresholds) == {
        "recency": [66.6, 24.2, 2.6, 1.8],
        "frequency": [2.4, 2.8, 3.2, 3.6],
        "monetary": [381.54, 567.18, 773.79, 1001.37],
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_on_the_openapi_page_are_the_documents_and_their_answers(
    calls: Calls, name: str
):
    example = EXAMPLES[name]
    assert example.request == json.loads(documents.REQUESTS[name])
    answer = getattr(calls, name)(documents.REQUESTS[name])
    assert example.response == json.loads(encode(answer))


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("today", [{}, {"today": None}], ids=["left out", "null"])
def test_today_is_the_date_in_the_configured_time_zone(zone: str, today: dict, tmp_path):
    """The two zones are 25 hours apart: never on the same date."""
    calls = Calls(Settings(_env_file=None, data_dir=tmp_path, timezone=zone))
    before = datetime.now(ZoneInfo(zone)).date()
    event = {"date": str(before - timedelta(days=7)), "amount": 1}
    request = {"customers": [{"customer_id": "a", "transactions": [event]}], **today}
    response = calls.customer_rfm(json.dumps(request).encode())
    passed = (datetime.now(ZoneInfo(zone)).date() - before).days
    assert response.customers[0].recency_days in (7, 7 + passed)
    calls.close()


def test_a_score_of_minus_zero_is_answered_as_zero(calls: Calls):
    body = documents.FEATURES_REQUEST.replace(b"0.97", b"-0.0")
    assert b'"loyalty_score":0.0' in encode(calls.customer_features(body).customers[0])
