"""Faults of every kind by chance, against plain Python: all counted, the first listed in order."""

import json
import random
from typing import Any

import pytest

from abintel_pipeline.service.calls import decoding
from abintel_pipeline.service.calls.calls import Calls
from abintel_pipeline.service.calls.faults import LISTED, Faulty

BLANK = "a text that isn't blank"
LATE = "a date not after 2025-04-24"
NEGATIVE = "a number >= 0"
TWICE = "an id once, it stands twice"


def customers_at_fault(chance: random.Random) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Customers, and (place, what is wanted) of all their faults in the order of the document."""
    made: list[dict[str, Any]] = []
    faults: list[tuple[tuple[int, str, int, str], str]] = []
    ids: list[str] = []
    for n in range(60):
        blank, again, score = (chance.random() < 0.2 for _ in range(3))
        ids.append(" " if blank else chance.choice(ids) if again and ids else f"C{n}")
        customer = {
            "customer_id": ids[-1],
            "loyalty_score": 1.5 if score else 1,
            "transactions": [],
        }
        faults += [((n, "customer_id", 0, ""), BLANK)] * (not ids[-1].strip())
        faults += [((n, "customer_id", 0, ""), TWICE)] * (ids[-1] in ids[:-1])
        faults += [((n, "loyalty_score", 0, ""), "a number in 0..1")] * score
        for line in range(chance.randrange(1, 8)):
            order, negative, late, product = (chance.random() < 0.3 for _ in range(4))
            values = {
                "transaction_id": "" if order else f"T{line}",
                "date": "2025-04-25" if late else "2025-04-24",
                "amount": -1 if negative else 1,
                "product_id": " \t" if product else f"P{line}",
            }
            wrong = {"amount": negative, "date": late, "product_id": product}
            wrong = {name: wrong.get(name, order) for name in sorted([*wrong, "transaction_id"])}
            wanted = {"amount": NEGATIVE, "date": LATE}
            place = (n, "transactions", line)
            faults += [((*place, name), wanted.get(name, BLANK)) for name in wrong if wrong[name]]
            customer["transactions"].append(values)
        made.append(customer)
    return made, [(written(place), wanted) for place, wanted in sorted(faults)]


def written(place: tuple[int, str, int, str]) -> str:
    customer, field, line, column = place
    below = f"[{line}]" + f".{column}" * bool(column) if field == "transactions" else ""
    return f"customers[{customer}].{field}{below}"


@pytest.mark.parametrize("chunk", [decoding.CHUNK, 10])
@pytest.mark.parametrize("seed", range(3))
def test_all_faults_are_counted_and_the_first_are_listed_in_the_order_of_the_document(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, seed: int, chunk: int
):
    monkeypatch.setattr(decoding, "CHUNK", chunk)
    monkeypatch.setattr(decoding, "BATCH", min(chunk, 100))
    customers, expected = customers_at_fault(random.Random(seed))
    body = json.dumps({"today": "2025-04-24", "customers": customers}).encode()
    with pytest.raises(Faulty) as caught:
        calls.customer_features(body)
    faulty = caught.value.problem
    assert faulty.total_faults == len(expected) > 2 * LISTED
    assert [(fault.place, fault.wanted) for fault in faulty.faults] == expected[:LISTED]
