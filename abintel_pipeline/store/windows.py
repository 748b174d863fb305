"""Which deliveries a snapshot reads, and which snapshots a delivery reaches."""

from dataclasses import dataclass
from datetime import date, timedelta

from abintel_pipeline.contract import CUSTOMER_FEATURES, RAW_CUSTOMERS, RAW_TRANSACTIONS
from abintel_pipeline.metrics.in_force import window_start
from abintel_pipeline.store.proofs import snapshot_rules
from abintel_pipeline.store.snapshot_store import SnapshotStore

MOST_DAYS = timedelta(days=366)
"""Days that one pass spans at most."""


class NothingDelivered(LookupError):
    """Snapshots were asked for whose windows hold no delivery at all."""

    def __init__(self, days: list[date], history_days: int) -> None:
        self.days = days
        if len(days) == 1:
            nothing = f"from {window_start(days[0], history_days)} to {days[0]} has been taken in"
        else:
            named = ", ".join(map(str, days[:5])) + (", …" if len(days) > 5 else "")
            nothing = (
                f"has been taken in for {len(days)} of the snapshots asked for ({named}) in the"
                f" {history_days} days up to each"
            )
        super().__init__(
            f"no delivery of transactions {nothing}: materialize raw_transactions for these days"
            f" first"
        )


@dataclass(frozen=True)
class Window:
    """What a snapshot's trailing window is made of."""

    start: date
    end: date
    delivered: list[date]
    first_delivery: date

    @property
    def missing(self) -> list[date]:
        """Days of the window without a delivery, counted from the very first delivery on."""
        first = max(self.start, self.first_delivery)
        have = set(self.delivered)
        days = (first + timedelta(days=n) for n in range((self.end - first).days + 1))
        return [day for day in days if day not in have]


def trailing_window(store: SnapshotStore, today: date, history_days: int) -> Window:
    """The deliveries that the snapshot of `today` reads.

    Raises NothingDelivered when there is none.
    """
    window = window_of(store.days(RAW_TRANSACTIONS, end=today), today, history_days)
    if window is None:
        raise NothingDelivered([today], history_days)
    return window


def window_of(taken_in: list[date], today: date, history_days: int) -> Window | None:
    """The same, given the days taken in; None when the window holds no delivery."""
    start = window_start(today, history_days)
    delivered = [day for day in taken_in if start <= day <= today]
    return Window(start, today, delivered, taken_in[0]) if delivered else None


def spans(windows: list[Window]) -> list[list[Window]]:
    """Chunks of snapshots, in order, whose windows overlap by half: one pass makes a chunk.

    Per line a pass over many days costs about twice what the snapshot of one day does, and picking
    a day from its states next to nothing. So a day is worth joining to the one before it where the
    deliveries that came in between are fewer than half of its own window's. A chunk spans a year at
    most: beyond it, every day looks through more states than another pass would cost.
    """
    chunks: list[list[Window]] = []
    for window in windows:
        if chunks and _joins(chunks[-1], window):
            chunks[-1].append(window)
        else:
            chunks.append([window])
    return chunks


def _joins(chunk: list[Window], window: Window) -> bool:
    since = [day for day in window.delivered if day > chunk[-1].end]
    within = window.end - chunk[0].end < MOST_DAYS
    return within and 2 * len(since) < len(window.delivered)


def published_windows(store: SnapshotStore, start: date = date.min) -> dict[date, date]:
    """{published snapshot: first day of its window}, in order, by the rules it was made with."""
    return {
        day: window_start(day, snapshot_rules(store.path(CUSTOMER_FEATURES, day)).history_days)
        for day in store.days(CUSTOMER_FEATURES, start=start)
    }


def affected_snapshots(
    store: SnapshotStore, delivery: date, windows: dict[date, date] | None = None
) -> list[date]:
    """The published snapshots, in order, that what was delivered on that day can have changed.

    Those of that day and later whose window still holds the newest of the delivered lines; a
    delivery of customers concerns every later snapshot. Told by days and file footers alone: a
    redelivery of nothing new is not recognised as such. `windows` are the `published_windows`, for
    a caller who asks for many deliveries.
    """
    known = published_windows(store, delivery) if windows is None else windows
    later = {day: opens for day, opens in known.items() if day >= delivery}
    if store.path(RAW_CUSTOMERS, delivery).is_file() and store.rows(RAW_CUSTOMERS, delivery):
        return list(later)
    newest = store.newest_date(delivery)
    return [day for day, opens in later.items() if newest is not None and opens <= newest]


def runs_of_days(days: list[date]) -> list[tuple[date, date]]:
    """Sorted days as runs without a gap: (first, last) of each.

    >>> found = runs_of_days([date(2025, 1, 1), date(2025, 1, 2), date(2025, 1, 4)])
    >>> [f"{first} {last}" for first, last in found]
    ['2025-01-01 2025-01-02', '2025-01-04 2025-01-04']
    """
    runs: list[tuple[date, date]] = []
    for day in days:
        if runs and day - runs[-1][1] == timedelta(days=1):
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs
