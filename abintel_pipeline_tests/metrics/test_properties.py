"""What must hold for any deliveries, cohort and rules."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from abintel_pipeline.rules import Rules
from abintel_pipeline_tests import strategies
from abintel_pipeline_tests.metrics.running import Formulas, Row
from abintel_pipeline_tests.metrics.running import reproducible as settings
from abintel_pipeline_tests.oracle import POSITION

EXAMPLES = 15
SCORES = ("recency_score", "frequency_score", "monetary_score")


@st.composite
def ruled_cohorts(draw: st.DrawFn) -> tuple[Rules, list[Row]]:
    rules = draw(strategies.rules(decimals=2))
    return rules, draw(strategies.cohorts())


@st.composite
def shuffled(draw: st.DrawFn, rows: list[Row]) -> list[Row]:
    return draw(st.permutations(rows))


def without(rows: list[Row], *names: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


def by_id(rows: list[Row]) -> dict[str, Row]:
    return {row["customer_id"]: row for row in rows}


@settings(EXAMPLES)
@given(strategies.deliveries(), strategies.customers(), strategies.snapshot_days, st.data())
def test_the_order_of_delivered_rows_changes_no_feature(
    formulas: Formulas, lines: list[Row], customers: list[Row], today: date, data: st.DataObject
) -> None:
    rules = Rules(history_days=8)
    mixed = data.draw(shuffled(lines)), data.draw(shuffled(customers))
    assert formulas.features(*mixed, today, rules) == formulas.features(
        lines, customers, today, rules
    )


@settings(EXAMPLES)
@given(ruled_cohorts(), st.data())
def test_the_order_of_the_cohort_changes_no_score_and_no_threshold(
    formulas: Formulas, ruled: tuple[Rules, list[Row]], data: st.DataObject
) -> None:
    rules, cohort = ruled
    mixed = data.draw(shuffled(cohort))
    scored = formulas.scored(cohort, rules)
    assert formulas.scored(mixed, rules) == scored
    assert formulas.thresholds(mixed, rules) == formulas.thresholds(cohort, rules)


@settings(EXAMPLES)
@given(strategies.deliveries(), strategies.snapshot_days, strategies.windows)
def test_one_delivery_per_position_is_in_force_and_none_from_the_future_or_beyond_the_window(
    formulas: Formulas, lines: list[Row], today: date, history_days: int
) -> None:
    counted = formulas.in_force(lines, today, history_days)
    delivered: dict[tuple[object, ...], set[date]] = {}
    for line in counted:
        position = tuple(line[name] for name in POSITION)
        delivered.setdefault(position, set()).add(line["delivered_on"])
    assert all(len(days) == 1 for days in delivered.values())
    for line in counted:
        assert not line["cancelled"]
        assert line["delivered_on"] <= today
        assert today - timedelta(days=history_days) < line["date"] <= today


@settings(EXAMPLES)
@given(strategies.deliveries(), strategies.snapshot_days, strategies.windows)
def test_what_is_delivered_later_never_changes_an_earlier_snapshot(
    formulas: Formulas, lines: list[Row], today: date, history_days: int
) -> None:
    known = [line for line in lines if line["delivered_on"] <= today]
    rules = Rules(history_days=history_days)
    assert formulas.features(lines, [], today, rules) == formulas.features(known, [], today, rules)


@settings(EXAMPLES)
@given(strategies.deliveries(), strategies.snapshot_days)
def test_redelivering_everything_unchanged_changes_nothing(
    formulas: Formulas, lines: list[Row], today: date
) -> None:
    last = max([line["delivered_on"] for line in lines], default=today)
    newest: dict[tuple[object, ...], date] = {}
    for line in sorted(lines, key=lambda line: line["delivered_on"]):
        newest[tuple(line[name] for name in POSITION)] = line["delivered_on"]
    later = last + timedelta(days=1)
    again = [
        line | {"delivered_on": later}
        for line in lines
        if line["delivered_on"] == newest[tuple(line[name] for name in POSITION)]
    ]
    rules = Rules(history_days=3660)
    assert formulas.features(lines + again, [], later, rules) == formulas.features(
        lines, [], later, rules
    )


@settings(EXAMPLES)
@given(ruled_cohorts())
def test_scores_stay_in_range_and_add_up(
    formulas: Formulas, ruled: tuple[Rules, list[Row]]
) -> None:
    rules, cohort = ruled
    for row in formulas.scored(cohort, rules):
        assert all(1 <= row[name] <= rules.bins for name in SCORES)
        assert row["rfm_total"] == sum(row[name] for name in SCORES)
        between = "-" if rules.bins == 10 else ""
        assert row["rfm_class"] == between.join(str(row[name]) for name in SCORES)
        assert 0 <= row["loyalty_score"] <= 1
        assert row["loyalty_score"] == round(row["loyalty_score"], 4)
        assert row["segment"] in rules.segment_thresholds


@settings(EXAMPLES)
@given(ruled_cohorts())
def test_a_better_customer_never_scores_lower(
    formulas: Formulas, ruled: tuple[Rules, list[Row]]
) -> None:
    rules, cohort = ruled
    scored = formulas.scored(cohort, rules)
    for better in scored:
        for worse in scored:
            if better["monetary_total"] >= worse["monetary_total"]:
                assert better["monetary_score"] >= worse["monetary_score"]
            if better["frequency"] >= worse["frequency"]:
                assert better["frequency_score"] >= worse["frequency_score"]
            if better["recency_days"] <= worse["recency_days"]:
                assert better["recency_score"] >= worse["recency_score"]


@settings(EXAMPLES)
@given(ruled_cohorts(), st.data())
def test_spending_more_never_lowers_ones_own_monetary_score(
    formulas: Formulas, ruled: tuple[Rules, list[Row]], data: st.DataObject
) -> None:
    rules, cohort = ruled
    place = data.draw(st.integers(0, len(cohort) - 1))
    more = cohort[place]["purchase_total"] + data.draw(st.integers(1, 10**6)) / Fraction(100)
    richer = [*cohort]
    richer[place] = cohort[place] | {"purchase_total": more}
    before, after = (
        formulas.scored(rows, rules)[place]["monetary_score"] for rows in (cohort, richer)
    )
    assert after >= before


@settings(EXAMPLES)
@given(ruled_cohorts())
def test_equal_customers_score_equally(formulas: Formulas, ruled: tuple[Rules, list[Row]]) -> None:
    rules, cohort = ruled
    twins = [row | {"customer_id": "twin of " + row["customer_id"]} for row in cohort]
    scored = by_id(formulas.scored(cohort + twins, rules))
    for row in cohort:
        pair = [scored[row["customer_id"]], scored["twin of " + row["customer_id"]]]
        first, second = without(pair, "customer_id")
        assert first == second


@settings(EXAMPLES)
@given(ruled_cohorts(), st.data())
def test_renaming_the_customers_only_permutes_the_rows(
    formulas: Formulas, ruled: tuple[Rules, list[Row]], data: st.DataObject
) -> None:
    rules, cohort = ruled
    ids = [row["customer_id"] for row in cohort]
    renamed = dict(zip(ids, data.draw(st.permutations(ids)), strict=True))
    scored = formulas.scored(cohort, rules)
    others = [row | {"customer_id": renamed[row["customer_id"]]} for row in cohort]
    expected = [row | {"customer_id": renamed[row["customer_id"]]} for row in scored]
    assert by_id(formulas.scored(others, rules)) == by_id(expected)


@settings(9)
@given(strategies.rules(decimals=2), strategies.histories())
def test_several_snapshots_at_once_are_each_snapshot_on_its_own(
    formulas: Formulas, rules: Rules, cohorts: list[list[Row]]
) -> None:
    def chain(features: list[Row]) -> list[list[Row]]:
        loyalty = formulas.loyalty(features, rules)
        rfm = formulas.rfm(features, loyalty, rules)
        summary = formulas.summary(features, loyalty, rules)
        return [loyalty, summary, rfm, formulas.thresholds(features, rules)]

    together: list[list[Any]] = chain([row for cohort in cohorts for row in cohort])
    apart = [chain(cohort) for cohort in cohorts]
    assert together == [[row for rows in each for row in rows] for each in zip(*apart, strict=True)]


@settings(EXAMPLES)
@given(ruled_cohorts(), st.sampled_from([0.5, 3.0, 100.0]))
def test_only_the_proportion_of_the_weights_counts(
    formulas: Formulas, ruled: tuple[Rules, list[Row]], factor: float
) -> None:
    rules, cohort = ruled
    heavier = {metric: weight * factor for metric, weight in rules.weights.items()}
    # Scaling moves the last binary digit of a weight: no more than one step of a score.
    pairs = zip(
        formulas.loyalty(cohort, rules),
        formulas.loyalty(cohort, rules.model_copy(update={"weights": heavier})),
        strict=True,
    )
    assert all(abs(one["loyalty_score"] - two["loyalty_score"]) < 1.5e-4 for one, two in pairs)
