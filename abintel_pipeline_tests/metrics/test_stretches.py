"""Customers' totals and the days on which they hold, worked by hand: as a range, and day by day.

The windows are five days long: what was bought on the 10th counts until the 14th. The range goes
from the 10th to the 20th.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field, fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

import ibis
import pyarrow as pa
import pytest

from abintel_pipeline.contract.customers import RAW_CUSTOMERS
from abintel_pipeline.contract.line_traits import ORDINARY, UNKNOWN, LineTraits
from abintel_pipeline.contract.transactions import RAW_TRANSACTIONS
from abintel_pipeline.engine.connection import bind_day, bound_day, native, temporary_table
from abintel_pipeline.metrics.features import customer_features
from abintel_pipeline.metrics.in_force import lines_in_force
from abintel_pipeline.metrics.range_features import customer_changes, customer_states, features_on
from abintel_pipeline.metrics.snapshot_range import SnapshotRange
from abintel_pipeline.rules import Rules
from abintel_pipeline_tests.metrics.running import PLAIN, Formulas, Row, traits_of


def march(day: int) -> date:
    return date(2025, 3, day)


RULES = Rules(history_days=5)
SPAN = SnapshotRange(march(10), march(20), 5)

Stretch = tuple[int, int | None, float, int, int, int]
"""From this day, until that one, purchase_total, visit_frequency, product_diversity, latest day."""


def line(on: int, amount: str, delivered: int = 0, order: str | None = "T", **values: Any) -> Row:
    """A line of product P, delivered on its day unless it says so."""
    return PLAIN | {
        "transaction_id": order,
        "date": march(on),
        "amount": Decimal(amount),
        "product_id": "P",
        "delivered_on": march(delivered or on),
        **values,
    }


@dataclass
class World:
    """Customers by name: their lines, and the stretches that come of them."""

    lines: dict[str, list[Row]]
    stretches: dict[str, list[Stretch]]
    traits: LineTraits = field(init=False)

    def __post_init__(self) -> None:
        self.delivered = [
            row | {"customer_id": name} for name, rows in self.lines.items() for row in rows
        ]
        self.traits = traits_of(self.delivered)


ON_THEIR_DAY = World(
    {
        "before, within and after": [
            line(5, "64.00"),
            line(6, "1.00"),
            line(6, "2.00", product_id="Q"),
            line(9, "4.00", order="U"),
            line(21, "32.00"),
        ],
        "twice": [line(12, "9.00"), line(16, "1.00", order="U")],
        "again as the first leaves": [line(10, "1.00"), line(15, "2.00")],
        "again a day later": [line(10, "1.00"), line(16, "2.00")],
        "one order's number on two days": [line(10, "1.00"), line(11, "1.00")],
        "two orders on one day": [line(10, "1.00"), line(10, "2.00", order="U")],
        "a product is away for a day": [
            *(line(10, "1.00"), line(10, "2.00", product_id="Q")),
            *(line(14, "4.00", order="U", product_id="Q"), line(16, "8.00", order="V")),
        ],
        "a product from before is away for a day": [
            *(line(8, "1.00"), line(9, "2.00", order="U", product_id="Q")),
            *(line(13, "4.00", order="V", product_id="Q"), line(14, "8.00", order="W")),
        ],
        "on the last day": [line(20, "3.00")],
        "too late for the range": [line(21, "3.00")],
    },
    {
        "before, within and after": [(10, 11, 7.0, 2, 2, 9), (11, 14, 4.0, 1, 1, 9)],
        "twice": [(12, 16, 9.0, 1, 1, 12), (16, 17, 10.0, 2, 1, 16), (17, None, 1.0, 1, 1, 16)],
        "again as the first leaves": [(10, 15, 1.0, 1, 1, 10), (15, 20, 2.0, 1, 1, 15)],
        "again a day later": [(10, 15, 1.0, 1, 1, 10), (16, None, 2.0, 1, 1, 16)],
        "one order's number on two days": [
            (10, 11, 1.0, 1, 1, 10),
            (11, 15, 2.0, 2, 1, 11),
            (15, 16, 1.0, 1, 1, 11),
        ],
        "two orders on one day": [(10, 15, 3.0, 2, 1, 10)],
        "a product is away for a day": [
            (10, 14, 3.0, 1, 2, 10),
            (14, 15, 7.0, 2, 2, 14),
            (15, 16, 4.0, 1, 1, 14),
            (16, 19, 12.0, 2, 2, 16),
            (19, None, 8.0, 1, 1, 16),
        ],
        "a product from before is away for a day": [
            (10, 13, 3.0, 2, 2, 9),
            (13, 14, 6.0, 2, 1, 13),
            (14, 18, 12.0, 2, 2, 14),
            (18, 19, 8.0, 1, 1, 14),
        ],
        "on the last day": [(20, None, 3.0, 1, 1, 20)],
    },
)

WITHOUT_IDS = World(
    {
        "three lines without an order": [
            line(10, "1.00", order=None),
            line(10, "1.00", order=None),
            line(10, "2.00", order=None, product_id="Q"),
        ],
        "an order beside them": [line(10, "1.00"), line(10, "2.00"), line(12, "4.00", order=None)],
        "no product": [line(10, "1.00", product_id=None), line(11, "2.00", order="U")],
        "never a product": [line(10, "1.00", product_id=None)],
    },
    {
        "three lines without an order": [(10, 15, 4.0, 3, 2, 10)],
        "an order beside them": [
            (10, 12, 3.0, 1, 1, 10),
            (12, 15, 7.0, 2, 1, 12),
            (15, 17, 4.0, 1, 1, 12),
        ],
        "no product": [(10, 11, 1.0, 1, 0, 10), (11, 15, 3.0, 2, 1, 11), (15, 16, 2.0, 1, 1, 11)],
        "never a product": [(10, 15, 1.0, 1, 0, 10)],
    },
)

LATE = World(
    {
        "corrected": [line(9, "2.00"), line(9, "5.00", 12)],
        "corrected twice before": [line(8, "1.00"), line(8, "2.00", 9), line(8, "3.00", 10)],
        "corrected in two lines": [line(10, "2.00"), line(10, "4.00", 12), line(10, "0.50", 12)],
        "another order comes late": [
            line(8, "1.00"),
            line(9, "3.00", 11, order="U", product_id="Q"),
        ],
        "too late for any window": [line(10, "7.00", 15)],
        "on the last day of its window": [line(11, "7.00", 15)],
        "the product comes back": [line(10, "1.00"), line(16, "1.00", 18)],
        "the product goes on": [line(10, "1.00"), line(12, "2.00", 15)],
        "the product came back before": [
            line(6, "1.00"),
            line(9, "2.00"),
            line(14, "4.00"),
            line(19, "8.00"),
        ],
        "corrected after the range": [line(18, "1.00"), line(18, "2.00", 21)],
    },
    {
        "corrected": [(10, 12, 2.0, 1, 1, 9), (12, 14, 5.0, 1, 1, 9)],
        "corrected twice before": [(10, 13, 3.0, 1, 1, 8)],
        "corrected in two lines": [(10, 12, 2.0, 1, 1, 10), (12, 15, 4.5, 1, 1, 10)],
        "another order comes late": [
            (10, 11, 1.0, 1, 1, 8),
            (11, 13, 4.0, 2, 2, 9),
            (13, 14, 3.0, 1, 1, 9),
        ],
        "on the last day of its window": [(15, 16, 7.0, 1, 1, 11)],
        "the product comes back": [(10, 15, 1.0, 1, 1, 10), (18, None, 1.0, 1, 1, 16)],
        "the product goes on": [(10, 15, 1.0, 1, 1, 10), (15, 17, 2.0, 1, 1, 12)],
        "the product came back before": [
            (10, 11, 3.0, 2, 1, 9),
            (11, 14, 2.0, 1, 1, 9),
            (14, 19, 4.0, 1, 1, 14),
            (19, None, 8.0, 1, 1, 19),
        ],
        "corrected after the range": [(18, None, 1.0, 1, 1, 18)],
    },
)

NUMBERED = World(
    {
        "one of two lines": [
            line(10, "2.00", line_id="1"),
            line(10, "3.00", line_id="2"),
            line(10, "7.00", 12, line_id="2"),
        ],
        "lines without a number": [line(10, "1.00"), line(10, "4.00", 12)],
    },
    {
        "one of two lines": [(10, 12, 5.0, 1, 1, 10), (12, 15, 9.0, 1, 1, 10)],
        "lines without a number": [(10, 12, 1.0, 1, 1, 10), (12, 15, 4.0, 1, 1, 10)],
    },
)

LATE_WITHOUT_IDS = World(
    {
        "lines without an order are replaced": [
            line(10, "1.00", order=None),
            line(10, "2.00", order=None),
            line(10, "5.00", 12, order=None),
        ],
        "lines without a product are replaced": [
            line(10, "1.00", product_id=None),
            line(10, "5.00", 12, product_id=None),
        ],
        "an order": [line(10, "1.00"), line(10, "5.00", 12)],
    },
    {
        "lines without an order are replaced": [(10, 12, 3.0, 2, 1, 10), (12, 15, 5.0, 1, 1, 10)],
        "lines without a product are replaced": [(10, 12, 1.0, 1, 0, 10), (12, 15, 5.0, 1, 0, 10)],
        "an order": [(10, 12, 1.0, 1, 1, 10), (12, 15, 5.0, 1, 1, 10)],
    },
)

RETURNS = World(
    {
        "brought back in part": [line(10, "9.00"), line(12, "-2.50", order="R", product_id="Q")],
        "in the order itself": [line(10, "9.00"), line(10, "-9.00", product_id="Q")],
        "nothing but a return": [line(12, "-2.50")],
        "more than was bought": [
            line(10, "9.00"),
            line(11, "1.00", order="U"),
            line(11, "-5.01", order="R"),
        ],
        "a free line": [line(10, "0.00")],
        "only buys": [line(10, "1.00"), line(12, "2.00", order="U")],
    },
    {
        "brought back in part": [(10, 12, 9.0, 1, 1, 10), (12, 15, 6.5, 1, 1, 10)],
        "in the order itself": [(10, 15, 0.0, 1, 1, 10)],
        "more than was bought": [
            (10, 11, 9.0, 1, 1, 10),
            (11, 15, 4.99, 2, 1, 11),
            (15, 16, -4.01, 1, 1, 11),
        ],
        "a free line": [(10, 15, 0.0, 1, 1, 10)],
        "only buys": [(10, 12, 1.0, 1, 1, 10), (12, 15, 3.0, 2, 1, 12), (15, 17, 2.0, 1, 1, 12)],
    },
)

CANCELLED_AT_ONCE = World(
    {
        "one product of two": [line(10, "9.00"), line(10, "5.00", product_id="Q", cancelled=True)],
        "all": [line(10, "9.00", cancelled=True)],
        "one piece of two": [line(10, "4.00"), line(10, "4.00", cancelled=True)],
        "only buys": [line(12, "2.00")],
    },
    {
        "one product of two": [(10, 15, 9.0, 1, 1, 10)],
        "one piece of two": [(10, 15, 4.0, 1, 1, 10)],
        "only buys": [(12, 17, 2.0, 1, 1, 12)],
    },
)

ANYTHING = World(
    {
        "the latest order is cancelled": [
            line(9, "1.00"),
            line(11, "9.00", order="U", product_id="Q"),
            line(11, "9.00", 13, order="U", product_id="Q", cancelled=True),
        ],
        "cancelled, and bought again": [
            line(10, "9.00"),
            line(10, "9.00", 12, cancelled=True),
            line(10, "8.00", 13),
        ],
        "cancelled before the range": [
            line(8, "1.00"),
            line(9, "9.00", order="U"),
            line(9, "9.00", 10, order="U", cancelled=True),
        ],
        "cancelled after the range": [line(18, "9.00"), line(18, "9.00", 21, cancelled=True)],
        "a return, and bought again": [
            line(10, "5.00"),
            line(10, "-5.00", 12),
            line(10, "5.00", 13),
        ],
        "the product stays": [
            line(10, "1.00"),
            line(11, "2.00", order="U"),
            line(11, "2.00", 13, order="U", cancelled=True),
        ],
        "without an order": [
            line(10, "1.00", order=None),
            line(10, "2.00", order=None),
            line(10, "5.00", 12, order=None),
            line(11, "4.00", product_id=None, line_id="1"),
        ],
        "a late return": [line(10, "9.00"), line(11, "-4.00", 13, order="R")],
        "the order stays for its other line": [
            line(10, "1.00"),
            line(10, "2.00", product_id="Q"),
            line(10, "2.00", 12, product_id="Q", cancelled=True),
        ],
        "the order goes, and comes with another line": [
            line(10, "1.00"),
            line(10, "1.00", 11, cancelled=True),
            line(10, "2.00", 13, product_id="Q"),
        ],
        "corrected": [line(9, "2.00"), line(9, "5.00", 12)],
        "an order in two deliveries": [
            line(10, "1.00"),
            line(10, "2.00", 14, product_id="Q"),
            line(10, "4.00", product_id="R", cancelled=True),
        ],
        "gone on the last day": [
            line(15, "2.00"),
            line(18, "1.00", order="U"),
            line(18, "1.00", 19, order="U", cancelled=True),
        ],
    },
    {
        "the latest order is cancelled": [
            (10, 11, 1.0, 1, 1, 9),
            (11, 13, 10.0, 2, 2, 11),
            (13, 14, 1.0, 1, 1, 9),
        ],
        "cancelled, and bought again": [(10, 12, 9.0, 1, 1, 10), (13, 15, 8.0, 1, 1, 10)],
        "cancelled before the range": [(10, 13, 1.0, 1, 1, 8)],
        "cancelled after the range": [(18, None, 9.0, 1, 1, 18)],
        "a return, and bought again": [(10, 12, 5.0, 1, 1, 10), (13, 15, 5.0, 1, 1, 10)],
        "the product stays": [
            (10, 11, 1.0, 1, 1, 10),
            (11, 12, 3.0, 2, 1, 11),  # a score comes on the 12th
            (12, 13, 3.0, 2, 1, 11),
            (13, 15, 1.0, 1, 1, 10),
        ],
        "without an order": [
            (10, 11, 3.0, 2, 1, 10),
            (11, 12, 7.0, 3, 1, 11),
            (12, 15, 9.0, 2, 1, 11),
            (15, 16, 4.0, 1, 0, 11),
        ],
        "a late return": [(10, 13, 9.0, 1, 1, 10), (13, 15, 5.0, 1, 1, 10)],
        "the order stays for its other line": [(10, 12, 3.0, 1, 2, 10), (12, 15, 1.0, 1, 1, 10)],
        "the order goes, and comes with another line": [
            (10, 11, 1.0, 1, 1, 10),
            (13, 15, 2.0, 1, 1, 10),
        ],
        "corrected": [(10, 12, 2.0, 1, 1, 9), (12, 14, 5.0, 1, 1, 9)],
        "an order in two deliveries": [(10, 14, 1.0, 1, 1, 10), (14, 15, 3.0, 1, 2, 10)],
        "gone on the last day": [
            (15, 18, 2.0, 1, 1, 15),
            (18, 19, 3.0, 2, 1, 18),
            (19, 20, 2.0, 1, 1, 15),
        ],
    },
)

WORLDS = {
    "on their day": ON_THEIR_DAY,
    "without ids": WITHOUT_IDS,
    "late": LATE,
    "numbered": NUMBERED,
    "late and without ids": LATE_WITHOUT_IDS,
    "returns": RETURNS,
    "cancelled at once": CANCELLED_AT_ONCE,
    "anything": ANYTHING,
}


def score(customer: str, delivered: int, value: float | None) -> Row:
    return {"customer_id": customer, "loyalty_score": value, "delivered_on": march(delivered)}


SCORES = [score("the product stays", 12, 0.25)]


def states(
    formulas: Formulas, lines: list[Row], traits: LineTraits, scores: list[Row]
) -> list[Row]:
    """The rows of customer_states, by customer and day."""
    delivered = formulas.lines(lines, RULES.currency_decimals)
    customers = formulas.memtable(scores, RAW_CUSTOMERS.schema)
    changes = customer_changes(delivered, customers, SPAN, traits=traits)
    with temporary_table(formulas.connection, *changes) as together:
        made = customer_states(together, customers, RULES, traits=traits)
        table = formulas.connection.to_pyarrow(made)
    assert set(table.column_names) == {
        *("customer_id", "valid_from", "valid_until", "latest", "purchase_total"),
        *("visit_frequency", "avg_ticket", "product_diversity", "loyalty_score"),
    }
    assert table.schema.field("visit_frequency").type == pa.int64()
    assert table.schema.field("product_diversity").type == pa.int64()
    return sorted(table.to_pylist(), key=lambda row: (row["customer_id"], row["valid_from"]))


def stretches(rows: list[Row]) -> dict[str, list[Stretch]]:
    found: dict[str, list[Stretch]] = defaultdict(list)
    for row in rows:
        until = row["valid_until"].day if row["valid_until"] else None
        totals = (row["purchase_total"], row["visit_frequency"], row["product_diversity"])
        stretch = (row["valid_from"].day, until, *totals, row["latest"].day)
        found[row["customer_id"]].append(stretch)
    return dict(found)


def test_the_worlds_have_every_kind_of_line() -> None:
    traits = {name: world.traits for name, world in WORLDS.items()}
    assert traits["on their day"] == ORDINARY
    assert traits["anything"] == UNKNOWN
    assert traits["late"] == LineTraits(**{f.name: f.name == "late" for f in fields(LineTraits)})


@pytest.mark.parametrize("known", [True, False], ids=["traits known", "traits unknown"])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_totals_hold_from_one_change_to_the_next(
    formulas: Formulas, world: World, known: bool
) -> None:
    traits = world.traits if known else UNKNOWN
    for lines in (world.delivered, world.delivered[::-1]):  # whatever order they come in
        assert stretches(states(formulas, lines, traits, SCORES)) == world.stretches


@pytest.mark.parametrize("day", [10, 12, 14, 15])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_features_of_a_day_are_the_totals_that_hold_on_it(
    formulas: Formulas, world: World, day: int
) -> None:
    made = formulas.features(world.delivered, SCORES, march(day), RULES, traits=world.traits)
    expected = {}
    for customer, found in world.stretches.items():
        for first, until, *totals, latest in found:
            if first <= day and (until is None or day < until):
                expected[customer] = (*totals, day - latest)
    names = ("purchase_total", "visit_frequency", "product_diversity", "recency_days")
    assert {row["customer_id"]: tuple(row[n] for n in names) for row in made} == expected


def test_a_score_holds_from_its_delivery_until_the_next_and_one_of_nothing_says_nothing(
    formulas: Formulas,
) -> None:
    lines = [line(10, "1.00") | {"customer_id": customer} for customer in "AB"]
    scores = [
        *(score("A", 8, 0.5), score("A", 9, 0.25), score("A", 12, 0.75), score("A", 13, None)),
        *(score("A", 21, 1.0), score("B", 10, None)),
    ]
    for traits in (ORDINARY, UNKNOWN):
        made = states(formulas, lines, traits, scores)
        assert [(r["customer_id"], r["valid_from"].day, r["loyalty_score"]) for r in made] == [
            ("A", 10, 0.25),
            ("A", 12, 0.75),
            ("B", 10, 0.0),
        ]


def test_a_state_is_in_force_from_its_first_day_to_the_day_before_the_next(
    formulas: Formulas,
) -> None:
    columns = {
        "customer_id": ["A", "A", "B"],
        "valid_from": [march(10), march(12), march(11)],
        "valid_until": pa.array([march(12), None, march(12)], pa.date32()),
        "purchase_total": [1.0, 2.0, 4.0],
        "visit_frequency": [1, 2, 3],
        "avg_ticket": [1.0, 1.0, 1.0],
        "product_diversity": [1, 1, 1],
        "loyalty_score": [0.0, 0.0, 0.0],
        "latest": [march(9), march(12), march(11)],
    }
    held = formulas.connection.create_table("held", pa.table(columns), overwrite=True)
    found = {}
    for day in (9, 10, 11, 12, 13):
        rows = formulas.connection.to_pyarrow(features_on(held, march(day))).to_pylist()
        found[day] = {row["customer_id"]: row["recency_days"] for row in rows}
    assert found == {9: {}, 10: {"A": 1}, 11: {"A": 2, "B": 0}, 12: {"A": 0}, 13: {"A": 1}}
    bind_day(native(formulas.connection), march(11))
    rows = formulas.connection.to_pyarrow(features_on(held, bound_day())).to_pylist()
    assert {row["customer_id"]: row["snapshot_date"] for row in rows} == {
        "A": march(11),
        "B": march(11),
    }


def test_what_is_not_among_the_lines_is_not_looked_for() -> None:
    lines = ibis.table(ibis.schema(RAW_TRANSACTIONS.schema), name="lines")
    customers = ibis.table(ibis.schema(RAW_CUSTOMERS.schema), name="customers")
    counted = lines_in_force(lines, march(10), 5, traits=ORDINARY)
    changes = customer_changes(lines, customers, SPAN, traits=ORDINARY)
    assert len(changes) == 3
    for made in (
        customer_features(counted, customers, march(10), RULES, traits=ORDINARY),
        *changes,
        customer_states(changes[0], customers, RULES, traits=ORDINARY),
    ):
        query = str(ibis.to_sql(made, dialect="duckdb")).lower()
        for asked in ("is not distinct from", "anti join", "< 0", '"amount" >', "is null"):
            assert asked not in query
        assert not re.search(r'not \(?"\w+"\."cancelled"', query)


def test_positions_are_compared_as_null_only_where_there_are_nulls() -> None:
    lines = ibis.table(ibis.schema(RAW_TRANSACTIONS.schema), name="lines")
    late = LineTraits(**{f.name: f.name == "late" for f in fields(LineTraits)})
    for traits, expected in ((late, 0), (replace(late, line_ids=True), 1), (UNKNOWN, 3)):
        query = str(ibis.to_sql(lines_in_force(lines, march(10), 5, traits=traits)))
        assert query.lower().count("is not distinct from") == expected


def test_only_late_lines_that_the_caller_names_replace_others_on_a_day(
    formulas: Formulas,
) -> None:
    rows = [line(10, "1.00"), line(10, "2.00", 12)]
    lines = formulas.lines([row | {"customer_id": "A"} for row in rows], 2)
    for late_lines, expected in ((None, ["2.00"]), (lines.limit(0), ["1.00", "2.00"])):
        counted = lines_in_force(lines, march(12), 5, late_lines=late_lines)
        amounts = formulas.connection.to_pyarrow(counted)["amount"].to_pylist()
        assert sorted(map(str, amounts)) == expected


def test_only_late_lines_that_the_caller_names_replace_others(formulas: Formulas) -> None:
    rows = [line(10, "1.00"), line(10, "2.00", 12)]
    lines = formulas.lines([row | {"customer_id": "A"} for row in rows], 2)
    none = formulas.memtable([], RAW_CUSTOMERS.schema)
    late = LineTraits(True, False, False, False, False, False)
    spent = {}
    for name, of, known in (("all", lines, late), ("none", lines.limit(0), late)):
        changes = customer_changes(lines, none, SPAN, late_lines=of, traits=known)
        with temporary_table(formulas.connection, *changes) as together:
            made = customer_states(together, none, RULES, traits=known)
            table = formulas.connection.to_pyarrow(made).to_pylist()
        spent[name] = sorted((row["valid_from"].day, row["purchase_total"]) for row in table)
    assert spent == {"all": [(10, 1.0), (12, 2.0)], "none": [(10, 1.0), (12, 3.0)]}
    assert len(customer_changes(lines, none, SPAN, traits=ORDINARY)) == 3


def test_a_span_knows_its_lines_and_when_a_day_leaves(formulas: Formulas) -> None:
    rows = [
        *(line(6, "1.00"), line(5, "1.00"), line(20, "1.00"), line(21, "1.00")),
        *(line(10, "1.00", 14), line(10, "1.00", 15)),
    ]
    lines = formulas.lines([row | {"customer_id": "A"} for row in rows], 2)
    kept_lines = formulas.connection.to_pyarrow(SPAN.lines(lines)).to_pylist()
    assert sorted((row["date"].day, row["delivered_on"].day) for row in kept_lines) == [
        *((6, 6), (10, 14), (20, 20)),
    ]
    out = formulas.connection.to_pyarrow(lines.select(out=SPAN.out(lines.date)))
    assert out.schema.field("out").type == pa.date32()
    assert out["out"].to_pylist() == [march(row["date"].day + 5) for row in rows]


def test_an_average_below_zero_is_rounded_away_from_zero_in_a_range_too(
    formulas: Formulas,
) -> None:
    rows = [line(10, "0.00"), line(10, "0.00", order="U"), line(11, "-0.01", order="R")]
    lines = [row | {"customer_id": "A"} for row in rows]
    traits = traits_of(lines)
    averages = [row["avg_ticket"] for row in states(formulas, lines, traits, [])]
    assert averages == [0.0, -0.01]  # -0.005
    [row] = formulas.features(lines, [], march(11), RULES, traits=traits)
    assert row["avg_ticket"] == -0.01
