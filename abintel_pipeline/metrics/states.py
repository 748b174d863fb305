"""The totals of every customer over a range of days, from one pass over the lines.

A line enters a customer's totals on the day it was delivered and leaves them when its date falls
out of the window or another delivery of the same identity supersedes it. Whatever happened up to
the first day of the range is one change, on that day. The changes run up to states that hold from
one change to the next, and a snapshot picks the states of its day.

Two facts keep it cheap. The deliveries of one identity join up: each leaves as the next one enters.
So an order, or a product that a customer bought, is there from its first delivery until its date
falls out of the window, and superseding changes nothing but the spend. And lines leave in the order
of their dates: when the latest has left, so has the customer, so the latest date is a running
maximum.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import cast

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from abintel_pipeline.contract.transactions import LINE_IDENTITY
from abintel_pipeline.metrics.features import on_day, published_totals
from abintel_pipeline.metrics.in_force import window_start
from abintel_pipeline.settings import Rules

ORDER = ("customer_id", "transaction_id", "date")
NEWEST = ("latest", "scored_on")
BOUGHT = ("customer_id", "product_id")


@dataclass(frozen=True)
class Span:
    """A range of snapshots, first and last day included, and the length of their windows."""

    first: date
    last: date
    history_days: int

    def lines(self, delivered: ir.Table) -> ir.Table:
        """The lines that are in force on some day of the span unless another supersedes them."""
        return delivered.filter(
            delivered.delivered_on <= self.last,
            delivered.date >= window_start(self.first, self.history_days),
            _days_between(delivered.date, delivered.delivered_on) < self.history_days,
        )

    def presence(self, rows: ir.Table, enters: ir.DateValue, **values: ir.NumericValue) -> ir.Table:
        """Changes of values that count from the day `enters` until `date` leaves the window.

        One row for each of `rows` and another for each that leaves within the span.
        """
        taken_back = {name: -value for name, value in values.items()}
        entering = rows.select(
            "customer_id", "date", day=ibis.greatest(enters, ibis.literal(self.first)), **values
        )
        gone = rows.filter(rows.date <= self.last - timedelta(days=self.history_days))
        # An interval added to a date is a timestamp in DuckDB, whatever Ibis takes it for.
        out = (gone.date.cast("timestamp") + ibis.interval(days=self.history_days)).cast("date")
        return ibis.union(entering, gone.select("customer_id", "date", day=out, **taken_back))


def customer_changes(
    lines: ir.Table, customers: ir.Table, span: Span, *, late_lines: ir.Table | None = None
) -> list[ir.Table]:
    """What changed in the customers' totals, and when: one table for each way of changing.

    At most one row per (`customer_id`, `day`) in each: `spend` (decimal), `visits` and `products`
    are differences, `latest` is an order date that entered, `scored_on` the delivery of a score;
    null says nothing. Together they are what `customer_states` takes.

    `late_lines` holds those among `lines` that came after their date, and may hold others (see
    `SnapshotStore.late_days`). Without any, an order comes on one day, and nothing is looked up.
    """
    lines = _nullable(lines)
    counted = span.lines(lines)
    if late_lines is None:
        changes = [_order_changes(counted, span)]
    else:
        late = span.lines(late_lines)
        late = late.filter(late.date < late.delivered_on)
        changes = [
            _visit_changes(counted, span),
            _spend_changes(counted, span),
            _superseding_changes(counted, late, span),
        ]
    changes += [_product_changes(lines, span), _score_changes(customers, span)]
    return [_daily(one, counted.amount.sum().type()) for one in changes]


def customer_states(changes: ir.Table, customers: ir.Table, rules: Rules) -> ir.Table:
    """One row per customer and stretch of days on which its totals stay as they are.

    `customer_id`, `valid_from`, `valid_until` (the day after the last one; null if it has no end)
    and the totals as `published_totals` gives them. No row for days on which a customer has no line
    in force.
    """
    daily = _daily(changes, changes.spend.type())
    in_turn = ibis.window(group_by="customer_id", order_by="day")
    so_far = ibis.window(group_by="customer_id", order_by="day", preceding=(None, 0))
    running = daily.select(
        customer_id=daily.customer_id,
        valid_from=daily.day,
        valid_until=daily.day.lead().over(in_turn),
        spend=daily.spend.sum().over(so_far),
        visits=daily.visits.sum().over(so_far).cast("int64"),
        products=daily.products.sum().over(so_far).cast("int64"),
        latest=daily.latest.max().over(so_far),
        scored_on=daily.scored_on.max().over(so_far),
    )
    held = running.filter(running.visits > 0)
    scores = customers.select("customer_id", "loyalty_score", scored_on="delivered_on")
    totals = held.left_join(scores, ["customer_id", "scored_on"]).select(
        *(name for name in held.columns if name != "scored_on"), score="loyalty_score"
    )
    return published_totals(totals, rules)


def features_on(states: ir.Table, day: date | ir.DateScalar) -> ir.Table:
    """The `customer_features` table of one snapshot, from the states of a span that holds it."""
    until = states.valid_until
    held = states.filter(states.valid_from <= day, (until > day) | until.isnull())
    return on_day(held, day)


def _order_changes(counted: ir.Table, span: Span) -> ir.Table:
    """Spend, visits and latest date, where every order came on its day."""
    orders = counted.group_by(list(ORDER)).agg(spend=counted.amount.sum())
    changes = span.presence(orders, orders.date, spend=orders.spend, visits=_one())
    return changes.rename(latest="date")


def _visit_changes(counted: ir.Table, span: Span) -> ir.Table:
    """Visits and latest date: an order is there from the first delivery of any of its lines."""
    orders = counted.group_by(list(ORDER)).agg(delivered_on=counted.delivered_on.min())
    return span.presence(orders, orders.delivered_on, visits=_one()).rename(latest="date")


def _spend_changes(counted: ir.Table, span: Span) -> ir.Table:
    """Spend, as if nothing were superseded."""
    spent = counted.group_by("customer_id", "date", "delivered_on").agg(spend=counted.amount.sum())
    return span.presence(spent, spent.delivered_on, spend=spent.spend)


def _superseding_changes(counted: ir.Table, late: ir.Table, span: Span) -> ir.Table:
    """What superseded lines take back from the spend until their date leaves the window."""
    deliveries = counted.semi_join(late, list(LINE_IDENTITY))
    in_turn = ibis.window(group_by=list(LINE_IDENTITY), order_by="delivered_on")
    followed = deliveries.mutate(superseded_on=deliveries.delivered_on.lead().over(in_turn))
    superseded = followed.filter(followed.superseded_on.notnull())
    return span.presence(superseded, superseded.superseded_on, spend=-superseded.amount)


def _product_changes(lines: ir.Table, span: Span) -> ir.Table:
    """Distinct products: one is there while any line of its customer with it is in force.

    Where the last line to enter comes before any has left, as nearly always, that is one stretch of
    days. Only the others are looked at line by line.
    """
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
    broken = _days_between(leaves_first, bought.last_enters) > span.history_days
    once = bought.filter(~broken)
    again = _stretches(span.lines(lines.semi_join(bought.filter(broken), list(BOUGHT))), span)
    return ibis.union(
        *(span.presence(rows, rows.enters, products=_one()) for rows in (once, again))
    )


def _stretches(lines: ir.Table, span: Span) -> ir.Table:
    """One row per stretch of days on which a customer has a product in force.

    `enters`, and `date`: the newest, with which it leaves.
    """
    entering = lines.mutate(enters=ibis.greatest(lines.delivered_on, ibis.literal(span.first)))
    steps = entering.group_by(*BOUGHT, "enters").agg(date=entering.date.max())
    before = ibis.window(group_by=list(BOUGHT), order_by="enters", preceding=(None, 1))
    after = steps.mutate(newest_before=steps.date.max().over(before))
    gap = _days_between(after.newest_before, after.enters) > span.history_days
    so_far = ibis.window(group_by=list(BOUGHT), order_by="enters", preceding=(None, 0))
    begins = gap.fill_null(False).cast("int64")
    numbered = after.mutate(stretch=begins.sum().over(so_far))
    return numbered.group_by(*BOUGHT, "stretch").agg(
        enters=numbered.enters.min(), date=numbered.date.max()
    )


def _score_changes(customers: ir.Table, span: Span) -> ir.Table:
    """The newest delivery of a score that is known on the first day, and each later one."""
    scored = customers.filter(
        customers.delivered_on <= span.last, customers.loyalty_score.notnull()
    )
    day = ibis.greatest(scored.delivered_on, ibis.literal(span.first))
    return scored.select("customer_id", day=day, scored_on=scored.delivered_on)


def _daily(changes: ir.Table, money: dt.DataType) -> ir.Table:
    """The changes with every column that one can have, one row per customer and day."""
    types = {"spend": money, "visits": "int64", "products": "int64"}
    types |= dict.fromkeys(NEWEST, "date")
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


def _days_between(start: ir.DateValue, end: ir.DateValue) -> ir.IntegerValue:
    return cast(ir.IntegerValue, end.delta(start, unit="day"))


def _one() -> ir.IntegerScalar:
    return ibis.literal(1, "int64")
