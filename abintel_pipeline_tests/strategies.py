"""Hypothesis strategies: deliveries, cohorts and rules, small enough that everything collides."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from abintel_pipeline.rules import METRICS, Bounds, Rules
from abintel_pipeline_tests.oracle import money

Row = dict[str, Any]

FIRST_DAY = date(2024, 2, 26)  # a leap day and a month's end lie in every window
DAYS = 12
SNAPSHOT = date(2024, 3, 9)

customer_ids = st.sampled_from(["1", "001", "01", "a", "A", "é", "10", "9"])
days = st.integers(0, DAYS - 1).map(lambda n: FIRST_DAY + timedelta(days=n))
snapshot_days = st.integers(-1, DAYS + 6).map(lambda n: FIRST_DAY + timedelta(days=n))
latenesses = st.sampled_from([0, 0, 0, 1, 2, 5])
windows = st.sampled_from([1, 2, 3, 5, 8, 540, 3660])
bins = st.sampled_from([2, 3, 2, 3, 4, 5, 4, 3, 6, 7, 8, 9, 10])  # many bins are slow to query


def amounts(decimals: int = 2) -> st.SearchStrategy[Decimal]:
    """Amounts: nothing at all, the smallest coin, odd ones that make averages tie, large ones."""
    coins = st.one_of(
        st.sampled_from([0, 0, 1, 5, 15, 100, 9995]),
        st.integers(0, 10**5),
        st.integers(10**8, 10**11),
    )
    return coins.map(lambda n: Decimal(n).scaleb(-decimals))


@dataclass(frozen=True)
class Source:
    """What a retailer's lines may be; one line in some of the lists."""

    orders: tuple[str | None, ...] = ("T1", "T2", "t1")
    products: tuple[str | None, ...] = ("P1", "p1", "P2", "001")
    line_ids: tuple[str | None, ...] = (None,)
    cancelled: tuple[bool, ...] = (False,)
    returns: bool = False


PLAIN = Source()
"""Purchases, none of which is ever taken back."""

SOURCES = [
    PLAIN,
    Source(cancelled=(False, False, True), returns=True),
    Source(cancelled=(False, True)),
    Source(returns=True),
    Source(orders=(None,)),
    Source(products=(None,)),
    Source(line_ids=("1", "2", "01")),
    Source(orders=("T1", None), products=("P1", None), line_ids=("1", None)),
    Source(
        orders=("T1", None),
        products=("P1", "P2", None),
        line_ids=("1", None),
        cancelled=(False, False, True),
        returns=True,
    ),
]

sources = st.sampled_from(SOURCES)


@st.composite
def deliveries(
    draw: st.DrawFn, decimals: int = 2, source: st.SearchStrategy[Source] = sources
) -> list[Row]:
    """Transaction lines as delivered: late ones, corrections, redeliveries; in any order.

    Some stand twice at one position in one delivery, and whatever else the source has.
    """
    kind = draw(source)
    signs = [1, 1, -1] if kind.returns else [1]

    def values() -> st.SearchStrategy[Row]:
        signed = st.tuples(amounts(decimals), st.sampled_from(signs))
        return st.fixed_dictionaries(
            {
                "amount": signed.map(lambda pair: pair[0] * pair[1]),
                "cancelled": st.sampled_from(kind.cancelled),
            }
        )

    lines: list[Row] = []
    for _ in range(draw(st.integers(0, 12))):
        position = {
            "customer_id": draw(customer_ids),
            "transaction_id": draw(st.sampled_from(kind.orders)),
            "date": draw(days),
            "product_id": draw(st.sampled_from(kind.products)),
            "line_id": draw(st.sampled_from(kind.line_ids)),
        }
        delivered, before = position["date"] + timedelta(days=draw(latenesses)), draw(values())
        for again in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
            if again:  # the same position once more: as it was, corrected, or taken back
                delivered += timedelta(days=draw(st.integers(0, 4)))
                before = draw(st.just(before) | values())
            lines.append(position | before | {"delivered_on": delivered})
    return draw(st.permutations(lines))


@st.composite
def customers(draw: st.DrawFn) -> list[Row]:
    """Customers as delivered, with a score or without, at most once a delivery."""
    scores = st.sampled_from([None, 0.0, 0.25, 0.97, 1.0])
    row = st.fixed_dictionaries(
        {"customer_id": customer_ids, "loyalty_score": scores, "delivered_on": days}
    )
    return draw(
        st.lists(row, max_size=8, unique_by=lambda row: (row["customer_id"], row["delivered_on"]))
    )


def _money(values: list[int], decimals: int) -> st.SearchStrategy[Fraction]:
    """Few values, so that they tie; round ones, so that a score falls in the middle of two."""
    return st.sampled_from(values).map(lambda n: Fraction(n, 10**decimals))


@st.composite
def cohorts(
    draw: st.DrawFn, decimals: int = 2, snapshot: date = SNAPSHOT, *, requested: bool = False
) -> list[Row]:
    """Features of one snapshot, at least one customer; metrics are constant now and then.

    `requested`: as a request has them, with no total below zero and some product.
    """
    ids = draw(st.lists(customer_ids, min_size=1, max_size=8, unique=True))
    columns = {
        "purchase_total": draw(
            st.sampled_from(
                [
                    st.just(Fraction(1999, 10**decimals)),
                    _money([0, 100, 500, 1250, 3200, 32000], decimals),
                    _money([-32000, -1250, -5, 0, 5, 1250, 3200], decimals),
                    st.integers(-(10**5), 10**6).map(lambda n: Fraction(n, 10**decimals)),
                ]
            )
        ),
        "visit_frequency": draw(
            st.sampled_from([st.just(2), st.sampled_from([1, 2, 17, 33]), st.integers(1, 60)])
        ),
        "product_diversity": draw(st.sampled_from([st.just(1), st.just(0), st.integers(0, 9)])),
        "recency_days": draw(st.sampled_from([st.just(0), st.sampled_from([0, 1, 16, 32, 539])])),
    }
    rows = []
    for customer_id in sorted(ids):
        row = {name: draw(values) for name, values in columns.items()}
        if requested:
            row["purchase_total"] = abs(row["purchase_total"])
            row["product_diversity"] = max(row["product_diversity"], 1)
        ticket = money(Fraction(row["purchase_total"]) / row["visit_frequency"], decimals)
        rows.append(
            {"snapshot_date": snapshot, "customer_id": customer_id, "loyalty_score": 0.0}
            | row
            | {"avg_ticket": ticket}
        )
    return rows


@st.composite
def histories(draw: st.DrawFn, decimals: int = 2) -> list[list[Row]]:
    """Cohorts of one to three snapshots."""
    return [
        draw(cohorts(decimals, SNAPSHOT + timedelta(days=day)))
        for day in range(draw(st.integers(1, 3)))
    ]


def weights() -> st.SearchStrategy[dict[str, float]]:
    """Some metrics, some of them weighing nothing, the sum seldom 1, as people write them."""
    weight = st.sampled_from([0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.333, 1.0, 3.0, 70.0])
    return st.dictionaries(st.sampled_from(METRICS), weight, min_size=1).filter(
        lambda named: any(named.values())
    )


@st.composite
def segment_thresholds(draw: st.DrawFn) -> dict[str, float]:
    """One to five segments, named by whoever likes quotes and braces, down to 0."""
    names = draw(
        st.lists(
            st.sampled_from(["VIP", 'the "best"', "Größte", "{0}", "a\\b", "it's", "At-Risk"]),
            min_size=1,
            max_size=5,
            unique=True,
        )
    )
    cuts = st.sampled_from([0.9, 0.85, 0.7, 0.6667, 0.5, 0.3333, 0.33333, 0.3, 0.0313, 0.0001, 1.0])
    above = draw(st.lists(cuts, min_size=len(names) - 1, max_size=len(names) - 1, unique=True))
    return dict(zip(names, [*sorted(above, reverse=True), 0.0], strict=True))


@st.composite
def bounds(draw: st.DrawFn) -> Bounds:
    kind = draw(st.sampled_from(["cohort", "percentiles", "reference"]))
    if kind == "percentiles":
        low, high = draw(st.sampled_from([(1, 99), (0, 100), (2.5, 97.5), (25, 75), (33.3, 50)]))
        return Bounds(kind=kind, percentiles=(low, high))
    if kind == "reference":
        spans = st.sampled_from([(0, 1), (0, 100), (-5.5, 26.5), (1, 33), (0.1, 0.3), (7, 1000)])
        return Bounds(kind=kind, reference={metric: draw(spans) for metric in METRICS})
    return Bounds()


@st.composite
def rules(draw: st.DrawFn, decimals: int | None = None) -> Rules:
    """Any rules a retailer could set."""
    return Rules(
        history_days=draw(windows),
        currency_decimals=draw(st.integers(0, 4)) if decimals is None else decimals,
        weights=draw(weights()),
        segment_thresholds=draw(segment_thresholds()),
        bounds=draw(bounds()),
        bins=draw(bins),
    )
