"""The formulas against the plain-Python oracle, on whatever Hypothesis thinks of."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abintel_pipeline.contract.line_traits import UNKNOWN
from abintel_pipeline.rules import METRICS, Rules
from abintel_pipeline_tests import oracle, strategies
from abintel_pipeline_tests.metrics.running import Formulas, Row, traits_of
from abintel_pipeline_tests.metrics.running import reproducible as settings

Worlds = tuple[Rules, list[Row], list[Row]]
Histories = tuple[Rules, list[list[Row]]]


@st.composite
def worlds(draw: st.DrawFn) -> Worlds:
    rules = draw(strategies.rules())
    lines = draw(strategies.deliveries(rules.currency_decimals))
    return rules, lines, draw(strategies.customers())


@st.composite
def histories(draw: st.DrawFn) -> Histories:
    rules = draw(strategies.rules())
    return rules, draw(strategies.histories(rules.currency_decimals))


def in_order(lines: list[Row]) -> list[tuple[Any, ...]]:
    return sorted((tuple(line[name] for name in sorted(line)) for line in lines), key=repr)


@settings(100)
@given(strategies.deliveries(), strategies.snapshot_days, strategies.windows, st.booleans())
def test_the_lines_in_force_are_the_oracles(
    formulas: Formulas, lines: list[Row], today: date, history_days: int, known: bool
) -> None:
    traits = traits_of(lines) if known else UNKNOWN
    counted = formulas.in_force(lines, today, history_days, traits=traits)
    assert in_order(counted) == in_order(oracle.in_force(lines, today, history_days))


@settings(100)
@given(worlds(), strategies.snapshot_days, st.booleans())
def test_the_features_are_the_oracles(
    formulas: Formulas, world: Worlds, today: date, known: bool
) -> None:
    rules, lines, customers = world
    traits = traits_of(lines) if known else UNKNOWN
    expected = oracle.published(oracle.features(lines, customers, today, rules))
    assert formulas.features(lines, customers, today, rules, traits=traits) == expected


@settings(60)
@given(histories())
def test_the_loyalty_and_its_summary_are_the_oracles(
    formulas: Formulas, history: Histories
) -> None:
    rules, cohorts = history
    scored = [oracle.loyalty(cohort, rules) for cohort in cohorts]
    features = [row for cohort in cohorts for row in cohort]
    loyalty = [row for rows in scored for row in rows]
    assert formulas.loyalty(features, rules) == oracle.published(loyalty)

    summaries = formulas.summary(features, loyalty, rules)
    for row, cohort, rows in zip(summaries, cohorts, scored, strict=True):
        [expected] = oracle.published([oracle.summary(cohort, rows, rules)])
        for metric in METRICS:  # a weight is published unrounded: the last binary digit is free
            weight = expected.pop(f"weight_{metric}")
            assert row.pop(f"weight_{metric}") == pytest.approx(weight, rel=1e-12, abs=0)
        assert row == expected


@settings(45)
@given(histories())
def test_the_rfm_and_its_thresholds_are_the_oracles(formulas: Formulas, history: Histories) -> None:
    rules, cohorts = history
    scored = [oracle.loyalty(cohort, rules) for cohort in cohorts]
    features = [row for cohort in cohorts for row in cohort]
    loyalty = [row for rows in scored for row in rows]
    pairs = list(zip(cohorts, scored, strict=True))

    rfm = [row for pair in pairs for row in oracle.rfm(*pair, rules)]
    assert formulas.rfm(features, loyalty, rules) == oracle.published(rfm)

    thresholds = [row for pair in pairs for row in oracle.thresholds(*pair, rules)]
    order = ("snapshot_date", "metric", "position")
    thresholds.sort(key=lambda row: tuple(row[name] for name in order))
    assert formulas.thresholds(features, rules) == oracle.published(thresholds)


@settings(24)
@given(worlds(), strategies.snapshot_days)
def test_the_whole_chain_over_deliveries_is_the_oracles(
    formulas: Formulas, world: Worlds, today: date
) -> None:
    rules, lines, customers = world
    cohort = oracle.features(lines, customers, today, rules)
    expected = oracle.rfm(cohort, oracle.loyalty(cohort, rules), rules)
    features = formulas.features(lines, customers, today, rules)
    assert formulas.scored(features, rules) == oracle.published(expected)
