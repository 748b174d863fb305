"""Ties, noise and quantiles: where a published decimal could come out one unit wrong."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import ibis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abintel_pipeline.metrics.rfm import tier_of
from abintel_pipeline.metrics.rounding import nearest_whole
from abintel_pipeline.rules import Bounds, Rules
from abintel_pipeline_tests import oracle, strategies
from abintel_pipeline_tests.metrics.running import Formulas, Row, feature_row
from abintel_pipeline_tests.metrics.running import reproducible as settings

TODAY = date(2025, 4, 24)


def scores(formulas: Formulas, rows: list[Row], rules: Rules) -> list[float]:
    return [row["loyalty_score"] for row in formulas.loyalty(rows, rules)]


def spending(*totals: float) -> list[Row]:
    return [feature_row(f"{n:03}", purchase_total=total) for n, total in enumerate(totals)]


def by_spend(upper: float) -> Rules:
    """Scores are purchase_total / upper."""
    bounds = Bounds(kind="reference", reference={"purchase_total": (0, upper)})
    return Rules(weights={"purchase_total": 1}, bounds=bounds)


def test_a_score_in_the_middle_is_rounded_up_whatever_its_binary_form(formulas: Formulas) -> None:
    # All of them end in 5 at the fifth decimal; half even would take the first down to 0.0312.
    totals = (3125, 28500.5, 100.5, 7, 1.5, 33333.5, 99999.5, 12345)
    exact = (0.0313, 0.285, 0.001, 0.0001, 0.0, 0.3333, 1.0, 0.1235)
    assert scores(formulas, spending(*totals), by_spend(100_000)) == list(exact)
    # 2851/20000 is 0.14255 and 57/20000 is 0.00285: neither is a binary fraction.
    assert scores(formulas, spending(2851, 57), by_spend(20_000)) == [0.1426, 0.0029]


def test_a_score_just_below_the_middle_is_rounded_down(formulas: Formulas) -> None:
    totals = (1234499.99, 1234499.96, 1234499.9, 1234500.0)  # 0.123449999, …, 0.12345
    assert scores(formulas, spending(*totals), by_spend(10_000_000)) == [
        *(0.1234, 0.1234, 0.1234),
        0.1235,
    ]


def test_a_tie_of_many_weights_is_rounded_up(formulas: Formulas) -> None:
    # 0.25 · 25/40 + 0.10 = 0.25625; 0.15 · 1/2 + 0.10 · 1/32 = 0.078125; 0.20 · 1/16 = 0.0125.
    names = ("purchase_total", "visit_frequency", "avg_ticket", "product_diversity", "recency_days")
    values = [(25, 1, 32, 1, 32), (0, 1, 1, 2, 32), (0, 1, 0, 1, 30), (40, 3, 0, 3, 0)]
    cohort = [
        feature_row(str(n), **dict(zip(names, row, strict=True))) for n, row in enumerate(values)
    ]
    rules = Rules()
    assert scores(formulas, cohort, rules) == [
        float(row["loyalty_score"]) for row in oracle.loyalty(cohort, rules)
    ]
    assert scores(formulas, cohort, rules)[:3] == [0.2563, 0.0781, 0.0125]


@pytest.mark.parametrize(
    ("decimals", "amounts", "average"),
    [
        (2, ("0.01", "0.00"), 0.01),  # 0.005
        (2, ("0.05", "0.00"), 0.03),  # 0.025
        (2, ("1.00", "0.01", "0.00", "0.00"), 0.25),  # 0.2525
        (2, ("2.01", "0.00"), 1.01),  # 1.005, stored as 1.00499…
        (0, ("3", "2"), 3.0),  # 2.5
        (3, ("0.001", "0.000"), 0.001),  # 0.0005
        (4, ("0.0003", "0.0000"), 0.0002),  # 0.00015
        (2, ("0.02", "0.00", "0.00"), 0.01),  # 0.00666…
        (2, ("0.01", "0.00", "0.00"), 0.0),  # 0.00333…
    ],
)
def test_an_average_in_the_middle_of_two_coins_is_rounded_up(
    formulas: Formulas, decimals: int, amounts: tuple[str, ...], average: float
) -> None:
    lines = [line("a", f"T{n}", amount) for n, amount in enumerate(amounts)]
    [row] = formulas.features(lines, [], TODAY, Rules(currency_decimals=decimals))
    assert row["avg_ticket"] == average


@pytest.mark.parametrize(
    ("decimals", "amounts", "average"),
    [
        (2, ("0.00", "0.00", "-0.01"), -0.01),  # -0.005
        (2, ("0.00", "0.00", "-0.05"), -0.03),  # -0.025
        (2, ("1.00", "0.00", "-3.01"), -1.01),  # -1.005
        (0, ("0", "2", "-7"), -3.0),  # -2.5
        (4, ("0.0000", "0.0000", "-0.0003"), -0.0002),  # -0.00015
        (2, ("0.00", "0.00", "0.00", "-0.02"), -0.01),  # -0.00666…
        (2, ("0.00", "0.00", "0.00", "-0.01"), 0.0),  # -0.00333…
        (2, ("0.00", "0.00", "-0.04"), -0.02),
    ],
)
def test_an_average_below_zero_is_rounded_away_from_zero(
    formulas: Formulas, decimals: int, amounts: tuple[str, ...], average: float
) -> None:
    lines = [line("a", f"T{n}", amount) for n, amount in enumerate(amounts)]
    [row] = formulas.features(lines, [], TODAY, Rules(currency_decimals=decimals))
    assert row["avg_ticket"] == average
    assert str(row["avg_ticket"]) == str(average)  # 0.0, not -0.0


def test_a_threshold_below_zero_that_is_a_tie_goes_up(formulas: Formulas) -> None:
    # At 1/4 of two customers: -0.0003 + 0.0001/4 = -0.000275; -0.0002 - 0.0001/8 at 7/8.
    below = spending(-0.0003, -0.0002)
    rules = Rules(bins=8, currency_decimals=4)
    listed = [r for r in formulas.thresholds(below, rules) if r["metric"] == "monetary"]
    assert [row["threshold"] for row in listed] == [
        *(-0.000287, -0.000275, -0.000262, -0.00025),  # -0.0002875 and -0.0002625 go up
        *(-0.000237, -0.000225, -0.000212),  # -0.0002375 and -0.0002125 do
    ]


@pytest.mark.parametrize("total", [-1e19, -9007199254740993.0, -123456.78, 1e19])
def test_thresholds_of_customers_alike_are_their_total_however_large(
    formulas: Formulas, total: float
) -> None:
    listed = formulas.thresholds(spending(total, total), Rules())
    cuts = {row["threshold"] for row in listed if row["metric"] == "monetary"}
    assert cuts == {total}


def line(customer: str, transaction: str, amount: str) -> Row:
    return {
        "customer_id": customer,
        "transaction_id": transaction,
        "date": TODAY,
        "amount": Decimal(amount),
        "product_id": "P",
        "delivered_on": TODAY,
    }


@pytest.mark.parametrize("orders", [1, 4, 5, 9, 10, 20])
def test_the_largest_amounts_that_intake_accepts_add_up(formulas: Formulas, orders: int) -> None:
    largest = "9999999999999999.99"
    lines = [line("a", f"T{n}", largest) for n in range(orders)]
    [row] = formulas.features(lines, [], TODAY, Rules())
    assert row["purchase_total"] == float(orders * Decimal(largest))
    assert row["avg_ticket"] == float(Decimal(largest))


def test_a_thousand_small_amounts_add_up_to_the_cent(formulas: Formulas) -> None:
    lines = [line("a", f"T{n}", "0.10") for n in range(1003)]
    [row] = formulas.features(lines, [], TODAY, Rules())
    assert (row["purchase_total"], row["avg_ticket"]) == (100.3, 0.1)


def test_bounds_are_published_as_they_were_set(formulas: Formulas) -> None:
    bounds = Bounds(kind="reference", reference={"purchase_total": (0.1, 0.3)})
    rules = Rules(weights={"purchase_total": 1}, bounds=bounds)
    cohort = spending(0.0, 0.2, 9.0)
    loyalty = formulas.loyalty(cohort, rules)
    assert [row["loyalty_score"] for row in loyalty] == [0.0, 0.5, 1.0]
    [row] = formulas.summary(cohort, loyalty, rules)
    assert (row["lower_purchase_total"], row["upper_purchase_total"]) == (0.1, 0.3)
    assert row["lower_recency_days"] is None


def test_a_percentile_in_the_middle_is_rounded_up(formulas: Formulas) -> None:
    # 0.1 + 0.975 · 0.0999 = 0.1974025, a tie at the sixth decimal; 0.1 + 0.025 · 0.0999 = 0.1024975
    bounds = Bounds(kind="percentiles", percentiles=(2.5, 97.5))
    rules = Rules(currency_decimals=4, weights={"purchase_total": 1}, bounds=bounds)
    cohort = spending(0.1, 0.1999)
    [row] = formulas.summary(cohort, formulas.loyalty(cohort, rules), rules)
    assert row["lower_purchase_total"] == 0.102498
    assert row["upper_purchase_total"] == 0.197403


def test_one_customer_under_reference_bounds_is_scored_though_alone(formulas: Formulas) -> None:
    assert scores(formulas, spending(25.0), by_spend(100)) == [0.25]
    assert scores(formulas, spending(25.0), Rules()) == [0.5]


def test_percentiles_that_meet_leave_the_metric_out(formulas: Formulas) -> None:
    """Nine of ten spent 5: p20 and p80 are both 5, and so spend separates nobody."""
    bounds = Bounds(kind="percentiles", percentiles=(20, 80))
    rules = Rules(weights={"purchase_total": 1}, bounds=bounds)
    cohort = spending(*[5.0] * 9, 500.0)
    loyalty = formulas.loyalty(cohort, rules)
    assert {row["loyalty_score"] for row in loyalty} == {0.5}
    [row] = formulas.summary(cohort, loyalty, rules)
    assert (row["weight_purchase_total"], row["lower_purchase_total"]) == (0.0, None)


def test_an_empty_cohort_gives_no_customers_and_no_error(formulas: Formulas) -> None:
    rules = Rules()
    assert formulas.features([], [], TODAY, rules) == []
    assert formulas.loyalty([], rules) == []
    assert formulas.rfm([], [], rules) == []
    assert formulas.thresholds([], rules) == []
    assert formulas.summary([], [], rules) == []


values = st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=12)


@settings(20)
@given(values, strategies.bins)
def test_the_thresholds_are_numpys_quantiles(
    formulas: Formulas, cents: list[int], bins: int
) -> None:
    rules = Rules(bins=bins)
    cohort = [
        feature_row(
            f"{n:03}", purchase_total=c / 100, visit_frequency=1 + c % 9, recency_days=c % 7
        )
        for n, c in enumerate(cents)
    ]
    listed = formulas.thresholds(cohort, rules)
    shares = np.arange(1, bins) / bins
    for metric, column, order in (
        ("recency", "recency_days", -1),
        ("frequency", "visit_frequency", 1),
        ("monetary", "purchase_total", 1),
    ):
        expected = np.quantile([row[column] for row in cohort], shares)[::order]
        found = [row["threshold"] for row in listed if row["metric"] == metric]
        assert found == pytest.approx(expected, abs=0.51e-6)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1), st.integers(0, 100))
@settings(200)
def test_the_oracles_quantile_is_numpys(numbers: list[int], percent: int) -> None:
    exact = oracle.quantile([Fraction(number) for number in numbers], Fraction(percent, 100))
    assert float(exact) == pytest.approx(np.percentile(numbers, percent), rel=1e-12, abs=1e-7)


@pytest.mark.parametrize("x", [2.0**53, -(2.0**53), 1e19, -1e19, 1.7e300])
def test_a_number_of_2_to_the_53_and_above_is_whole_as_it_is(formulas: Formulas, x: float) -> None:
    """DuckDB's whole numbers have 64 bits: 1e19 has no place in them."""
    value = nearest_whole(ibis.memtable({"x": [x]}).x)
    assert formulas.connection.to_pyarrow(value).to_pylist() == [x]


def test_a_number_below_is_the_whole_number_that_it_is_but_for_noise(formulas: Formulas) -> None:
    values = ibis.memtable({"x": [2.0000000001, 1.9999999999, -3.0000000001, 4503599627370496.0]})
    found = formulas.connection.to_pyarrow(nearest_whole(values.x)).to_pylist()
    assert found == [2.0, 2.0, -3.0, 4503599627370496.0]


def test_where_two_cuts_of_the_totals_are_one_the_customers_there_are_at_risk(
    formulas: Formulas,
) -> None:
    """Of a cohort of which more than half are alike p45 and p20 are the same total."""
    rows = ibis.memtable(
        {"rfm_total": [3, 4], "p70": [9.0] * 2, "p45": [3.0] * 2, "p20": [3.0] * 2}
    )
    found = formulas.connection.to_pyarrow(rows.select(tier=tier_of(rows, 5), at=rows.rfm_total))
    assert {row["at"]: row["tier"] for row in found.to_pylist()} == {3: "At-Risk", 4: "Potential"}
