"""Which delivered lines count in a snapshot."""

from datetime import date, timedelta

import ibis.expr.types as ir

from abintel_pipeline.contract.line_traits import UNKNOWN, LineTraits
from abintel_pipeline.contract.transactions import LINE_POSITION


def window_start(today: date, history_days: int) -> date:
    """First day of the trailing window of a snapshot.

    >>> window_start(date(2025, 4, 24), 1)
    datetime.date(2025, 4, 24)
    """
    return today - timedelta(days=history_days - 1)


def lines_in_window(lines: ir.Table, today: date, history_days: int) -> ir.Table:
    """The lines delivered by `today` whose date lies in the trailing window: same columns."""
    start = window_start(today, history_days)
    return lines.filter(lines.delivered_on <= today, lines.date >= start)


def lines_in_force(
    lines: ir.Table,
    today: date,
    history_days: int,
    *,
    late_lines: ir.Table | None = None,
    traits: LineTraits = UNKNOWN,
) -> ir.Table:
    """The lines in force at the end of `today`: same columns, each line that counts.

    A line is in force in snapshot D when `delivered_on <= D < leaves_on`, where `leaves_on` is the
    earlier of `date + history_days` and the `delivered_on` of the next delivery at the same
    position (customer, transaction, date, product, line_id). Lines of one delivery at one position
    all count. A cancelled line replaces its position like any other, and doesn't count itself.

    Only a line that came late (`date < delivered_on`) can replace others, so only those are looked
    up, in `lines` unless the caller knows better where they stand. `traits` say what is among the
    lines, for a caller who knows: see `SnapshotStore.line_traits`.
    """
    present = lines_in_window(lines, today, history_days)
    if traits.late:
        late = lines if late_lines is None else late_lines
        late = lines_in_window(late, today, history_days)
        present = _not_superseded(present, late.filter(late.date < late.delivered_on), traits)
    return present.filter(~present.cancelled) if traits.cancelled else present


def _not_superseded(present: ir.Table, late: ir.Table, traits: LineTraits) -> ir.Table:
    newest = late.group_by(list(position(traits))).agg(newest_delivery=late.delivered_on.max())
    superseded = present.delivered_on < newest.newest_delivery
    return present.anti_join(newest, [*same_position(present, newest, traits), superseded])


def position(traits: LineTraits) -> tuple[str, ...]:
    """The columns that tell positions apart among lines of these traits."""
    return LINE_POSITION if traits.line_ids else LINE_POSITION[:-1]


def same_position(one: ir.Table, other: ir.Table, traits: LineTraits) -> list[ir.BooleanValue]:
    """Conditions of a join of two tables by position, where null is null."""
    missing = {
        "transaction_id": traits.without_order,
        "product_id": traits.without_product,
        "line_id": traits.line_ids,
    }
    return [
        one[name].identical_to(other[name]) if missing.get(name) else one[name] == other[name]
        for name in position(traits)
    ]
