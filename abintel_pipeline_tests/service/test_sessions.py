"""What is prepared for one request is kept for the next of the same rules, within bounds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from abintel_pipeline.service.calls import formulas, plans
from abintel_pipeline.service.calls.calls import Calls
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.service.documents import LOYALTY_REQUEST


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[Calls]:
    """With nothing kept yet."""
    made = Calls(Settings(_env_file=None, data_dir=tmp_path))
    yield made
    made.close()


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by "opened" and "closed" with every session."""
    told: list[str] = []

    class Session(formulas._Session):
        def __init__(self, *of: Any) -> None:
            told.append("opened")
            super().__init__(*of)

        def close(self) -> None:
            told.append("closed")
            super().close()

    monkeypatch.setattr(formulas, "_Session", Session)
    return told


def score(calls: Calls, weight: int) -> float:
    """Of the second customer, who has the least of everything: by its recency it would be 0."""
    weights = {"purchase_total": 1, "recency_days": weight}
    request = json.loads(LOYALTY_REQUEST) | {"weights": weights}
    request["customers"][1]["features"]["recency_days"] = 0
    return calls.customer_loyalty(json.dumps(request).encode()).customers[1].loyalty_score


def test_twenty_sets_of_rules_in_turn_are_compiled_and_prepared_once(
    calls: Calls, prepared: list[str]
):
    plans._loyalty_plan.cache_clear()
    for _ in range(2):
        for weight in range(1, 21):
            assert score(calls, weight) == pytest.approx(weight / (weight + 1), abs=1e-4)
    assert plans._loyalty_plan.cache_info().misses == 20
    assert prepared == ["opened"] * 20


def test_the_session_that_was_not_used_for_longest_goes_first(
    calls: Calls, prepared: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(formulas, "IDLE_SESSIONS", 2)
    for weight in (1, 2, 1, 3, 1):
        score(calls, weight)
    assert prepared == ["opened", "opened", "opened", "closed"]
    score(calls, 2)
    assert prepared == ["opened", "opened", "opened", "closed", "opened", "closed"]


def test_a_session_is_renewed_and_answers_go_on(
    calls: Calls, prepared: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(formulas, "RUNS_OF_A_SESSION", 2)
    assert {score(calls, 3) for _ in range(5)} == {0.75}
    assert prepared == ["opened", "closed"] * 2 + ["opened"]
