"""Warnings about deliveries: refused rows, volume, and days that are missing."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from statistics import median

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.findings import Finding, warning
from abintel_pipeline.snapshots import StepContext
from abintel_pipeline.store import SnapshotStore
from abintel_pipeline.windows import window_of

RAW_TRANSACTIONS = TABLES["raw_transactions"]
CUSTOMER_FEATURES = TABLES["customer_features"]
REJECTED = {
    "raw_transactions": TABLES["rejected_transactions"],
    "raw_customers": TABLES["rejected_customers"],
}

RECENT_WEEKS = 8
FEWEST_WEEKS = 3
"""A median of fewer deliveries than this says nothing."""


Warn = Callable[[StepContext, list[date], date | None], list[Finding]]
"""The findings of some days, the newest day of the run among them if it is given."""


def delivery_warnings(table: Table) -> Warn:
    """`refused_share` of a raw table's deliveries, and of transactions `delivery_volume`."""

    def warn(step: StepContext, days: list[date], _newest: date | None = None) -> list[Finding]:
        counts = Counts(step.store, table)
        found = [_refused_share(step, table, day, counts) for day in days]
        if table is RAW_TRANSACTIONS:
            found += [_delivery_volume(step, day, counts) for day in days]
        return found

    return warn


class Counts:
    """Rows of deliveries that were taken in, accepted and refused, each footer read once."""

    def __init__(self, store: SnapshotStore, table: Table) -> None:
        self._store, self._tables = store, (table, REJECTED[table.name])
        self._known: dict[date, tuple[int, int] | None] = {}

    def of(self, day: date) -> tuple[int, int] | None:
        """(accepted, refused); None when nothing was taken in."""
        if day not in self._known:
            there = all(self._store.path(table, day).is_file() for table in self._tables)
            accepted, refused = (
                (self._store.rows(table, day) for table in self._tables) if there else (0, 0)
            )
            self._known[day] = (accepted, refused) if there else None
        return self._known[day]


def _refused_share(step: StepContext, table: Table, day: date, counts: Counts) -> Finding:
    limit = step.settings.warn_refused_share
    accepted, refused = counts.of(day) or (0, 0)
    share = refused / (accepted + refused) if refused else 0.0
    sentence = (
        f"{refused:,} of {accepted + refused:,} rows refused, {share:.2%}; up to {limit:.2%} is"
        " usual"
        if counts.of(day)
        else "nothing was delivered"
    )
    return warning(
        table.name, day, "refused_share", share <= limit, sentence, share=share, limit=limit
    )


def _delivery_volume(step: StepContext, day: date, counts: Counts) -> Finding:
    limit = step.settings.warn_volume_change
    received = sum(counts.of(day) or (0, 0))
    earlier = (counts.of(day - timedelta(weeks=n)) for n in range(1, RECENT_WEEKS + 1))
    recent = [sum(one) for one in earlier if one]
    if len(recent) < FEWEST_WEEKS:
        sentence = f"{received:,} rows; too few deliveries on the same weekday to compare"
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
        f"{received:,} rows, where the last {len(recent)} of this weekday had a median of"
        f" {usual:,.0f}; a change by {limit:.0%} is usual",
        received=received,
        usual=usual,
        change=change,
        limit=limit,
    )


def features_warnings(
    step: StepContext, days: list[date], _newest: date | None = None
) -> list[Finding]:
    """`missing_deliveries` in the windows of snapshots."""
    taken_in, limit = step.store.days(RAW_TRANSACTIONS), step.settings.warn_missing_days
    windows = (window_of(taken_in, day, step.rules.history_days) for day in days)
    return [
        warning(
            CUSTOMER_FEATURES.name,
            window.end,
            "missing_deliveries",
            len(window.missing) <= limit,
            f"{len(window.missing)} of {len(window.missing) + len(window.delivered)} delivery days"
            f" in the window are missing{_first(window.missing)}",
            missing=len(window.missing),
            delivered=len(window.delivered),
            limit=limit,
        )
        for window in windows
        if window
    ]


def _first(days: Iterable[date]) -> str:
    listed = list(days)
    return f", the first {listed[0]}" if listed else ""
