"""However a request is divided, and on whichever path it is computed, the answer is the same."""

import json
import random
import weakref
from typing import Any

import pytest

from abintel_pipeline.service.calls import calls as calls_module
from abintel_pipeline.service.calls import decoding, enforcing, formulas, plan_tables
from abintel_pipeline.service.calls.calls import Calls
from abintel_pipeline.service.calls.documents import encode
from abintel_pipeline.service.calls.faults import Faulty

CUSTOMERS = 40


@pytest.fixture
def divided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of a few rows, computed while the next is decoded, by the engine for large ones."""
    monkeypatch.setattr(decoding, "BATCH", 3)
    monkeypatch.setattr(decoding, "CHUNK", 10)
    monkeypatch.setattr(calls_module, "ALONE", 0)
    monkeypatch.setattr(formulas, "SMALL_ROWS", 0)
    monkeypatch.setattr(formulas, "BATCH_ROWS", 7)
    monkeypatch.setattr(plan_tables, "BLOCK", 9)


def requests(seed: int) -> dict[str, dict]:
    """One request per call, of customers with one to nine transactions of one to three products."""
    chance = random.Random(seed)
    lines = {
        str(n): [
            {
                "transaction_id": f"T{chance.randrange(4)}",
                "date": f"2025-03-{chance.randrange(1, 29):02}",
                "amount": chance.choice([1, 0.5, 19.99, 0.285, 1234567.891]),
                "product_id": f"P{order}",
            }
            for order in range(chance.randrange(1, 10))
        ]
        for n in range(CUSTOMERS)
    }
    events = {n: [{k: line[k] for k in ("date", "amount")} for line in lines[n]] for n in lines}
    features = {
        n: {
            "purchase_total": chance.randrange(10_000) / 100,
            "visit_frequency": chance.randrange(1, 9),
            "avg_ticket": chance.randrange(10_000) / 100,
            "product_diversity": chance.randrange(1, 5),
            "recency_days": chance.randrange(60),
        }
        for n in lines
    }
    named = {"customer_features": lines, "customer_rfm": events}
    made = {
        call: [{"customer_id": n, "transactions": rows} for n, rows in of.items()]
        for call, of in named.items()
    }
    made["customer_loyalty"] = [{"customer_id": n, "features": row} for n, row in features.items()]
    return {
        call: {"customers": customers}
        | ({} if call == "customer_loyalty" else {"today": "2025-03-31"})
        for call, customers in made.items()
    }


@pytest.mark.parametrize("call", ["customer_features", "customer_loyalty", "customer_rfm"])
@pytest.mark.parametrize("seed", range(3))
def test_a_divided_request_has_the_same_answer(
    calls: Calls, call: str, seed: int, request: pytest.FixtureRequest
):
    body = json.dumps(requests(seed)[call]).encode()
    whole = encode(getattr(calls, call)(body))
    request.getfixturevalue("divided")
    assert encode(getattr(calls, call)(body)) == whole


def test_faults_have_their_places_in_the_request_and_not_in_the_chunk(calls: Calls, divided: None):
    document = requests(1)["customer_features"]
    customers = document["customers"]
    customers[30]["transactions"][-1]["amount"] = -1
    customers[39]["customer_id"] = "0"
    last = len(customers[30]["transactions"]) - 1
    with pytest.raises(Faulty) as caught:
        calls.customer_features(json.dumps(document).encode())
    assert [fault.place for fault in caught.value.problem.faults] == [
        f"customers[30].transactions[{last}].amount",
        "customers[39].customer_id",
    ]
    customers[35]["transactions"][0]["date"] = "yesterday"
    with pytest.raises(Faulty) as caught:
        calls.customer_features(json.dumps(document).encode())
    assert [fault.place for fault in caught.value.problem.faults] == [
        "customers[35].transactions[0].date"
    ]


def test_equal_texts_of_a_large_answer_are_one_object(calls: Calls, divided: None):
    customers = calls.customer_rfm(json.dumps(requests(0)["customer_rfm"]).encode()).customers
    by_value: dict[str, set[int]] = {}
    for customer in customers:
        for text in (customer.rfm_class, customer.rfm_tier, customer.interpretation):
            by_value.setdefault(text, set()).add(id(text))
    assert len(customers) == CUSTOMERS
    assert {len(objects) for objects in by_value.values()} == {1}


@pytest.mark.parametrize("call", ["customer_loyalty", "customer_rfm"])
def test_nothing_is_left_of_a_request_but_its_cohort_when_that_is_scored(
    calls: Calls, divided: None, call: str, monkeypatch: pytest.MonkeyPatch
):
    """A request of 550,000 customers is split into as many objects, and holds their ids again."""
    alive: list[weakref.ref[Any]] = []
    seen = []

    def spied(kind: type[Any]) -> Any:
        def made(*of: Any) -> Any:
            one = kind(*of)
            alive.append(weakref.ref(one))
            return one

        return made

    cohort = plan_tables.cohort

    def looked(parts: Any) -> Any:
        seen.append([one() is None for one in alive])
        return cohort(parts)

    monkeypatch.setattr(calls_module, "DecodedRequest", spied(decoding.DecodedRequest))
    monkeypatch.setattr(calls_module, "Enforcement", spied(enforcing.Enforcement))
    monkeypatch.setattr(plan_tables, "cohort", looked)
    getattr(calls, call)(json.dumps(requests(0)[call]).encode())
    assert seen == [[True, True]]
