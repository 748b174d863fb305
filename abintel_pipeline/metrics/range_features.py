"""The totals of every customer over a range of days, from one pass over the lines.

A line enters a customer's totals on the day it was delivered and leaves them when its date falls
out of the window or another delivery at the same position supersedes it. All that happened up to
the first day of the range is one change, on that day. The changes run up to states that hold from
one change to the next, and a snapshot picks the states of its day.

Two facts keep it cheap. The deliveries at one position join up: each leaves as the next one enters.
So an order, or a product that a customer bought, is there from its first delivery until its date
falls out of the window, and superseding changes nothing but the spend. And lines leave in the order
of their dates: when the latest has left, so has the customer, so the latest date is a running
maximum.

Neither holds for a customer of whom a line was cancelled or brought back, or of whose lines without
an order's id one may have been replaced. These, and these alone, are looked at line by line: see
`intervals`.
"""

from datetime import date
from typing import cast

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from abintel_pipeline.contract.line_traits import UNKNOWN, LineTraits
from abintel_pipeline.metrics.features import on_day, published_totals, purchases, visits
from abintel_pipeline.metrics.in_force import position, same_position
from abintel_pipeline.metrics.intervals import (
    BOUGHT,
    ORDER,
    concerned,
    interval_changes,
    may_concern,
)
from abintel_pipeline.metrics.snapshot_range import SnapshotRange, days_between, one_each
from abintel_pipeline.rules import Rules

NEWEST = ("latest", "passing", "scored_on")


def customer_changes(
    lines: ir.Table,
    customers: ir.Table,
    span: SnapshotRange,
    *,
    late_lines: ir.Table | None = None,
    traits: LineTraits = UNKNOWN,
) -> list[ir.Table]:
    """What changed in the customers' totals, and when: one table for each way of changing.

    At most one row per (`customer_id`, `day`) in each: `spend` (decimal), `visits` and `products`
    are differences, `latest` is an order date that entered, `scored_on` the delivery of a score;
    `passing`, an order date that may be gone by the next change; null says nothing. Together they
    are what `customer_states` takes.

    `late_lines` holds those among `lines` that came after their date, and may hold others: `lines`
    itself unless the caller knows better. `traits` say what is among the lines, for a caller who
    knows (see `SnapshotStore.line_traits`): what isn't there isn't looked for. Where none is late
    an order comes on one day.
    """
    lines = _nullable(lines)
    late_lines = lines if late_lines is None else late_lines
    scores, counted = _score_changes(customers, span), span.lines(lines)
    types = _types(counted.amount.sum().type(), traits)
    if not may_concern(traits):
        changes = [*_line_changes(lines, late_lines, span, traits), scores]
        return [_daily(one, types) for one in changes]
    by_line = concerned(counted, traits)
    others = lines.anti_join(by_line, "customer_id")
    own = counted.semi_join(by_line, "customer_id")
    theirs = interval_changes(own, _nullable(scores), span, traits)
    changes = [*_line_changes(others, late_lines, span, traits), scores]
    # One query, in which an engine computes once what its parts have in common.
    return [_daily(one, types) for one in changes] + [
        ibis.union(*(_daily(one, types) for one in theirs))
    ]


def _line_changes(
    lines: ir.Table, late_lines: ir.Table, span: SnapshotRange, traits: LineTraits
) -> list[ir.Table]:
    """Changes of customers who only buy, whose orders and products stay once they are there."""
    counted = span.lines(lines)
    if traits.late:
        late = span.lines(late_lines)
        late = late.filter(late.date < late.delivered_on)
        changes = [
            _visit_changes(counted, span, traits),
            _spend_changes(counted, span),
            _superseding_changes(counted, late, span, traits),
        ]
    else:
        changes = [_order_changes(counted, span, traits)]
    return [*changes, _product_changes(lines, span, traits)]


def customer_states(
    changes: ir.Table, customers: ir.Table, rules: Rules, *, traits: LineTraits = UNKNOWN
) -> ir.Table:
    """One row per customer and stretch of days on which its totals stay as they are.

    `customer_id`, `valid_from`, `valid_until` (the day after the last one; null if it has no end)
    and the totals as `published_totals` gives them. No row for days on which a customer has no
    purchase in force. `traits` are those that the changes were made by.
    """
    daily = _daily(changes, _types(changes.spend.type(), traits))
    in_turn = ibis.window(group_by="customer_id", order_by="day")
    so_far = ibis.window(group_by="customer_id", order_by="day", preceding=(None, 0))
    running = daily.select(
        customer_id=daily.customer_id,
        valid_from=daily.day,
        valid_until=daily.day.lead().over(in_turn),
        spend=daily.spend.sum().over(so_far),
        visits=daily.visits.sum().over(so_far).cast("int64"),
        products=daily.products.sum().over(so_far).cast("int64"),
        latest=_latest(daily, so_far),
        scored_on=daily.scored_on.max().over(so_far),
    )
    held = running.filter(running.visits > 0)
    scores = customers.select("customer_id", "loyalty_score", scored_on="delivered_on")
    totals = held.left_join(scores, ["customer_id", "scored_on"]).select(
        *(name for name in held.columns if name != "scored_on"), score="loyalty_score"
    )
    return published_totals(totals, rules, traits)


def _latest(daily: ir.Table, so_far: ibis.expr.builders.WindowBuilder) -> ir.DateValue:
    """The latest order date: of those that stay, a running maximum, or one that is passing.

    When the latest to stay has fallen out of the window, one that is passing is newer.
    """
    staying = cast(ir.DateColumn, daily.latest.max().over(so_far))
    if "passing" not in daily.columns:
        return staying
    passing = daily.passing
    return ibis.greatest(staying.fill_null(passing), passing.fill_null(staying))


def features_on(states: ir.Table, day: date | ir.DateScalar) -> ir.Table:
    """The `customer_features` table of one snapshot, from the states of a span that holds it."""
    until = states.valid_until
    held = states.filter(states.valid_from <= day, (until > day) | until.isnull())
    return on_day(held, day)


def _order_changes(counted: ir.Table, span: SnapshotRange, traits: LineTraits) -> ir.Table:
    """Spend, visits and latest date, where every order came on its day."""
    also = {"purchases": purchases(counted)} if traits.without_order else {}
    orders = counted.group_by(list(ORDER)).agg(spend=counted.amount.sum(), **also)
    visited = visits(orders) if traits.without_order else one_each()
    changes = span.presence(orders, orders.date, spend=orders.spend, visits=visited)
    return changes.rename(latest="date")


def _visit_changes(counted: ir.Table, span: SnapshotRange, traits: LineTraits) -> ir.Table:
    """Visits and latest date: an order is there from the first delivery of any of its lines."""
    also = {"purchases": purchases(counted)} if traits.without_order else {}
    orders = counted.group_by(list(ORDER)).agg(delivered_on=counted.delivered_on.min(), **also)
    visited = visits(orders) if traits.without_order else one_each()
    return span.presence(orders, orders.delivered_on, visits=visited).rename(latest="date")


def _spend_changes(counted: ir.Table, span: SnapshotRange) -> ir.Table:
    """Spend, as if nothing were superseded."""
    spent = counted.group_by("customer_id", "date", "delivered_on").agg(spend=counted.amount.sum())
    return span.presence(spent, spent.delivered_on, spend=spent.spend)


def _superseding_changes(
    counted: ir.Table, late: ir.Table, span: SnapshotRange, traits: LineTraits
) -> ir.Table:
    """What superseded lines take back from the spend until their date leaves the window."""
    here = list(position(traits))
    late = late.select(here).distinct()
    lines = counted.semi_join(late, same_position(counted, late, traits))
    deliveries = lines.group_by([*here, "delivered_on"]).agg(amount=lines.amount.sum())
    in_turn = ibis.window(group_by=here, order_by="delivered_on")
    followed = deliveries.mutate(superseded_on=deliveries.delivered_on.lead().over(in_turn))
    superseded = followed.filter(followed.superseded_on.notnull())
    return span.presence(superseded, superseded.superseded_on, spend=-superseded.amount)


def _product_changes(lines: ir.Table, span: SnapshotRange, traits: LineTraits) -> ir.Table:
    """Distinct products: one is there while any line of its customer with it is in force.

    Where the last line to enter comes before any has left, as nearly always, that is one stretch of
    days. Only the others are looked at line by line.
    """
    lines = lines.filter(lines.product_id.notnull()) if traits.without_product else lines
    counted = span.lines(lines)
    known = counted.delivered_on <= span.first
    bought = counted.group_by(list(BOUGHT)).agg(
        enters=counted.delivered_on.min(),
        last_enters=counted.delivered_on.max(),
        newest_known=counted.date.max(where=known),
        oldest_other=counted.date.min(where=~known),
        date=counted.date.max(),
    )
    # Of what is known on the first day only the newest counts: it leaves last.
    leaves_first = ibis.least(bought.newest_known, bought.oldest_other)
    broken = days_between(leaves_first, bought.last_enters) > span.history_days
    once = bought.filter(~broken)
    again = _stretches(span.lines(lines.semi_join(bought.filter(broken), list(BOUGHT))), span)
    return ibis.union(
        *(span.presence(rows, rows.enters, products=one_each()) for rows in (once, again))
    )


def _stretches(lines: ir.Table, span: SnapshotRange) -> ir.Table:
    """One row per stretch of days on which a customer has a product in force.

    `enters`, and `date`: the newest, with which it leaves.
    """
    entering = lines.mutate(enters=ibis.greatest(lines.delivered_on, ibis.literal(span.first)))
    steps = entering.group_by(*BOUGHT, "enters").agg(date=entering.date.max())
    before = ibis.window(group_by=list(BOUGHT), order_by="enters", preceding=(None, 1))
    after = steps.mutate(newest_before=steps.date.max().over(before))
    gap = days_between(after.newest_before, after.enters) > span.history_days
    so_far = ibis.window(group_by=list(BOUGHT), order_by="enters", preceding=(None, 0))
    begins = gap.fill_null(False).cast("int64")
    numbered = after.mutate(stretch=begins.sum().over(so_far))
    return numbered.group_by(*BOUGHT, "stretch").agg(
        enters=numbered.enters.min(), date=numbered.date.max()
    )


def _score_changes(customers: ir.Table, span: SnapshotRange) -> ir.Table:
    """The newest delivery of a score that is known on the first day, and each later one."""
    scored = customers.filter(
        customers.delivered_on <= span.last, customers.loyalty_score.notnull()
    )
    day = ibis.greatest(scored.delivered_on, ibis.literal(span.first))
    return scored.select("customer_id", day=day, scored_on=scored.delivered_on)


def _types(money: dt.DataType, traits: LineTraits) -> dict[str, dt.DataType]:
    """Every column that a change can have."""
    may_pass = may_concern(traits) and traits.late
    dates = [name for name in NEWEST if may_pass or name != "passing"]
    types: dict[str, dt.DataType] = {"spend": money, "visits": dt.int64, "products": dt.int64}
    return types | dict.fromkeys(dates, dt.date)


def _daily(changes: ir.Table, types: dict[str, dt.DataType]) -> ir.Table:
    """The changes with every column of these types, one row per customer and day."""
    given = [name for name in types if name in changes.columns]
    summed = changes.group_by("customer_id", "day").agg(
        **{name: changes[name].max() if name in NEWEST else changes[name].sum() for name in given}
    )
    columns = {
        name: summed[name].cast(dtype) if name in given else ibis.null(dtype)
        for name, dtype in types.items()
    }
    return summed.select("customer_id", "day", **columns)


def _nullable(rows: ir.Table) -> ir.Table:
    """The rows with columns that may be null: Ibis unites no others with those it computes."""
    types = rows.schema().items()
    return rows.cast({name: dtype.copy(nullable=True) for name, dtype in types})
