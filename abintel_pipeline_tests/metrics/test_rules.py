"""What the rules refuse, and in which words."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from abintel_pipeline.rules import (
    DEFAULT_SEGMENT_THRESHOLDS,
    DEFAULT_WEIGHTS,
    METRICS,
    Bounds,
    Rules,
)
from abintel_pipeline.settings import Settings

REFUSED = {
    "unknown metric": (
        {"weights": {"loyalty_score": 1}},
        "unknown metric 'loyalty_score': the metrics are purchase_total, visit_frequency,",
    ),
    "negative weight": (
        {"weights": {"purchase_total": 1, "avg_ticket": -0.1}},
        "the weight of avg_ticket is -0.1: it must be a finite number >= 0",
    ),
    "weight that is no number": (
        {"weights": {"purchase_total": float("nan")}},
        "the weight of purchase_total is nan",
    ),
    "infinite weight": (
        {"weights": {"recency_days": float("inf")}},
        "the weight of recency_days is inf",
    ),
    "text as weight": ({"weights": {"recency_days": "heavy"}}, "valid number"),
    "only zero weights": ({"weights": dict.fromkeys(METRICS, 0)}, "all weights are zero"),
    "no weights": ({"weights": {}}, "all weights are zero"),
    "no segments": ({"segment_thresholds": {}}, "name at least one segment"),
    "nameless segment": ({"segment_thresholds": {" ": 0}}, "a segment needs a name"),
    "segment above 1": (
        {"segment_thresholds": {"VIP": 1.01, "Rest": 0}},
        "segment 'VIP' starts at 1.01: scores lie in 0..1",
    ),
    "segment below 0": (
        {"segment_thresholds": {"VIP": 0.5, "Rest": -0.1}},
        "segment 'Rest' starts at -0.1: scores lie in 0..1",
    ),
    "segment that starts nowhere": (
        {"segment_thresholds": {"VIP": float("nan"), "Rest": 0}},
        "segment 'VIP' starts at nan",
    ),
    "two segments from the same score": (
        {"segment_thresholds": {"A": 0.5, "B": 0.5, "C": 0}},
        "segments 'A' and 'B' both start at 0.5",
    ),
    "scores without a segment": (
        {"segment_thresholds": {"VIP": 0.9, "Rest": 0.1}},
        "the lowest segment starts at 0.1: start it at 0",
    ),
    "one bin": ({"bins": 1}, "greater than or equal to 2"),
    "eleven bins": ({"bins": 11}, "less than or equal to 10"),
    "half a bin": ({"bins": 2.5}, "valid integer"),
    "an empty window": ({"history_days": 0}, "greater than or equal to 1"),
    "a window beyond ten years": ({"history_days": 3661}, "less than or equal to 3660"),
    "five decimals of a currency": ({"currency_decimals": 5}, "less than or equal to 4"),
    "unknown kind of bounds": ({"bounds": {"kind": "zscore"}}, "'cohort', 'percentiles'"),
    "percentiles upside down": (
        {"bounds": {"kind": "percentiles", "percentiles": (99, 1)}},
        "percentiles 99.0 and 1.0: want 0 <= low < high <= 100",
    ),
    "one percentile": (
        {"bounds": {"kind": "percentiles", "percentiles": (50, 50)}},
        "percentiles 50.0 and 50.0",
    ),
    "percentile above 100": (
        {"bounds": {"kind": "percentiles", "percentiles": (1, 101)}},
        "percentiles 1.0 and 101.0",
    ),
    "reference bounds of an unknown metric": (
        {"bounds": {"kind": "reference", "reference": {"spend": (0, 1)}}},
        "unknown metric 'spend'",
    ),
    "reference bounds upside down": (
        {"bounds": {"kind": "reference", "reference": {"avg_ticket": (5, 5)}}},
        "reference bounds of avg_ticket: 5.0 is not below 5.0",
    ),
    "infinite reference bounds": (
        {"bounds": {"kind": "reference", "reference": {"avg_ticket": (0, float("inf"))}}},
        "reference bounds of avg_ticket: 0.0 is not below inf",
    ),
    "reference bounds under another kind": (
        {"bounds": {"kind": "cohort", "reference": {"avg_ticket": (0, 5)}}},
        "set kind to 'reference' as well",
    ),
    "a weighted metric without reference bounds": (
        {
            "weights": {"avg_ticket": 1, "recency_days": 1},
            "bounds": {"kind": "reference", "reference": {"avg_ticket": (0, 5)}},
        },
        "recency_days has a weight but no reference bounds",
    ),
    "weights that add up to infinity": (
        {"weights": {"purchase_total": 1e308, "visit_frequency": 1e308}},
        "the weights add up to more than a number can hold",
    ),
    "a rule nobody knows": ({"bin": 5}, "Extra inputs are not permitted"),
}


@pytest.mark.parametrize(("values", "message"), REFUSED.values(), ids=REFUSED)
def test_rules_that_make_no_sense_are_refused_in_words(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as refusal:
        Rules(**values)
    assert message in str(refusal.value)


def test_the_default_rules_are_the_documents() -> None:
    rules = Rules()
    assert rules.weights == {
        "purchase_total": 0.25,
        "visit_frequency": 0.30,
        "avg_ticket": 0.10,
        "product_diversity": 0.15,
        "recency_days": 0.20,
    }
    assert list(rules.segment_thresholds.items()) == [
        ("Platinum", 0.85),
        ("Gold", 0.70),
        ("Silver", 0.50),
        ("Bronze", 0.30),
        ("At-Risk", 0.0),
    ]
    assert (rules.bins, rules.history_days, rules.currency_decimals) == (5, 540, 2)
    assert rules.bounds == Bounds(kind="cohort")


def test_a_metric_that_is_not_named_needs_no_reference_bounds() -> None:
    bounds = Bounds(kind="reference", reference={"avg_ticket": (0, 5)})
    Rules(weights={"avg_ticket": 1, "recency_days": 0}, bounds=bounds)


def test_the_snapshot_rules_can_be_read_back_as_the_same_rules() -> None:
    rules = Rules(
        history_days=30,
        weights={"recency_days": 2, "avg_ticket": 0.1},
        segment_thresholds={'"best" Größe': 1, "Rest": 0},
        bounds=Bounds(kind="percentiles", percentiles=(2.5, 97.5)),
        bins=10,
    )
    read = Rules.model_validate_json(rules.as_json())
    assert read == rules
    assert list(read.segment_thresholds) == ['"best" Größe', "Rest"]
    assert "\n" not in rules.as_json()


def test_rules_cannot_be_changed_once_made() -> None:
    with pytest.raises(ValidationError):
        Rules().bins = 7  # type: ignore[misc]


def test_one_users_rules_cannot_change_the_defaults_of_another() -> None:
    Rules().weights["purchase_total"] = 100.0
    Rules().segment_thresholds["Platinum"] = 1.0
    assert Rules().weights == DEFAULT_WEIGHTS
    assert Rules().weights["purchase_total"] == 0.25
    assert Rules().segment_thresholds == DEFAULT_SEGMENT_THRESHOLDS
    assert Rules().segment_thresholds["Platinum"] == 0.85


def test_the_settings_hand_on_every_rule_set_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ABINTEL_WEIGHTS", '{"recency_days": 1}')
    monkeypatch.setenv("ABINTEL_SEGMENT_THRESHOLDS", '{"VIP": 0.9, "Rest": 0}')
    monkeypatch.setenv("ABINTEL_BOUNDS", '{"kind": "percentiles", "percentiles": [5, 95]}')
    monkeypatch.setenv("ABINTEL_BINS", "4")
    monkeypatch.setenv("ABINTEL_HISTORY_DAYS", "365")
    monkeypatch.setenv("ABINTEL_CURRENCY_DECIMALS", "0")
    assert Settings(_env_file=None).rules == Rules(
        weights={"recency_days": 1},
        segment_thresholds={"VIP": 0.9, "Rest": 0},
        bounds=Bounds(kind="percentiles", percentiles=(5, 95)),
        bins=4,
        history_days=365,
        currency_decimals=0,
    )


def test_everything_wrong_with_the_rules_is_said_at_once_and_by_its_place() -> None:
    bounds = Bounds(kind="reference", reference={"avg_ticket": (0, 1)})
    weights = {"avg_ticket": 1, "recency_days": 1, "purchase_total": 1}
    for values, places in (
        (
            {"weights": {"visits": 1, "avg_ticket": -1}, "segment_thresholds": {"A": 2, " ": -1}},
            [
                ("weights", "visits"),
                ("weights", "avg_ticket"),
                ("segment_thresholds",),
                ("segment_thresholds", "A"),
                ("segment_thresholds", " "),
            ],
        ),
        (
            {"weights": weights, "bounds": bounds},
            [("weights", "purchase_total"), ("weights", "recency_days")],
        ),
    ):
        with pytest.raises(ValidationError) as refusal:
            Rules(**values)
        assert [fault["loc"] for fault in refusal.value.errors()] == places


def test_a_rule_in_the_environment_is_checked_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ABINTEL_WEIGHTS", json.dumps({"purchase_total": -1}))
    with pytest.raises(ValidationError, match="the weight of purchase_total is -1"):
        Settings(_env_file=None)


def test_the_order_in_which_rules_are_listed_says_nothing() -> None:
    """Dagster keeps a run's config with its keys sorted: the Launchpad lists At-Risk first."""
    listed = {"At-Risk": 0.0, "Bronze": 0.3, "Gold": 0.7, "Platinum": 0.85, "Silver": 0.5}
    weights = dict(sorted(DEFAULT_WEIGHTS.items()))
    assert Rules(segment_thresholds=listed, weights=weights).as_json() == Rules().as_json()
    assert list(Rules(segment_thresholds=listed).segment_thresholds) == [
        "Platinum",
        "Gold",
        "Silver",
        "Bronze",
        "At-Risk",
    ]
