"""The examples of the three documents, as far as they can be proven (docs/method.md)."""

from datetime import date
from decimal import Decimal

import pytest

from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.rules import Bounds, Rules
from abintel_pipeline_tests import oracle
from abintel_pipeline_tests.metrics.running import Formulas, Row, feature_row

TODAY = date(2025, 4, 24)
RULES = Rules()


def order(customer: str, transaction: str, day: str, amount: str, product: str = "P-00") -> Row:
    return {
        "customer_id": customer,
        "transaction_id": transaction,
        "date": date.fromisoformat(day),
        "amount": Decimal(amount),
        "product_id": product,
        "delivered_on": TODAY,
    }


def test_the_features_examples_features(formulas: Formulas) -> None:
    lines = [
        order("C-1001", "T-001", "2025-04-21", "520.55", "P-01"),
        order("C-1001", "T-002", "2025-04-18", "398.40", "P-02"),
        order("C-1002", "T-004", "2025-01-05", "120.00", "P-10"),
        order("C-1002", "T-005", "2024-12-19", "75.90", "P-11"),
    ]
    passed = [{"customer_id": "C-1001", "loyalty_score": 0.97, "delivered_on": TODAY}]
    assert formulas.features(lines, passed, TODAY, RULES) == [
        {
            "snapshot_date": TODAY,
            "customer_id": "C-1001",
            "purchase_total": 918.95,
            "visit_frequency": 2,
            "avg_ticket": 459.48,
            "product_diversity": 2,
            "loyalty_score": 0.97,
            "recency_days": 3,
        },
        {
            "snapshot_date": TODAY,
            "customer_id": "C-1002",
            "purchase_total": 195.9,
            "visit_frequency": 2,
            "avg_ticket": 97.95,
            "product_diversity": 2,
            "loyalty_score": 0.0,
            "recency_days": 109,
        },
    ]


def test_the_rfm_examples_recency_frequency_and_monetary(formulas: Formulas) -> None:
    lines = [
        order("C-1001", "1", "2025-04-21", "520.55"),
        order("C-1001", "2", "2025-03-29", "310.00"),
        order("C-1002", "3", "2025-01-05", "120.00"),
        order("C-1002", "4", "2024-12-19", "75.90"),
    ]
    rows = formulas.scored(formulas.features(lines, [], TODAY, RULES), RULES)
    names = ("customer_id", "recency_days", "frequency", "monetary_total")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("C-1001", 3, 2, 830.55),
        ("C-1002", 109, 2, 195.9),
    ]


def test_the_rfm_examples_twelve_thresholds(formulas: Formulas) -> None:
    cohort = [
        feature_row("a", recency_days=1, visit_frequency=2, purchase_total=195.90),
        feature_row("b", recency_days=3, visit_frequency=3, purchase_total=660.00),
        feature_row("c", recency_days=109, visit_frequency=4, purchase_total=1228.95),
    ]
    listed = formulas.thresholds(cohort, RULES)
    found = {
        metric: [row["threshold"] for row in listed if row["metric"] == metric]
        for metric in ("recency", "frequency", "monetary")
    }
    assert found == {
        "recency": [66.6, 24.2, 2.6, 1.8],
        "frequency": [2.4, 2.8, 3.2, 3.6],
        "monetary": [381.54, 567.18, 773.79, 1001.37],
    }


def test_545_is_a_champion_and_122_is_at_risk(formulas: Formulas) -> None:
    """Of six customers with values 1 to 6 the thresholds are 2, 3, 4 and 5.

    frequency 5 passes 2, 3, 4: F 4. frequency 3 and monetary 3 pass 2: F 2, M 2.
    """
    values = [(1, 5, 6), (6, 3, 3), (2, 6, 5), (3, 4, 4), (4, 2, 2), (5, 1, 1)]
    cohort = [
        feature_row(str(n), recency_days=r, visit_frequency=f, purchase_total=float(m))
        for n, (r, f, m) in enumerate(values)
    ]
    champion, at_risk, *_ = formulas.scored(cohort, RULES)
    names = ("recency_score", "frequency_score", "monetary_score", "rfm_class", "rfm_total")
    assert [champion[name] for name in names] == [5, 4, 5, "545", 14]
    assert champion["rfm_tier"] == "Champion"
    assert champion["interpretation"] == "Champions – recent, frequent and high-value"
    assert [at_risk[name] for name in names] == [1, 2, 2, "122", 5]
    assert at_risk["rfm_tier"] == "At-Risk"
    assert at_risk["interpretation"] == "At-Risk – infrequent, low recent activity"


def test_a_champion_needs_all_but_two_points_and_so_14_is_more_than_enough(
    formulas: Formulas,
) -> None:
    cohort = [
        feature_row(f"{n:02}", recency_days=50 - n, visit_frequency=n, purchase_total=float(n))
        for n in range(1, 31)
    ]
    for row in formulas.scored(cohort, RULES):
        assert (row["rfm_tier"] == "Champion") == (row["rfm_total"] >= 13)


def test_every_tier_has_the_interpretation_the_contract_gives_it() -> None:
    assert TIERS == oracle.INTERPRETATIONS
    assert list(TIERS) == ["Champion", "Loyal", "Potential", "Promising", "At-Risk"]


@pytest.mark.parametrize(
    ("spent", "score", "segment"),
    [
        (10000, 1.0, "Platinum"),
        (8500, 0.85, "Platinum"),
        (8499, 0.8499, "Gold"),
        (8450, 0.845, "Gold"),  # between the document's 0.84 and 0.85
        (7000, 0.7, "Gold"),
        (6999, 0.6999, "Silver"),
        (6950, 0.695, "Silver"),
        (5000, 0.5, "Silver"),
        (4999, 0.4999, "Bronze"),
        (3000, 0.3, "Bronze"),
        (2999, 0.2999, "At-Risk"),
        (0, 0.0, "At-Risk"),
    ],
)
def test_a_segment_begins_at_its_lower_bound_and_ends_before_the_next(
    formulas: Formulas, spent: int, score: float, segment: str
) -> None:
    bounds = Bounds(kind="reference", reference={"purchase_total": (0, 10000)})
    rules = Rules(weights={"purchase_total": 1}, bounds=bounds)
    [row] = formulas.loyalty([feature_row("a", purchase_total=float(spent))], rules)
    assert (row["loyalty_score"], row["segment"]) == (score, segment)


def test_the_loyalty_examples_customers_score_one_and_zero(formulas: Formulas) -> None:
    """Two customers under min-max are 1 and 0; the document's 0.87 can't be."""
    values = {
        "C-1001": (17850.55, 62, 287.27, 36, 3),
        "C-1002": (2340.00, 18, 130.00, 10, 15),
    }
    names = ("purchase_total", "visit_frequency", "avg_ticket", "product_diversity")
    cohort = [
        feature_row(customer, **dict(zip((*names, "recency_days"), numbers, strict=True)))
        for customer, numbers in values.items()
    ]
    rows = formulas.loyalty(cohort, RULES)
    assert [(row["loyalty_score"], row["segment"]) for row in rows] == [
        (1.0, "Platinum"),
        (0.0, "At-Risk"),
    ]
