"""Changes of a customer's totals where lines may be taken back, computed line by line.

What one delivery has at one position counts for an interval of days: from its delivery until the
next one at the position, or until its date falls out of the window. An order, or a product that the
customer bought, is there while any interval with a purchase of it lasts.
"""

import functools
import operator

import ibis
import ibis.expr.types as ir

from abintel_pipeline.contract.line_traits import LineTraits
from abintel_pipeline.metrics.in_force import position
from abintel_pipeline.metrics.snapshot_range import SnapshotRange, one_each

ORDER = ("customer_id", "transaction_id", "date")
BOUGHT = ("customer_id", "product_id")


def may_concern(traits: LineTraits) -> bool:
    """Whether there may be customers who have to be looked at line by line."""
    return traits.cancelled or traits.returns or (traits.late and traits.without_order)


def concerned(counted: ir.Table, traits: LineTraits) -> ir.Table:
    """Customers of whom a line was cancelled or brought back, or came late without an order's id.

    One row each: `customer_id`.
    """
    signs = []
    if traits.cancelled:
        signs.append(counted.cancelled)
    if traits.returns:
        signs.append(counted.amount < 0)
    if traits.late and traits.without_order:
        signs.append(counted.transaction_id.isnull() & (counted.date < counted.delivered_on))
    return counted.filter(functools.reduce(operator.or_, signs)).select("customer_id").distinct()


def interval_changes(
    counted: ir.Table, scores: ir.Table, span: SnapshotRange, traits: LineTraits
) -> list[ir.Table]:
    """What changed in the totals of the lines' customers: tables that `customer_states` takes.

    `latest` is an order date that stays until it falls out of the window. One that was taken back
    earlier is `passing`: it is told again on each day on which something changes while it is there,
    the customer's `scores` included.
    """
    found = _intervals(counted, span, traits)
    bought = found.filter(found.purchases > 0)
    changes = [_changes(found, span, spend=found.spend), *_visits(bought, span, traits)]
    of_products = _merged(bought.filter(bought.product_id.notnull()), BOUGHT)
    changes.append(_changes(of_products, span, products=one_each()))
    stays = bought.filter(bought.leaves == span.out(bought.date))
    latest = stays.select("customer_id", day=stays.enters, latest=stays.date)
    if not traits.late:
        return [*changes, latest]
    days = ibis.union(
        *(one.select("customer_id", "day") for one in (*changes, scores)), distinct=True
    )
    return [*changes, latest, _passing(bought, days, span)]


def _intervals(counted: ir.Table, span: SnapshotRange, traits: LineTraits) -> ir.Table:
    """One row per position and delivery that counts on some day of the span.

    `enters`, `leaves` (the day after its last), `spend`, and how many `purchases` it has: nothing
    of what was cancelled.
    """
    kept = ~counted.cancelled if traits.cancelled else ibis.literal(True)
    here = list(position(traits))
    delivered = counted.group_by([*here, "delivered_on"]).agg(
        spend=counted.amount.sum(where=kept),
        purchases=counted.count(where=kept & (counted.amount >= 0)),
    )
    out = span.out(delivered.date)
    in_turn = ibis.window(group_by=here, order_by="delivered_on")
    replaced = delivered.delivered_on.lead().over(in_turn)
    # What replaces another came while their date was in the window: `SnapshotRange.lines` has no
    # other.
    timed = delivered.mutate(
        enters=ibis.greatest(delivered.delivered_on, ibis.literal(span.first)),
        leaves=replaced.fill_null(out) if traits.late else out,
    )
    return timed.filter(timed.leaves > span.first)


def _changes(rows: ir.Table, span: SnapshotRange, **values: ir.NumericValue) -> ir.Table:
    """Changes of values that count from `enters` until `leaves`."""
    gone = rows.filter(rows.leaves <= span.last)
    return ibis.union(
        rows.select("customer_id", day=rows.enters, **values),
        gone.select("customer_id", day=gone.leaves, **{name: -v for name, v in values.items()}),
    )


def _visits(bought: ir.Table, span: SnapshotRange, traits: LineTraits) -> list[ir.Table]:
    """Changes of the visits: an order is one, and so is a purchase without an order's id."""
    orders = bought.filter(bought.transaction_id.notnull()) if traits.without_order else bought
    changes = [_changes(_merged(orders, ORDER), span, visits=one_each())]
    if traits.without_order:
        alone = bought.filter(bought.transaction_id.isnull())
        changes.append(_changes(alone, span, visits=alone.purchases))
    return changes


def _merged(intervals: ir.Table, keys: tuple[str, ...]) -> ir.Table:
    """One row per stretch of days on which any interval of the same keys lasts."""
    before = ibis.window(group_by=list(keys), order_by="enters", preceding=(None, 1))
    steps = intervals.group_by(*keys, "enters").agg(leaves=intervals.leaves.max())
    after = steps.mutate(last_before=steps.leaves.max().over(before))
    gap = (after.enters > after.last_before).fill_null(False)
    so_far = ibis.window(group_by=list(keys), order_by="enters", preceding=(None, 0))
    numbered = after.mutate(stretch=gap.cast("int64").sum().over(so_far))
    return numbered.group_by(*keys, "stretch").agg(
        enters=numbered.enters.min(), leaves=numbered.leaves.max()
    )


def _passing(bought: ir.Table, days: ir.Table, span: SnapshotRange) -> ir.Table:
    """The newest order date among the intervals that end early, on each of the days in them."""
    early = bought.filter(bought.leaves < span.out(bought.date))
    early = early.select("customer_id", "enters", "leaves", passing="date")
    lasting = [early.customer_id == days.customer_id, days.day >= early.enters]
    met = days.join(early, [*lasting, days.day < early.leaves])
    return met.select("customer_id", "day", "passing")
