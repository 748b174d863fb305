"""What is worth knowing about a file's transactions before they are taken in."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from abintel_pipeline.engine.sql import quoted_list
from abintel_pipeline.inspecting.synonyms import GUESTS
from abintel_pipeline.inspecting.text_rows import TextRows
from abintel_pipeline.inspecting.typed_table import TYPED
from abintel_pipeline.intake.texts.ids import trimmed

SHOWN_PAIRS = 5
SOME_CUSTOMERS = 10
"""Customers from which on a large share of one says something."""

_LETTERS = f"lower(nfc_normalize({trimmed('customer_text')}))"
_ALIKE = rf"regexp_replace(regexp_replace({_LETTERS}, '\.0+$', ''), '^0+(.+)$', '\1')"
"""A customer's id without case, outer blanks, leading zeros and `.0`."""


@dataclass(frozen=True)
class Rows:
    """Some rows: how many, and what their amounts add up to."""

    rows: int
    money: Decimal


@dataclass(frozen=True)
class Alike:
    """Two customer ids that look alike; `same` says whether intake takes them for one customer."""

    one: str
    other: str
    same: bool


@dataclass(frozen=True)
class Checks:
    """`copies` are rows that are copies of an earlier row, `repeated` those at a position that an
    earlier row has. `guests` are ids that stand for nobody in many
    systems, `largest` is the customer with the most orders, and their share.
    """

    returns: Rows
    nobody: Rows
    copies: Rows
    repeated: Rows
    copied_rows_share: float
    alike: tuple[Alike, ...]
    alike_pairs: int
    guests: dict[str, Rows]
    largest: tuple[str, int, float] | None
    early: int
    future: int
    newest: date | None
    lines_are_numbered: bool


def check_rows(rows: TextRows, earliest: date, today: date) -> Checks:
    """The checks of the typed rows."""
    pairs, alike = _alike(rows)
    copies = _beyond_first(rows, "whole")
    early, future, newest = rows.one(
        f"SELECT count(*) FILTER (day < DATE '{earliest}'), count(*) FILTER (day > DATE '{today}'),"
        f" max(day) FILTER (day <= DATE '{today}') FROM {TYPED}"
    )
    return Checks(
        returns=_some(rows, "amount < 0"),
        nobody=_some(rows, "customer IS NULL"),
        copies=copies,
        repeated=_beyond_first(rows, "customer, order_id, day, product, line", _POSITIONED),
        copied_rows_share=copies.rows / rows.rows if rows.rows else 0.0,
        alike=alike,
        alike_pairs=pairs,
        guests=_guests(rows),
        largest=_largest(rows),
        early=early,
        future=future,
        newest=newest,
        lines_are_numbered=_lines_are_numbered(rows),
    )


_POSITIONED = "customer IS NOT NULL AND order_id IS NOT NULL AND day IS NOT NULL"


def _some(rows: TextRows, condition: str) -> Rows:
    found = rows.one(f"SELECT count(*), coalesce(sum(amount), 0) FROM {TYPED} WHERE {condition}")
    return Rows(found[0], Decimal(found[1]))


def _beyond_first(rows: TextRows, key: str, condition: str = "true") -> Rows:
    """Rows behind the first one with the same key."""
    found = rows.one(
        "SELECT count(*), coalesce(sum(amount), 0) FROM (SELECT amount,"
        f" row_number() OVER (PARTITION BY {key} ORDER BY whole) AS nth FROM {TYPED}"
        f" WHERE {condition}) WHERE nth > 1"
    )
    return Rows(found[0], Decimal(found[1]))


def _alike(rows: TextRows) -> tuple[int, tuple[Alike, ...]]:
    found = rows.ask(
        "SELECT count(*) OVER (), min(customer_text), max(customer_text),"
        " count(DISTINCT customer) = 1 AS same, sum(times) FROM (SELECT customer_text,"
        f" any_value(customer) AS customer, count(*) AS times, {_ALIKE} AS alike FROM {TYPED}"
        " WHERE customer IS NOT NULL GROUP BY customer_text)"
        " GROUP BY alike HAVING count(*) > 1 ORDER BY same, 5 DESC, 2"
        f" LIMIT {SHOWN_PAIRS}"
    )
    return (found[0][0] if found else 0), tuple(Alike(*one[1:4]) for one in found)


def _guests(rows: TextRows) -> dict[str, Rows]:
    """Rows of ids that many systems give to all who have none."""
    words = quoted_list(GUESTS)
    found = rows.ask(
        f"SELECT customer, count(*), coalesce(sum(amount), 0) FROM {TYPED}"
        f" WHERE lower(customer) IN ({words}) GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return {customer: Rows(count, Decimal(money)) for customer, count, money in found}


def _largest(rows: TextRows) -> tuple[str, int, float] | None:
    """The customer with the most orders; None where there are few customers."""
    found = rows.ask(
        "SELECT customer, orders, orders / sum(orders) OVER (), count(*) OVER () FROM ("
        "SELECT customer, CASE WHEN count(order_id) > 0 THEN count(DISTINCT (order_id, day))"
        f" ELSE count(*) END AS orders FROM {TYPED} WHERE customer IS NOT NULL GROUP BY 1)"
        " ORDER BY orders DESC, customer LIMIT 1"
    )
    if not found or found[0][3] < SOME_CUSTOMERS:
        return None
    customer, orders, share, _ = found[0]
    return customer, int(orders), float(share)


def _lines_are_numbered(rows: TextRows) -> bool:
    """Whether each line number stands once in its order."""
    found = rows.one(
        f"SELECT count(line), count(DISTINCT (customer, order_id, day, product, line)), count(*)"
        f" FROM {TYPED} WHERE {_POSITIONED} AND line IS NOT NULL"
    )
    return bool(found[0] and found[0] == found[1])
