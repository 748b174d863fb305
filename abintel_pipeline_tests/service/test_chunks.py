"""However a request is divided, and on whichever path it is computed, the answer is the same."""

import json
import random

import pytest

from abintel_pipeline.service import calls as calls_module
from abintel_pipeline.service import decoding, formulas
from abintel_pipeline.service.calls import Calls
from abintel_pipeline.service.documents import encode
from abintel_pipeline.service.faults import Faulty

CUSTOMERS = 40


@pytest.fixture
def divided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of a few rows, computed while the next is decoded, by the engine for large ones."""
    monkeypatch.setattr(decoding, "BATCH", 3)
    monkeypatch.setattr(decoding, "CHUNK", 10)
    monkeypatch.setattr(calls_module, "ALONE", 0)
    monkeypatch.setattr(formulas, "SMALL_ROWS", 0)


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
