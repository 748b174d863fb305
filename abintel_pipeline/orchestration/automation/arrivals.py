"""Which deliveries have arrived in the landing folder since the last look, and the runs they need.

No Dagster here: `sensors` requests the runs. What has been seen is stored as one line of JSON. It
names only files that changed within ten minutes before a look, so it stays small however many
years of files lie in the folder.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel

from abintel_pipeline.contract import CUSTOMER_RFM, RAW_CUSTOMERS, RAW_TRANSACTIONS, TABLES
from abintel_pipeline.intake.landing import LandedFile
from abintel_pipeline.orchestration.automation.follow_up import AwaitedDelivery, gaps, within_reach
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import SnapshotStore, open_store
from abintel_pipeline.store.windows import published_windows, runs_of_days

LOOK_BACK_SECONDS = 600
"""The clock of a file server may be wrong by so much, and no file is overlooked."""


class Watch(BaseModel):
    """What earlier looks found, stored as the sensor's cursor. `until` is in seconds since 1970."""

    until: float | None = None
    seen: dict[str, str] = {}
    waiting: list[str] = []
    awaited: dict[date, AwaitedDelivery] = {}
    why: dict[str, str] = {}

    def is_fresh(self, file: LandedFile) -> bool:
        """Whether the file has come or changed since the last look, or had to wait then."""
        if file.name in self.waiting or self.until is None:
            return True
        return file.changed >= self.until and self.seen.get(file.name) != file.mark


@dataclass(frozen=True)
class Arrival:
    """The files of one day that came or changed; `new`: its snapshot isn't published."""

    day: date
    files: tuple[LandedFile, ...]
    new: bool


def new_arrivals(
    settings: Settings, watch: Watch, files: list[LandedFile], newest: date, now: float
) -> tuple[list[Arrival], Watch]:
    """The deliveries that can be taken in now, by day, and the watch after this look.

    A day waits until it is over (`newest` is the newest such day) and until none of its files has
    changed for `settle_seconds`. Files of days before `first_day` are ignored. At the very first
    look every file is fresh that wasn't taken in since it came.
    """
    store = open_store(settings)
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
        Arrival(day, tuple(by_day[day]), not store.path(CUSTOMER_RFM, day).is_file())
        for day in sorted(by_day)
    ]
    until = max(now - LOOK_BACK_SECONDS, watch.until or 0.0)
    seen = {f.name: f.mark for f in files if f.changed >= until and f.name not in waiting}
    return arrivals, watch.model_copy(
        update={"until": until, "seen": seen, "waiting": sorted(waiting)}
    )


@dataclass(frozen=True)
class RunPlan:
    """The runs for arrivals, by ranges of days: whole chains, or intakes whose snapshots follow."""

    chains: list[tuple[date, date]]
    intakes: list[tuple[date, date]]
    awaited: dict[date, AwaitedDelivery]


def plan_runs(settings: Settings, arrivals: list[Arrival], now: float, *, busy: bool) -> RunPlan:
    """One run of the whole chain, where the deliveries are one range without later snapshots.

    Days without a delivery between new ones are made too, up to `late_days` of them in a row. Where
    a published snapshot of another day is affected, the days lie further apart, or a run is still
    `busy`, all intakes come first. The snapshots follow when they are done: each is made once, from
    everything.
    """
    store = open_store(settings)
    windows = published_windows(store, arrivals[0].day) if arrivals else {}
    awaited = {
        a.day: AwaitedDelivery(
            new=a.new,
            affected=within_reach(settings, store, a.day, windows),
            tables=tables_of(a.files),
            asked_at=now,
        )
        for a in arrivals
    }
    new = [a.day for a in arrivals if a.new]
    between = gaps(settings, new) - set(windows)
    days = sorted(between | set(awaited))
    ranges = runs_of_days(days)
    to_make = {d for one in awaited.values() for d in one.affected} | set(new) | between
    last = days[-1] + timedelta(days=settings.late_days) if days else None
    later = {d for d in windows if last and days[0] <= d <= last}
    whole = len(ranges) == 1 and not busy and to_make | later == set(days)
    return RunPlan(ranges, [], awaited) if whole else RunPlan([], ranges, awaited)


def fingerprint(*parts: object) -> str:
    """A short text that stands for these parts."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def tables_of(files: tuple[LandedFile, ...]) -> list[str]:
    """The tables that the files are for; a request document is for transactions."""
    return sorted({table_of(file) for file in files})


def table_of(file: LandedFile) -> str:
    return RAW_CUSTOMERS.name if file.folder == "customers" else RAW_TRANSACTIONS.name


def _taken_in_since(store: SnapshotStore, file: LandedFile) -> bool:
    path = store.path(TABLES[table_of(file)], file.day)
    return path.is_file() and path.stat().st_mtime >= file.changed
