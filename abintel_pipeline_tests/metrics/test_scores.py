"""Scores, tiers and segments of single customers, worked by hand."""

from datetime import date

import ibis
import pytest

from abintel_pipeline.contract.features import CUSTOMER_FEATURES
from abintel_pipeline.metrics.loyalty import customer_loyalty, loyalty_bounds, loyalty_summary
from abintel_pipeline.metrics.rfm import (
    rfm_cuts,
    rfm_metric_cuts,
    rfm_scores,
    rfm_thresholds,
    tier_of,
)
from abintel_pipeline.rules import Bounds, Rules
from abintel_pipeline_tests.metrics.running import DEFAULTS, Formulas, Row, feature_row

DAY = DEFAULTS["snapshot_date"]


def spending(*totals: float) -> list[Row]:
    return [feature_row(f"{n:03}", purchase_total=total) for n, total in enumerate(totals)]


def by_spend(lower: float, upper: float, **others: object) -> Rules:
    bounds = Bounds(kind="reference", reference={"purchase_total": (lower, upper)})
    return Rules(weights={"purchase_total": 1}, bounds=bounds, **others)


def test_the_three_scores_of_ten_bins_stand_apart(formulas: Formulas) -> None:
    # Alone, the customer is at each threshold: >= gives R 10, < gives F 1 and M 1.
    [row] = formulas.scored([feature_row("a")], Rules(bins=10))
    assert (row["rfm_class"], row["rfm_total"], row["rfm_tier"]) == ("10-1-1", 12, "Loyal")
    [row] = formulas.scored([feature_row("a")], Rules(bins=9))
    assert (row["rfm_class"], row["rfm_total"], row["rfm_tier"]) == ("911", 11, "Loyal")


@pytest.mark.parametrize(
    ("total", "tier"),
    [
        (15, "Champion"),
        (13, "Champion"),
        (12, "Loyal"),
        (10, "Loyal"),  # at p70
        (9, "Potential"),
        (8, "Potential"),  # at p45
        (7, "Promising"),
        (6, "Promising"),
        (5, "At-Risk"),  # at p20
        (3, "At-Risk"),
    ],
)
def test_a_total_at_a_cut_has_the_tier_above_it_but_at_p20_the_one_below(
    formulas: Formulas, total: int, tier: str
) -> None:
    rows = ibis.memtable({"rfm_total": [total], "p70": [10.0], "p45": [8.0], "p20": [5.0]})
    assert formulas.connection.to_pyarrow(tier_of(rows, 5)).to_pylist() == [tier]


def test_scores_without_loyalty_are_those_beside_it(formulas: Formulas) -> None:
    rules = Rules(bins=3)
    cohort = [
        feature_row("a", recency_days=0, visit_frequency=3, purchase_total=30.0),
        feature_row("b", recency_days=1, visit_frequency=2, purchase_total=20.0),
        feature_row("c", recency_days=2, visit_frequency=1, purchase_total=10.0),
    ]
    features = formulas.memtable(cohort, CUSTOMER_FEATURES.schema)
    made = rfm_scores(features, rules, cuts=rfm_cuts(features, rules))
    rows = formulas.connection.to_pyarrow(made.order_by("customer_id")).to_pylist()
    beside = formulas.scored(cohort, rules)
    assert [row["rfm_class"] for row in rows] == ["333", "222", "111"]
    assert rows == [
        {name: value for name, value in row.items() if name not in ("loyalty_score", "segment")}
        for row in beside
    ]


def test_the_cuts_of_the_metrics_are_those_that_a_caller_has(formulas: Formulas) -> None:
    rules = Rules(bins=2)
    own, others = (
        formulas.memtable(spending(*totals), CUSTOMER_FEATURES.schema)
        for totals in ((10.0, 30.0), (50.0, 50.0))
    )
    metric_cuts = rfm_metric_cuts(others, rules)
    assert metric_cuts.columns == ("snapshot_date", "recency_1", "frequency_1", "monetary_1")
    cuts = rfm_cuts(own, rules, metric_cuts=metric_cuts)
    listed = formulas.connection.to_pyarrow(rfm_thresholds(cuts, rules)).to_pylist()
    found = {(row["metric"], row["cut"]): row["threshold"] for row in listed}
    assert found["monetary", "1/2"] == 50.0
    # Both spent less than 50.00: R 2, F 1, M 1.
    assert found["rfm_total", "p70"] == found["rfm_total", "p20"] == 4.0


def test_the_bounds_of_the_metrics_are_those_that_a_caller_has(formulas: Formulas) -> None:
    features = formulas.memtable(spending(20.0, 40.0), CUSTOMER_FEATURES.schema)
    rules, wider = by_spend(0, 40), by_spend(0, 80)
    bounds = loyalty_bounds(features, wider)
    loyalty = customer_loyalty(features, rules, bounds=bounds)
    scores = formulas.connection.to_pyarrow(loyalty.order_by("customer_id"))
    assert scores["loyalty_score"].to_pylist() == [0.25, 0.5]
    summary = loyalty_summary(features, loyalty, rules, bounds=bounds)
    (row,) = formulas.connection.to_pyarrow(summary).to_pylist()
    assert (row["lower_purchase_total"], row["upper_purchase_total"]) == (0.0, 80.0)
    assert formulas.loyalty(spending(20.0, 40.0), rules)[1]["loyalty_score"] == 1.0


def test_segments_are_written_as_they_are_called(formulas: Formulas) -> None:
    rules = by_spend(0, 100, segment_thresholds={'"große" Kunden': 0.5, "übrige": 0.0})
    cohort = spending(10.0, 60.0, 70.0)
    loyalty = formulas.loyalty(cohort, rules)
    assert [row["segment"] for row in loyalty] == ["übrige", *['"große" Kunden'] * 2]
    [row] = formulas.summary(cohort, loyalty, rules)
    assert row["segment_counts"] == '{"\\"große\\" Kunden": 2, "übrige": 1}'
    assert row["segment_thresholds"] == '{"\\"große\\" Kunden": 0.5, "übrige": 0.0}'
    assert row["snapshot_date"] == DAY == date(2025, 4, 24)


def test_of_one_segment_every_customer_is(formulas: Formulas) -> None:
    rules = by_spend(0, 100, segment_thresholds={"all": 0.0})
    cohort = spending(0.0, 100.0)
    loyalty = formulas.loyalty(cohort, rules)
    assert [row["segment"] for row in loyalty] == ["all", "all"]
    [row] = formulas.summary(cohort, loyalty, rules)
    assert row["segment_counts"] == '{"all": 2}'


def test_a_metric_that_no_weight_is_named_for_has_none(formulas: Formulas) -> None:
    rules = Rules(weights={"purchase_total": 1})
    cohort = [
        feature_row("a", purchase_total=10.0, visit_frequency=9),
        feature_row("b", purchase_total=20.0, visit_frequency=1),
    ]
    loyalty = formulas.loyalty(cohort, rules)
    assert [row["loyalty_score"] for row in loyalty] == [0.0, 1.0]
    [row] = formulas.summary(cohort, loyalty, rules)
    assert (row["weight_purchase_total"], row["weight_visit_frequency"]) == (1.0, 0.0)
