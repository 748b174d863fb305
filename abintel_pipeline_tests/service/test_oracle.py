"""Random requests, answered by the calls and by the plain Python oracle."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from abintel_pipeline.rules import Rules
from abintel_pipeline.service.calls.calls import Calls
from abintel_pipeline.service.calls.documents import Features
from abintel_pipeline_tests import oracle, strategies
from abintel_pipeline_tests.metrics.running import PLAIN, reproducible

Row = dict[str, Any]
TODAY = strategies.SNAPSHOT
EVER = Rules(history_days=3660)


body = msgspec.json.Encoder(decimal_format="number").encode
"""JSON with decimals as they are written."""


@st.composite
def requests(draw: st.DrawFn) -> Row:
    """Customers in any order; amounts with up to four decimals, so that some have to be rounded."""
    ids = draw(st.lists(strategies.customer_ids, min_size=1, max_size=6, unique=True))
    identity = st.tuples(
        st.sampled_from(["T1", "T2", "t:1"]), strategies.days, st.sampled_from(["P1", "p1", "é"])
    )
    made = []
    for customer_id in ids:
        lines = draw(st.lists(identity, min_size=1, max_size=5))
        transactions = [
            {
                "transaction_id": order,
                "date": day,
                "amount": draw(strategies.amounts(draw(st.sampled_from([2, 2, 3, 4])))),
                "product_id": product,
            }
            for order, day, product in lines
        ]
        score = draw(st.sampled_from([None, 0.0, 0.25, 1.0]))
        given = {} if score is None and draw(st.booleans()) else {"loyalty_score": score}
        made.append({"customer_id": customer_id, "transactions": transactions, **given})
    return {"today": TODAY, "customers": made}


def delivered(request: Row, *, orders_only: bool) -> tuple[list[Row], list[Row]]:
    """A request as the pipeline's request tables, amounts rounded as intake rounds them."""
    lines, customers = [], []
    for customer in request["customers"]:
        owner = {"customer_id": customer["customer_id"], "delivered_on": TODAY}
        customers.append(owner | {"loyalty_score": customer.get("loyalty_score")})
        for number, line in enumerate(customer["transactions"]):
            own = {"transaction_id": str(number), "product_id": ""} if orders_only else {}
            lines.append(PLAIN | line | own | owner | {"amount": _rounded(line["amount"])})
    return lines, customers


def _rounded(amount: Decimal) -> Decimal:
    return Decimal(int(oracle.half_up(Fraction(amount), 2) * 100)) / 100


def in_order(request: Row, rows: list[Row]) -> list[Row]:
    """An oracle's rows as they are published, in the order in which the customers were sent."""
    by_id = {row["customer_id"]: row for row in oracle.published(rows)}
    return [by_id[customer["customer_id"]] for customer in request["customers"]]


@given(requests())
@reproducible(80)
def test_the_features_are_the_oracles(calls: Calls, request: Row):
    lines, customers = delivered(request, orders_only=False)
    wanted = in_order(request, oracle.features(lines, customers, TODAY, EVER))
    response = json.loads(msgspec.json.encode(calls.customer_features(body(request))))
    names = Features.__struct_fields__
    assert response["customers"] == [
        {"customer_id": row["customer_id"], "features": {name: row[name] for name in names}}
        for row in wanted
    ]


@given(requests(), st.integers(2, 10))
@reproducible(60)
def test_the_rfm_scores_and_thresholds_are_the_oracles(calls: Calls, request: Row, bins: int):
    lines, _ = delivered(request, orders_only=True)
    rules = Rules(bins=bins, history_days=3660)
    cohort = oracle.features(lines, [], TODAY, rules)
    scored = oracle.loyalty(cohort, rules)
    rows = in_order(request, oracle.rfm(cohort, scored, rules))
    orders = [
        {
            "customer_id": customer["customer_id"],
            "transactions": [
                {"date": line["date"], "amount": line["amount"]}
                for line in customer["transactions"]
            ],
        }
        for customer in request["customers"]
    ]
    sent = body({"today": TODAY, "customers": orders, "bins": bins})
    response = json.loads(msgspec.json.encode(calls.customer_rfm(sent)))
    left_out = {"snapshot_date", "loyalty_score", "segment"}
    assert response["customers"] == [
        {name: row[name] for name in row.keys() - left_out} for row in rows
    ]
    cuts = oracle.published(oracle.thresholds(cohort, scored, rules))
    assert response["thresholds"] == {
        metric: [cut["threshold"] for cut in cuts if cut["metric"] == metric]
        for metric in ("recency", "frequency", "monetary")
    }


@given(strategies.cohorts(requested=True), st.data())
@reproducible(60)
def test_the_loyalty_scores_and_their_summary_are_the_oracles(
    calls: Calls, cohort: list[Row], data: st.DataObject
):
    weights = data.draw(st.none() | strategies.weights())
    segments = data.draw(st.none() | strategies.segment_thresholds())
    options = {
        name: value
        for name, value in {"weights": weights, "segment_thresholds": segments}.items()
        if value is not None
    }
    rules = Rules(**options)
    wanted = oracle.published(oracle.loyalty(cohort, rules))
    metrics = ("purchase_total", "visit_frequency", "avg_ticket", "product_diversity")
    customers = [
        {
            "customer_id": row["customer_id"],
            "features": {name: float(row[name]) for name in (*metrics, "recency_days")},
        }
        for row in cohort
    ]
    sent = json.dumps({"customers": customers, **options}).encode()
    response = json.loads(msgspec.json.encode(calls.customer_loyalty(sent)))
    names = ("customer_id", "loyalty_score", "segment")
    assert response["customers"] == [{name: row[name] for name in names} for row in wanted]
    (summary,) = oracle.published([oracle.summary(cohort, wanted, rules)])
    assert response["summary"] == {
        "mean_score": summary["mean_score"],
        "median_score": summary["median_score"],
        "top_decile_threshold": summary["top_decile_threshold"],
        "segment_counts": json.loads(summary["segment_counts"]),
    }
    assert list(response["summary"]["segment_counts"]) == list(rules.segment_thresholds)
