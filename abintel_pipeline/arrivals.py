"""What has arrived in the landing folder since it was last looked at, and what that asks for.

No Dagster here: `sensors` turns it into runs. What has been seen is kept as one line of JSON, which
names only files that changed within ten minutes before a look, so that it stays small however many
years lie in the folder.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel

from abintel_pipeline.contract import TABLES
from abintel_pipeline.intake.landed import LandedFile
from abintel_pipeline.settings import Settings
from abintel_pipeline.store import SnapshotStore
from abintel_pipeline.windows import affected_snapshots, published_windows, runs_of_days

LOOK_BACK_SECONDS = 600
"""Clocks of file servers may be wrong by so much without a file being overlooked."""

RAW_TABLES = (TABLES["raw_transactions"], TABLES["raw_customers"])


class Awaited(BaseModel):
    """A delivery whose intake was asked for, and whose snapshots are to follow."""

    new: bool
    affected: list[date] = []
    """Snapshots, within `late_days`, that what was taken in before had a part in."""


class Watch(BaseModel):
    """What is known from earlier looks. `until` and `asked_at` are seconds since 1970."""

    until: float | None = None
    seen: dict[str, str] = {}
    waiting: list[str] = []
    awaited: dict[date, Awaited] = {}
    asked_at: float = 0.0
    why: dict[str, str] = {}

    def is_fresh(self, file: LandedFile) -> bool:
        """Whether the file has come or changed since the last look, or had to wait then."""
        if file.name in self.waiting or self.until is None:
            return True
        return file.changed >= self.until and self.seen.get(file.name) != file.mark


@dataclass(frozen=True)
class Arrival:
    """The files of one day that came or changed; `new`: nothing of that day was taken in yet."""

    day: date
    files: tuple[LandedFile, ...]
    new: bool


def look(
    settings: Settings, watch: Watch, files: list[LandedFile], newest: date, now: float
) -> tuple[list[Arrival], Watch]:
    """The deliveries that can be taken in now, by day, and what is known after this look.

    A day waits until it is over (`newest` is the newest such day) and until none of its files has
    changed for `settle_seconds`. What lies before `first_day` belongs to no day and is left alone.
    At the very first look, files are fresh unless they were taken in after they came.
    """
    store = SnapshotStore(settings.store)
    fresh = [f for f in files if f.day >= settings.first_day and watch.is_fresh(f)]
    if watch.until is None:
        fresh = [f for f in fresh if not _taken_in_since(store, f)]
    unsettled = {f.day for f in fresh if now - f.changed < settings.settle_seconds}
    waiting = {f.name for f in fresh if f.day > newest or f.day in unsettled}
    by_day: dict[date, list[LandedFile]] = {}
    for file in fresh:
        if file.name not in waiting:
            by_day.setdefault(file.day, []).append(file)
    arrivals = [
        Arrival(day, tuple(by_day[day]), not _taken_in(store, day)) for day in sorted(by_day)
    ]
    until = max(now - LOOK_BACK_SECONDS, watch.until or 0.0)
    seen = {f.name: f.mark for f in files if f.changed >= until and f.name not in waiting}
    return arrivals, watch.model_copy(
        update={"until": until, "seen": seen, "waiting": sorted(waiting)}
    )


@dataclass(frozen=True)
class Plan:
    """What arrivals ask for, each a range of days: whole chains, or intakes with a sequel."""

    chains: list[tuple[date, date]]
    intakes: list[tuple[date, date]]
    awaited: dict[date, Awaited]


def plan(settings: Settings, arrivals: list[Arrival], *, busy: bool) -> Plan:
    """Deliveries without later snapshots are made whole at once, as one range of days.

    Where a published snapshot of another day is affected, or the days have gaps, all intakes come
    first and the snapshots follow when they are done, so that each is made once, from everything.
    The same while something is still `busy`.
    """
    days = [arrival.day for arrival in arrivals]
    ranges = runs_of_days(days)
    store = SnapshotStore(settings.store)
    windows = published_windows(store, days[0]) if days else {}
    awaited = {
        a.day: Awaited(new=a.new, affected=_within(settings, store, a.day, windows))
        for a in arrivals
    }
    to_make = {d for day, one in awaited.items() for d in _to_make(day, one)}
    later = {d for d in windows if days and days[0] <= d <= days[-1] + _late(settings)}
    if len(ranges) == 1 and not busy and to_make | later == set(days):
        return Plan(ranges, [], {})
    return Plan([], ranges, awaited)


def sequel(settings: Settings, watch: Watch) -> list[tuple[date, date]]:
    """The snapshots, as ranges of days, that the intakes awaited have made necessary.

    Of a delivery that was refused nothing has changed, so nothing is to be made.
    """
    store = SnapshotStore(settings.store)
    done = [day for day in watch.awaited if _taken_in_at(store, day) >= watch.asked_at]
    windows = published_windows(store, min(done)) if done else {}
    days = {d for day in done for d in _to_make(day, watch.awaited[day])}
    days |= {d for day in done for d in _within(settings, store, day, windows)}
    return runs_of_days(sorted(days))


def fingerprint(*parts: object) -> str:
    """A short text that stands for these parts."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _to_make(day: date, one: Awaited) -> list[date]:
    return [day, *one.affected] if one.new else one.affected


def _within(
    settings: Settings, store: SnapshotStore, day: date, windows: dict[date, date]
) -> list[date]:
    """Published snapshots within `late_days` that the day's delivery in the store has a part in."""
    if not _taken_in(store, day):  # it will be: any line of it is as young as the day, at most
        reached = [d for d, opens in windows.items() if d >= day >= opens]
    else:
        reached = affected_snapshots(store, day, windows)
    return [d for d in reached if d <= day + _late(settings)]


def _late(settings: Settings) -> timedelta:
    return timedelta(days=settings.late_days)


def _taken_in(store: SnapshotStore, day: date) -> bool:
    return any(store.path(table, day).is_file() for table in RAW_TABLES)


def _taken_in_at(store: SnapshotStore, day: date) -> float:
    """When a delivery of that day was last published, in seconds since 1970; 0: never."""
    paths = [store.path(table, day) for table in RAW_TABLES]
    return max((path.stat().st_mtime for path in paths if path.is_file()), default=0.0)


def _taken_in_since(store: SnapshotStore, file: LandedFile) -> bool:
    raw = TABLES["raw_customers" if file.folder == "customers" else "raw_transactions"]
    path = store.path(raw, file.day)
    return path.is_file() and path.stat().st_mtime >= file.changed
