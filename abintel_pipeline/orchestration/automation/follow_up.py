"""What became of deliveries whose intake was requested, and which snapshots must follow.

No Dagster here: the days that its history knows to be rejected are handed in.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from pydantic import BaseModel

from abintel_pipeline.contract import (
    CUSTOMER_FEATURES,
    CUSTOMER_RFM,
    RAW_CUSTOMERS,
    RAW_TRANSACTIONS,
    TABLES,
    Table,
)
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import SnapshotStore, open_store
from abintel_pipeline.store.windows import affected_snapshots, published_windows

RAW_TABLES = (RAW_TRANSACTIONS, RAW_CUSTOMERS)
MOST_TRIES = 3
"""How often a delivery's intake is requested, when its runs are lost or cancelled."""


class AwaitedDelivery(BaseModel):
    """A delivery whose intake was requested, and whose snapshots are to follow."""

    new: bool
    """Whether the day's own snapshot has yet to be published for the first time."""
    affected: list[date] = []
    """Snapshots within `late_days` that were made from the day's earlier delivery."""
    tables: list[str] = [RAW_TRANSACTIONS.name]
    """The tables that its files are for."""
    asked_at: float = 0.0
    tries: int = 1


@dataclass(frozen=True)
class IntakeOutcome:
    """The days that were taken in completely, and those whose run was lost."""

    done: list[date]
    lost: list[date]


def intake_outcome(
    settings: Settings, awaited: dict[date, AwaitedDelivery], rejected: Collection[date]
) -> IntakeOutcome:
    """Which deliveries are done and which are lost, once no run is left that could take them in.

    A delivery is done when all its tables were taken in. One that was `rejected` is neither done
    nor lost: it waits for its files to change.
    """
    store = open_store(settings)
    done = [day for day, one in awaited.items() if _taken_in_whole(store, day, one)]
    lost = [
        day
        for day, one in awaited.items()
        if day not in done and day not in rejected and one.tries < MOST_TRIES
    ]
    return IntakeOutcome(sorted(done), sorted(lost))


def snapshots_to_follow(
    settings: Settings, awaited: dict[date, AwaitedDelivery], done: list[date]
) -> list[date]:
    """The snapshots to make from the deliveries taken in, in order.

    Snapshots made since then from the same deliveries are left out.
    """
    store = open_store(settings)
    windows = published_windows(store, min(done)) if done else {}
    owed: set[date] = set()
    for day in done:
        made_from_it = set(awaited[day].affected) | set(within_reach(settings, store, day, windows))
        made_from_it |= {day} if awaited[day].new else set()
        owed |= {d for d in made_from_it if not _made_since(store, d, _taken_in_at(store, day))}
    new = [day for day in done if awaited[day].new]
    return sorted(owed | (gaps(settings, new) - set(windows) - set(awaited)))


def gaps(settings: Settings, days: list[date]) -> set[date]:
    """The days between new deliveries that brought none, where they are `late_days` at most.

    A longer pause is no gap in daily deliveries: its snapshots are not made unasked.
    """
    found: set[date] = set()
    for one, after in pairwise(days):
        between = (after - one).days - 1
        if between <= settings.late_days:
            found |= {one + timedelta(days=n + 1) for n in range(between)}
    return found


def within_reach(
    settings: Settings, store: SnapshotStore, day: date, windows: dict[date, date]
) -> list[date]:
    """Published snapshots within `late_days` that are made from the day's delivery."""
    if not any(store.path(table, day).is_file() for table in RAW_TABLES):
        # Not taken in yet: its lines are of that day or older.
        reached = [d for d, opens in windows.items() if d >= day >= opens]
    else:
        reached = affected_snapshots(store, day, windows)
    return [d for d in reached if d <= day + timedelta(days=settings.late_days)]


def _taken_in_whole(store: SnapshotStore, day: date, one: AwaitedDelivery) -> bool:
    return all(
        _published_at(store, TABLES[name], day) >= max(one.asked_at, 1.0) for name in one.tables
    )


def _taken_in_at(store: SnapshotStore, day: date) -> float:
    return max(_published_at(store, table, day) for table in RAW_TABLES)


def _made_since(store: SnapshotStore, day: date, since: float) -> bool:
    """Whether the snapshot, from its features on, was published after that moment."""
    features = _published_at(store, CUSTOMER_FEATURES, day)
    return since < features <= _published_at(store, CUSTOMER_RFM, day)


def _published_at(store: SnapshotStore, table: Table, day: date) -> float:
    """In seconds since 1970; 0: not published."""
    path = store.path(table, day)
    return path.stat().st_mtime if path.is_file() else 0.0
