"""Each rule about lines, worked by hand: on single days, and on the days of a range."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import ibis
import pyarrow
import pytest

from abintel_pipeline.contract.customers import RAW_CUSTOMERS
from abintel_pipeline.contract.features import CUSTOMER_FEATURES
from abintel_pipeline.contract.line_traits import UNKNOWN
from abintel_pipeline.engine.connection import bound_day, native
from abintel_pipeline.metrics.features import customer_features
from abintel_pipeline.metrics.in_force import lines_in_force
from abintel_pipeline.metrics.range_features import customer_changes, customer_states, features_on
from abintel_pipeline.metrics.snapshot_range import SnapshotRange
from abintel_pipeline.rules import Rules
from abintel_pipeline_tests import oracle
from abintel_pipeline_tests.metrics.running import PLAIN, Formulas, Row, lines_schema
from abintel_pipeline_tests.metrics.test_range_features import features_of_days

RULES = Rules(history_days=10)
DAYS = [date(2025, 3, day) for day in range(1, 15)]
SPAN = SnapshotRange(DAYS[0], DAYS[-1], RULES.history_days)

Features = tuple[float, int, float, int, int]
"""purchase_total, visit_frequency, avg_ticket, product_diversity, recency_days."""

Made = Callable[[list[Row]], dict[int, Features]]


def march(day: int) -> date:
    return date(2025, 3, day)


def line(on: int, amount: str, delivered: int = 0, order: str | None = "T", **values: Any) -> Row:
    """A line of customer A, delivered on its day unless it says so."""
    return PLAIN | {
        "customer_id": "A",
        "transaction_id": order,
        "date": march(on),
        "amount": Decimal(amount),
        "product_id": "P",
        "delivered_on": march(delivered or on),
        **values,
    }


def by_day(rows: list[Row]) -> dict[int, Features]:
    columns = (
        *("purchase_total", "visit_frequency", "avg_ticket", "product_diversity"),
        "recency_days",
    )
    return {row["snapshot_date"].day: tuple(row[name] for name in columns) for row in rows}


class Compiled:
    """Features by queries that are compiled once, on tables that each test fills anew."""

    def __init__(self, formulas: Formulas) -> None:
        self.formulas = formulas
        self.connection = formulas.connection
        self.schema = lines_schema(RULES.currency_decimals)
        self.lines = self.connection.create_table("delivered", schema=ibis.schema(self.schema))
        scores = ibis.schema(RAW_CUSTOMERS.schema)
        self.scores = self.connection.create_table("no_scores", schema=scores)
        self.days = [self._of_day(day) for day in DAYS]
        parts = customer_changes(self.lines, self.scores, SPAN, traits=UNKNOWN)
        self.changes = [self.connection.compile(part) for part in parts]
        together = self.connection.create_table("changes", parts[0])
        states = customer_states(together, self.scores, RULES, traits=UNKNOWN)
        self.states = features_on(states, bound_day())

    def _of_day(self, day: date) -> str:
        counted = lines_in_force(self.lines, day, RULES.history_days)
        return self.connection.compile(customer_features(counted, self.scores, day, RULES))

    def deliver(self, lines: list[Row]) -> None:
        self.connection.truncate_table("delivered")
        self.connection.insert("delivered", pyarrow.Table.from_pylist(lines, schema=self.schema))

    def of_single_days(self) -> list[Row]:
        duckdb = native(self.connection)
        return [row for day in self.days for row in duckdb.sql(day).to_arrow_table().to_pylist()]

    def of_range(self) -> list[Row]:
        self.connection.truncate_table("changes")
        for changes in self.changes:
            native(self.connection).execute(f"INSERT INTO changes BY NAME {changes}")
        return self.formulas.rows_of_days(self.states, DAYS, CUSTOMER_FEATURES)


@pytest.fixture(scope="module")
def compiled(formulas: Formulas) -> Compiled:
    return Compiled(formulas)


@pytest.fixture(params=["single days", "a range", "a range of anything", "the oracle"])
def made(request: pytest.FixtureRequest, formulas: Formulas, compiled: Compiled) -> Made:
    """The features of customer A on every day on which there are any."""

    def of_days(lines: list[Row]) -> dict[int, Features]:
        if request.param == "a range":
            return by_day(features_of_days(formulas, lines, [], RULES, SPAN))
        if request.param == "the oracle":
            each = [oracle.published(oracle.features(lines, [], day, RULES)) for day in DAYS]
            return by_day([row for rows in each for row in rows])
        compiled.deliver(lines)
        if request.param == "single days":
            return by_day(compiled.of_single_days())
        return by_day(compiled.of_range())

    return of_days


def test_lines_of_one_delivery_at_one_position_add_up(made: Made) -> None:
    found = made([line(1, "2.50"), line(1, "2.50"), line(1, "4.00")])
    assert found[1] == (9.0, 1, 9.0, 1, 0)
    assert found[10] == (9.0, 1, 9.0, 1, 9)
    assert 11 not in found


def test_a_later_delivery_replaces_all_lines_at_its_position(made: Made) -> None:
    before, after = [line(1, "2.00"), line(1, "3.00")], [line(1, "4.00", 3), line(1, "0.50", 3)]
    found = made(before + after)
    assert (found[2][0], found[3][0]) == (5.0, 4.5)
    assert {values[1] for values in found.values()} == {1}


def test_lines_with_numbers_of_their_own_are_replaced_one_by_one(made: Made) -> None:
    lines = [line(1, "2.00", line_id="1"), line(1, "3.00", line_id="2")]
    found = made([*lines, line(1, "7.00", 3, line_id="2")])
    assert (found[2][0], found[3][0]) == (5.0, 9.0)


def test_a_cancelled_order_never_was_from_the_day_it_is_told(made: Made) -> None:
    found = made([line(1, "9.00"), line(1, "9.00", 3, cancelled=True)])
    assert found == {1: (9.0, 1, 9.0, 1, 0), 2: (9.0, 1, 9.0, 1, 1)}


def test_an_order_that_comes_cancelled_is_nothing(made: Made) -> None:
    assert made([line(1, "9.00", cancelled=True)]) == {}


def test_what_was_cancelled_may_come_again(made: Made) -> None:
    lines = [line(1, "9.00"), line(1, "9.00", 3, cancelled=True), line(1, "9.00", 5)]
    found = made(lines)
    assert list(found) == [1, 2, 5, 6, 7, 8, 9, 10]
    assert found[5] == (9.0, 1, 9.0, 1, 4)


def test_of_two_pieces_one_is_cancelled_and_the_other_counts(made: Made) -> None:
    later = [line(1, "4.00", 3), line(1, "4.00", 3, cancelled=True)]
    found = made([line(1, "4.00"), line(1, "4.00"), *later])
    assert (found[2][:2], found[3][:2]) == ((8.0, 1), (4.0, 1))


def test_a_cancelled_latest_order_gives_the_one_before_back_its_recency(made: Made) -> None:
    lines = [line(2, "1.00"), line(5, "9.00", order="U", product_id="Q")]
    later = [line(5, "9.00", 7, order="U", product_id="Q", cancelled=True)]
    found = made(lines + later)
    assert found[6] == (10.0, 2, 5.0, 2, 1)
    assert found[7] == (1.0, 1, 1.0, 1, 5)
    assert list(found) == [*range(2, 12)]


def test_a_return_lowers_the_spend_and_is_no_visit_no_product_and_not_the_latest_day(
    made: Made,
) -> None:
    found = made([line(1, "9.00"), line(3, "-2.50", order="R", product_id="Q")])
    assert found[2] == (9.0, 1, 9.0, 1, 1)
    assert found[3] == (6.5, 1, 6.5, 1, 2)


def test_a_return_alone_is_no_customer(made: Made) -> None:
    found = made([line(1, "9.00"), line(3, "-9.00", order="R")])
    assert list(found) == [*range(1, 11)]  # the return stays until the 12th
    assert found[10] == (0.0, 1, 0.0, 1, 9)


def test_more_may_be_returned_than_was_bought_in_the_window(made: Made) -> None:
    lines = [line(1, "20.00"), line(4, "3.00", order="U"), line(4, "-8.01", order="R")]
    later = line(5, "0.00", order="V")
    found = made([*lines, later])
    assert found[10] == (14.99, 3, 5.0, 1, 5)
    assert found[11] == (-5.01, 2, -2.51, 1, 6)  # -2.505, away from zero


def test_a_purchase_may_be_corrected_into_a_return_and_back(made: Made) -> None:
    found = made([line(1, "5.00"), line(1, "-5.00", 3), line(1, "5.00", 4)])
    assert list(found) == [1, 2, *range(4, 11)]


def test_a_free_line_is_a_purchase(made: Made) -> None:
    assert made([line(1, "0.00")])[1] == (0.0, 1, 0.0, 1, 0)


def test_without_an_orders_id_each_line_is_a_visit(made: Made) -> None:
    lines = [line(1, "1.00", order=None), line(1, "2.00", order=None, product_id="Q")]
    again = [line(1, "1.00", order=None)]
    assert made(lines + again)[1] == (4.0, 3, 1.33, 2, 0)


def test_without_an_orders_id_a_correction_replaces_the_visits_too(made: Made) -> None:
    lines = [line(1, "1.00", order=None), line(1, "2.00", order=None)]
    found = made([*lines, line(1, "5.00", 4, order=None)])
    assert (found[3][:2], found[4][:2]) == ((3.0, 2), (5.0, 1))


def test_without_products_the_diversity_is_zero(made: Made) -> None:
    found = made([line(1, "1.00", product_id=None), line(3, "2.00", 4, product_id=None)])
    assert found[4] == (3.0, 2, 1.5, 0, 1)


def test_a_line_without_a_product_is_none_beside_others(made: Made) -> None:
    found = made([line(1, "1.00"), line(1, "2.00", product_id=None)])
    assert found[1] == (3.0, 1, 3.0, 1, 0)


def test_a_late_return_counts_from_the_day_it_came(made: Made) -> None:
    found = made([line(1, "9.00"), line(2, "-4.00", 5, order="R")])
    assert (found[4][0], found[5][0]) == (9.0, 5.0)
