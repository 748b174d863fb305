"""States of many days from one pass, against the plain-Python oracle of each day."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from abintel_pipeline.contract.customers import RAW_CUSTOMERS
from abintel_pipeline.contract.features import CUSTOMER_FEATURES
from abintel_pipeline.contract.line_traits import UNKNOWN, LineTraits
from abintel_pipeline.engine.connection import bound_day, temporary_table
from abintel_pipeline.metrics.range_features import customer_changes, customer_states, features_on
from abintel_pipeline.metrics.snapshot_range import SnapshotRange
from abintel_pipeline.rules import Rules
from abintel_pipeline_tests import oracle, strategies
from abintel_pipeline_tests.metrics.running import PLAIN, Formulas, Row, traits_of
from abintel_pipeline_tests.metrics.running import reproducible as settings


def features_of_days(
    formulas: Formulas, lines: list[Row], customers: list[Row], rules: Rules, span: SnapshotRange
) -> list[Row]:
    """Features of every day of the span; only what is among the lines is looked for."""
    lines = [PLAIN | line for line in lines]
    return features_by_traits(formulas, lines, customers, rules, span, traits_of(lines))


def features_by_traits(
    formulas: Formulas,
    lines: list[Row],
    customers: list[Row],
    rules: Rules,
    span: SnapshotRange,
    traits: LineTraits,
) -> list[Row]:
    delivered = formulas.lines(lines, rules.currency_decimals)
    scores = formulas.memtable(customers, RAW_CUSTOMERS.schema)
    changes = customer_changes(delivered, scores, span, traits=traits)
    every_day = [span.first + timedelta(n) for n in range((span.last - span.first).days + 1)]
    with (
        temporary_table(formulas.connection, *changes) as together,
        temporary_table(
            formulas.connection, customer_states(together, scores, rules, traits=traits)
        ) as states,
    ):
        return formulas.rows_of_days(features_on(states, bound_day()), every_day, CUSTOMER_FEATURES)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Row], list[Row], Rules, SnapshotRange]:
    rules = Rules(history_days=draw(strategies.windows), currency_decimals=draw(st.integers(0, 4)))
    first = draw(strategies.snapshot_days)
    last = first + timedelta(days=draw(st.sampled_from([0, 1, 4, 12])))
    lines = draw(strategies.deliveries(rules.currency_decimals))
    if draw(st.booleans()):  # a retailer whose lines all come on their day
        lines = [line for line in lines if line["date"] == line["delivered_on"]]
    if draw(st.booleans()):  # one customer who comes back for the same products
        lines = [line | {"customer_id": "1"} for line in lines]
    return (
        lines,
        draw(strategies.customers()),
        rules,
        SnapshotRange(first, last, rules.history_days),
    )


@settings(40)
@given(worlds(), st.booleans())
def test_the_features_of_every_day_are_the_oracles(
    formulas: Formulas, world: tuple[list[Row], list[Row], Rules, SnapshotRange], known: bool
) -> None:
    lines, customers, rules, span = world
    days = (span.first + timedelta(n) for n in range((span.last - span.first).days + 1))
    expected = [row for day in days for row in oracle.features(lines, customers, day, rules)]
    traits = traits_of(lines) if known else UNKNOWN
    made = features_by_traits(formulas, lines, customers, rules, span, traits)
    assert made == oracle.published(expected)


def line(bought: int, product: str) -> Row:
    """A line of customer 001 on a day of January 2025, delivered on that day."""
    on = date(2025, 1, bought)
    return {
        "customer_id": "001",
        "transaction_id": f"T{bought}",
        "date": on,
        "amount": Decimal("10.00"),
        "product_id": product,
        "delivered_on": on,
    }


def test_a_product_leaves_with_its_last_line_and_comes_back_with_the_next(
    formulas: Formulas,
) -> None:
    span = SnapshotRange(date(2025, 1, 2), date(2025, 1, 9), 3)
    daily = [line(day, "P1") for day in range(1, 10)]
    again = [line(day, "P2") for day in (1, 2, 5, 9)]
    made = features_of_days(formulas, daily + again, [], Rules(history_days=3), span)
    # P2 is in the windows of 2 to 4 (bought on 2), 5 to 7 (at once after them) and 9, not of 8.
    diversity = {row["snapshot_date"].day: row["product_diversity"] for row in made}
    assert diversity == {2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 1, 9: 2}
