"""Warnings about deliveries: rejected rows, volume, days that are missing or were deleted."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from statistics import median

from abintel_pipeline.contract import CUSTOMER_FEATURES, RAW_TRANSACTIONS, Table
from abintel_pipeline.contract.findings import Finding, warning
from abintel_pipeline.intake.rejected.files import RowCounts, row_counts
from abintel_pipeline.quality.warnings.customers import customer_share
from abintel_pipeline.quality.warnings.misplaced import misplaced
from abintel_pipeline.quality.warnings.repeated import repeated_lines
from abintel_pipeline.store.deleted import Deleted, deleted_deliveries, deleted_in, told_deleted
from abintel_pipeline.store.snapshot_store import SnapshotStore
from abintel_pipeline.store.step_context import StepContext
from abintel_pipeline.store.windows import Window, window_of

RECENT_WEEKS = 8
FEWEST_WEEKS = 3
"""A median of fewer deliveries than this says nothing."""


Warn = Callable[[StepContext, list[date], date | None], list[Finding]]
"""The findings of some days, the newest day of the run among them if it is given."""


def delivery_warnings(table: Table) -> Warn:
    """`rejected_share` of a raw table's deliveries.

    Of transactions `delivery_volume`, `repeated_lines` and `misplaced_files` too.
    """

    def warn(context: StepContext, days: list[date], newest: date | None = None) -> list[Finding]:
        counts = Counts(context.store, table)
        found = [_rejected_share(context, table, day, counts) for day in days]
        if table is RAW_TRANSACTIONS:
            found += [_delivery_volume(context, day, counts) for day in days]
            found += repeated_lines(context, days)
            found += misplaced(context, days, newest)
        return found

    return warn


class Counts:
    """Rows of deliveries that were taken in, each footer read once."""

    def __init__(self, store: SnapshotStore, table: Table) -> None:
        self._store, self._table = store, table
        self._known: dict[date, RowCounts | None] = {}

    def of(self, day: date) -> RowCounts | None:
        """The day's counts; None when nothing was taken in."""
        if day not in self._known:
            self._known[day] = row_counts(self._store, self._table, day)
        return self._known[day]


def _rejected_share(context: StepContext, table: Table, day: date, counts: Counts) -> Finding:
    """Of all rows received, those that the settings leave out included, as for the cap."""
    limit, rows = context.settings.warn_rejected_share, counts.of(day)
    share = rows.rejected / rows.received if rows and rows.received else 0.0
    sentence = _rejected_sentence(rows, share, limit) if rows else "nothing was delivered"
    numbers = {"share": share, "limit": limit}
    if rows and rows.left_out:
        numbers["left_out"] = rows.left_out
    return warning(table.name, day, "rejected_share", share <= limit, sentence, **numbers)


def _rejected_sentence(rows: RowCounts, share: float, limit: float) -> str:
    left_out = f", {rows.left_out:,} left out by the settings" if rows.left_out else ""
    return (
        f"{rows.rejected:,} of {rows.received:,} rows rejected, {share:.2%}{left_out}; up to"
        f" {limit:.2%} is usual"
    )


def _delivery_volume(context: StepContext, day: date, counts: Counts) -> Finding:
    """Of rows received, whether accepted, rejected or left out."""
    limit = context.settings.warn_volume_change
    received = (counts.of(day) or RowCounts()).received
    earlier = (counts.of(day - timedelta(weeks=n)) for n in range(1, RECENT_WEEKS + 1))
    recent = [one.received for one in earlier if one]
    if len(recent) < FEWEST_WEEKS:
        sentence = f"{received:,} rows received; too few deliveries on the same weekday to compare"
        return warning(
            RAW_TRANSACTIONS.name, day, "delivery_volume", True, sentence, received=received
        )
    usual = median(recent)
    change = abs(received - usual) / usual if usual else float(received > 0)
    return warning(
        RAW_TRANSACTIONS.name,
        day,
        "delivery_volume",
        change <= limit,
        f"{received:,} rows received, where the last {len(recent)} of this weekday had a median of"
        f" {usual:,.0f}; a change by {limit:.0%} is usual",
        received=received,
        usual=usual,
        change=change,
        limit=limit,
    )


def features_warnings(
    context: StepContext, days: list[date], _newest: date | None = None
) -> list[Finding]:
    """`missing_deliveries` in the windows of snapshots, and `customer_share`."""
    taken_in = context.store.days(RAW_TRANSACTIONS)
    deleted = deleted_deliveries(context.store)
    windows = (window_of(taken_in, day, context.rules.history_days) for day in days)
    found = [
        _missing_deliveries(context, window, deleted_in(window, deleted))
        for window in windows
        if window
    ]
    return found + customer_share(context, days)


def _missing_deliveries(context: StepContext, window: Window, deleted: Deleted) -> Finding:
    limit = context.settings.warn_missing_days
    gone = deleted.get(RAW_TRANSACTIONS, [])
    missing = [day for day in window.missing if day not in gone]
    days = len(missing) + len(window.delivered) + len(gone)
    told = [f"{len(missing)} of {days} delivery days in the window are missing{_first(missing)}"]
    told += [told_deleted(context.store, *one) for one in deleted.items()]
    numbers = {"missing": len(missing), "delivered": len(window.delivered), "limit": limit}
    if deleted:
        numbers["deleted"] = sum(map(len, deleted.values()))
    return warning(
        CUSTOMER_FEATURES.name,
        window.end,
        "missing_deliveries",
        len(missing) <= limit and not deleted,
        "; ".join(told),
        **numbers,
    )


def _first(days: Iterable[date]) -> str:
    listed = list(days)
    return f", the first {listed[0]}" if listed else ""
