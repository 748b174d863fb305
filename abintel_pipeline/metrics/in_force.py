"""Which delivered lines count in a snapshot."""

from datetime import date, timedelta

import ibis.expr.types as ir

from abintel_pipeline.contract.transactions import LINE_IDENTITY


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
    lines: ir.Table, today: date, history_days: int, *, late_lines: ir.Table | None = None
) -> ir.Table:
    """The lines in force at the end of `today`: same columns, one row per line identity.

    A line is in force in snapshot D when `delivered_on <= D < leaves_on`, where `leaves_on` is the
    earlier of `date + history_days` and the `delivered_on` of the next delivery of the same
    identity (customer, transaction, date, product).

    Only a line that came late (`date < delivered_on`) can replace another one, so only those are
    looked up, in `lines` unless the caller knows better where they stand: see
    `SnapshotStore.late_days`. Where there are none, `lines_in_window` is the same at less cost.
    """
    present = lines_in_window(lines, today, history_days)
    candidates = lines if late_lines is None else late_lines
    late = lines_in_window(candidates, today, history_days)
    late = late.filter(late.date < late.delivered_on)
    newest = late.group_by(list(LINE_IDENTITY)).agg(newest_delivery=late.delivered_on.max())
    same_line = [present[key] == newest[key] for key in LINE_IDENTITY]
    return present.anti_join(newest, [*same_line, present.delivered_on < newest.newest_delivery])
