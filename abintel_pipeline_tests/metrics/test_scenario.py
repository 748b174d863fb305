"""The hand-worked world of `scenario.py`, against the formulas and against the oracle."""

import json
from datetime import date
from typing import Any

import pytest

from abintel_pipeline.rules import METRICS
from abintel_pipeline_tests import oracle
from abintel_pipeline_tests.metrics.running import Formulas
from abintel_pipeline_tests.scenario import (
    CUSTOMERS,
    FEATURES,
    IN_FORCE,
    LINES,
    LOYALTY,
    RFM,
    RULES,
    SCALING,
    SUMMARY,
    THRESHOLDS,
)

Row = dict[str, Any]
LINES_DELIVERED = list(LINES.values())
BINS = RULES.bins


class Oracle:
    """The oracle with the same face as `Formulas`."""

    def in_force(self, lines: list[Row], today: date, history_days: int) -> list[Row]:
        return oracle.in_force(lines, today, history_days)

    def features(self, lines: list[Row], customers: list[Row], today: date, rules: Any) -> Any:
        return oracle.published(oracle.features(lines, customers, today, rules))

    def loyalty(self, cohort: list[Row], rules: Any) -> list[Row]:
        return oracle.published(oracle.loyalty(cohort, rules))

    def summary(self, cohort: list[Row], scored: list[Row], rules: Any) -> list[Row]:
        return oracle.published([oracle.summary(cohort, scored, rules)])

    def rfm(self, cohort: list[Row], scored: list[Row], rules: Any) -> list[Row]:
        return oracle.published(oracle.rfm(cohort, scored, rules))

    def thresholds(self, cohort: list[Row], rules: Any) -> list[Row]:
        return oracle.published(oracle.thresholds(cohort, oracle.loyalty(cohort, rules), rules))


@pytest.fixture(params=["formulas", "oracle"])
def world(request: pytest.FixtureRequest, formulas: Formulas) -> Formulas | Oracle:
    return formulas if request.param == "formulas" else Oracle()


def features_of(day: date) -> list[Row]:
    names = ("purchase_total", "visit_frequency", "avg_ticket", "product_diversity")
    return [
        {"snapshot_date": day, "customer_id": customer}
        | dict(zip((*names, "loyalty_score", "recency_days"), values, strict=True))
        for customer, values in FEATURES[day].items()
    ]


def loyalty_of(day: date) -> list[Row]:
    return [
        {"snapshot_date": day, "customer_id": customer, "loyalty_score": score, "segment": segment}
        for customer, (score, segment) in LOYALTY[day].items()
    ]


def rfm_of(day: date) -> list[Row]:
    names = ("recency_score", "frequency_score", "monetary_score")
    rows = []
    for feature, loyalty in zip(features_of(day), loyalty_of(day), strict=True):
        values = RFM[day][feature["customer_id"]]
        row = dict(zip((*names, "rfm_class", "rfm_total", "rfm_tier"), values, strict=True))
        rows.append(
            loyalty
            | row
            | {
                "recency_days": feature["recency_days"],
                "frequency": feature["visit_frequency"],
                "monetary_total": feature["purchase_total"],
                "interpretation": oracle.INTERPRETATIONS[row["rfm_tier"]],
            }
        )
    return rows


@pytest.mark.parametrize("day", IN_FORCE, ids=str)
def test_the_lines_in_force_are_the_ones_found_by_hand(world: Formulas, day: date) -> None:
    counted = world.in_force(LINES_DELIVERED, day, RULES.history_days)
    assert sorted(name for name, line in LINES.items() if line in counted) == sorted(IN_FORCE[day])
    assert len(counted) == len(IN_FORCE[day])


@pytest.mark.parametrize("day", FEATURES, ids=str)
def test_the_features_are_the_ones_worked_by_hand(world: Formulas, day: date) -> None:
    assert world.features(LINES_DELIVERED, CUSTOMERS, day, RULES) == features_of(day)


@pytest.mark.parametrize("day", LOYALTY, ids=str)
def test_the_loyalty_is_the_one_worked_by_hand(world: Formulas, day: date) -> None:
    assert world.loyalty(features_of(day), RULES) == loyalty_of(day)


@pytest.mark.parametrize("day", SUMMARY, ids=str)
def test_the_summary_is_the_one_worked_by_hand(world: Formulas, day: date) -> None:
    [row] = world.summary(features_of(day), loyalty_of(day), RULES)
    customers, mean, median, top_decile, counts = SUMMARY[day]
    assert (row["snapshot_date"], row["customers"]) == (day, customers)
    assert (row["mean_score"], row["median_score"]) == (mean, median)
    assert row["top_decile_threshold"] == top_decile
    names = ("Platinum", "Gold", "Silver", "Bronze", "At-Risk")
    assert row["segment_counts"] == json.dumps(dict(zip(names, counts, strict=True)))
    assert row["segment_thresholds"] == (
        '{"Platinum": 0.85, "Gold": 0.7, "Silver": 0.5, "Bronze": 0.3, "At-Risk": 0.0}'
    )
    assert row["rules"] == RULES.as_json()


@pytest.mark.parametrize("day", SCALING, ids=str)
def test_the_weights_and_bounds_in_force_are_the_ones_worked_by_hand(
    world: Formulas, day: date
) -> None:
    [row] = world.summary(features_of(day), loyalty_of(day), RULES)
    for metric, expected in zip(METRICS, SCALING[day], strict=True):
        weight, lower, upper = expected or (0, None, None)
        assert row[f"weight_{metric}"] == pytest.approx(weight, abs=1e-12)
        assert (row[f"lower_{metric}"], row[f"upper_{metric}"]) == (lower, upper)


@pytest.mark.parametrize("day", RFM, ids=str)
def test_the_rfm_is_the_one_worked_by_hand(world: Formulas, day: date) -> None:
    assert world.rfm(features_of(day), loyalty_of(day), RULES) == rfm_of(day)


@pytest.mark.parametrize("day", THRESHOLDS, ids=str)
def test_the_thresholds_are_the_ones_worked_by_hand(world: Formulas, day: date) -> None:
    listed = world.thresholds(features_of(day), RULES)
    recency, frequency, monetary, totals = THRESHOLDS[day]
    cuts = {
        "recency": zip(("2/3", "1/3"), recency, strict=True),
        "frequency": zip(("1/3", "2/3"), frequency, strict=True),
        "monetary": zip(("1/3", "2/3"), monetary, strict=True),
        "rfm_total": zip(("champion", "p70", "p45", "p20"), totals, strict=True),
    }
    expected = {
        (day, metric, position, cut, threshold)
        for metric, named in cuts.items()
        for position, (cut, threshold) in enumerate(named, 1)
    }
    names = ("snapshot_date", "metric", "position", "cut", "threshold")
    assert {tuple(row[name] for name in names) for row in listed} == expected
    assert len(listed) == len(expected) == 2 * 3 + 4


def test_the_whole_chain_over_every_day_gives_the_same_as_day_by_day(formulas: Formulas) -> None:
    cohorts = [row for day in FEATURES for row in features_of(day)]
    loyalty = formulas.loyalty(cohorts, RULES)
    assert loyalty == [row for day in FEATURES for row in loyalty_of(day)]
    assert formulas.rfm(cohorts, loyalty, RULES) == [row for day in FEATURES for row in rfm_of(day)]
    summaries = formulas.summary(cohorts, loyalty, RULES)
    assert [row["customers"] for row in summaries] == [SUMMARY[day][0] for day in FEATURES]
