"""A body may be at fault in every value: all are counted, only the first cost more than that."""

import json
from typing import Any

import numpy as np
import pytest

from abintel_pipeline.service.calls import decoding, enforcing
from abintel_pipeline.service.calls.calls import Calls
from abintel_pipeline.service.calls.documents import Problem
from abintel_pipeline.service.calls.faults import LISTED, Faulty


def problem(call: Any, customers: list[dict[str, Any]]) -> Problem:
    body = json.dumps({"today": "2025-04-24", "customers": customers}).encode()
    with pytest.raises(Faulty) as caught:
        call(body)
    return caught.value.problem


def orders(customers: int, each: int, **order: Any) -> list[dict[str, Any]]:
    order = {"date": "2025-04-01", "amount": 1} | order
    return [{"customer_id": f"{n}", "transactions": [order] * each} for n in range(customers)]


def test_no_more_cases_become_objects_than_are_listed_of_each_rule(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
):
    told = []
    first_held = enforcing.first_held

    def spy(*of: Any) -> Any:
        found, total = first_held(*of)
        told.append((found.num_rows, total))
        return found, total

    monkeypatch.setattr(enforcing, "first_held", spy)
    faulty = problem(calls.customer_rfm, orders(1000, 3, date="2025-04-25", amount=-1))
    assert told == [(2 * LISTED, 6000), (0, 0)]
    assert faulty.total_faults == 6000
    assert len(faulty.faults) == LISTED
    assert faulty.faults[0].place == "customers[0].transactions[0].amount"
    assert faulty.faults[99].place == "customers[16].transactions[1].date"


def test_what_is_told_of_one_customer_is_found_without_reading_it_again_and_again(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
):
    read = []
    found_at = decoding.found_at

    def spy(raw: Any, path: Any) -> str:
        read.append(len(memoryview(raw)))
        return found_at(raw, path)

    monkeypatch.setattr(decoding, "found_at", spy)
    faulty = problem(calls.customer_rfm, orders(1, 1000, amount=-1))
    assert [fault.found for fault in faulty.faults] == ["-1"] * LISTED
    order = len('{"date": "2025-04-01", "amount": -1}')
    assert read == [order] * LISTED


def test_customers_rows_are_counted_up_once_for_all_amounts_of_a_chunk(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
):
    added = []
    cumsum = np.cumsum

    def spy(counts: Any) -> Any:
        added.append(len(counts))
        return cumsum(counts)

    monkeypatch.setattr(decoding.np, "cumsum", spy)
    body = json.dumps({"customers": orders(300, 2, amount=0.285)}).encode()
    answer = calls.customer_rfm(body)
    assert {customer.monetary_total for customer in answer.customers} == {0.58}
    assert added == [300]


@pytest.mark.parametrize(
    ("today", "day"), [("9999-12-31", "0001-01-01"), ("0001-01-01", "9999-12-31")]
)
def test_the_largest_differences_of_days_and_amounts_are_faults_at_most(
    calls: Calls, today: str, day: str
):
    line = {"transaction_id": "T", "date": day, "amount": -9999999999999999.99, "product_id": "P"}
    body = {"today": today, "customers": [{"customer_id": "C", "transactions": [line] * 11_000}]}
    with pytest.raises(Faulty) as caught:
        calls.customer_features(json.dumps(body).encode())
    late = 11_000 * (day > today)
    assert caught.value.problem.total_faults == 11_000 + late
