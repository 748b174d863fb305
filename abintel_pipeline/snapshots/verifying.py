"""Checks published files: is each one unchanged, and are its inputs still the published ones?

A snapshot is stale when what reaches it is no longer what it was made from: a delivery was taken in
again, or late, or is gone. It is not damaged; it says what was true when it was made.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from abintel_pipeline.contract import (
    CUSTOMER_FEATURES,
    CUSTOMER_LOYALTY,
    CUSTOMER_RFM,
    LOYALTY_SUMMARY,
    RFM_THRESHOLDS,
    TABLES,
    Table,
)
from abintel_pipeline.engine.connection import Backend
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots.features import FeaturesStep
from abintel_pipeline.snapshots.loyalty import LoyaltyStep
from abintel_pipeline.snapshots.publishing import DailyStep
from abintel_pipeline.snapshots.rfm import RfmStep
from abintel_pipeline.store.proofs import (
    MadeFrom,
    NotAsPublished,
    advice,
    is_sealed,
    snapshot_rules,
    stored_origin,
    why_not,
)
from abintel_pipeline.store.snapshot_store import SnapshotStore, open_store
from abintel_pipeline.store.step_context import StepContext

THREADS = 4
SHOWN = 3

STEPS: dict[Table, type[DailyStep]] = {
    CUSTOMER_FEATURES: FeaturesStep,
    CUSTOMER_LOYALTY: LoyaltyStep,
    CUSTOMER_RFM: RfmStep,
}
TABLES_OF: dict[Table, tuple[Table, ...]] = {
    CUSTOMER_FEATURES: (CUSTOMER_FEATURES,),
    CUSTOMER_LOYALTY: (CUSTOMER_LOYALTY, LOYALTY_SUMMARY),
    CUSTOMER_RFM: (CUSTOMER_RFM, RFM_THRESHOLDS),
}
"""What each step publishes, the table of customers first."""

SNAPSHOTS = {table for made in TABLES_OF.values() for table in made}

Kind = Literal["damaged", "missing", "stale", "different"]


@dataclass(frozen=True)
class Flaw:
    """What is wrong with one file, and what to do."""

    table: Table
    day: date
    kind: Kind
    told: str
    advice: str

    @property
    def of_snapshot(self) -> bool:
        """Whether publishing the day's snapshots again mends it; else its delivery is damaged."""
        return self.table in SNAPSHOTS

    def __str__(self) -> str:
        return f"{self.table.name} of {self.day} is {self.kind}: {self.told}"


@dataclass
class Report:
    """What a verification looked at, and found."""

    files: int = 0
    unproved: int = 0
    """Files of earlier versions of the pipeline, which can't prove their bytes."""
    recomputed: int = 0
    without_delivery: int = 0
    """Raw files that could not be taken in again: their delivery lies nowhere as it was."""
    flaws: list[Flaw] = field(default_factory=list)

    @property
    def to_recompute(self) -> list[date]:
        """The days whose snapshots are to be published again, in order."""
        return sorted({one.day for one in self.flaws if one.of_snapshot})

    def __add__(self, other: "Report") -> "Report":
        return Report(
            self.files + other.files,
            self.unproved + other.unproved,
            self.recomputed + other.recomputed,
            self.without_delivery + other.without_delivery,
            self.flaws + other.flaws,
        )


Progress = Callable[[int], None]
"""Called with the number of files that have been looked at since the last call."""


def published_files(
    store: SnapshotStore, first: date, last: date, *tables: Table
) -> list[tuple[Table, date]]:
    """What there is to verify of these days, table by table; without any named, of all tables."""
    wanted = tables or tuple(TABLES.values())
    return [(table, day) for table in wanted for day in store.days(table, first, last)]


def verify(
    settings: Settings,
    connection: Backend,
    files: Iterable[tuple[Table, date]],
    *,
    progress: Progress = lambda _: None,
) -> Report:
    """Every promise of these files but that of their values: nothing is computed.

    Each file is what it says and lies where it belongs; no file of a step's day is missing beside
    the others; each snapshot was made from what is published now.
    """
    report, look = Report(), _Look(settings, connection)
    with ThreadPoolExecutor(THREADS) as pool:
        for sealed, flaws in pool.map(lambda one: look.at(*one), files):
            report.files += 1
            report.unproved += not sealed
            report.flaws += flaws
            progress(1)
    return report


class _Look:
    """Looks at one file after the other; what many were made from is hashed once."""

    def __init__(self, settings: Settings, connection: Backend) -> None:
        self._settings, self._connection = settings, connection
        self._store = open_store(settings)
        self._steps: dict[tuple[Table, str], DailyStep] = {}

    def at(self, table: Table, day: date) -> tuple[bool, list[Flaw]]:
        """Whether a file proves its bytes, and what is wrong with it."""
        path = self._store.path(table, day)
        try:
            if wrong := why_not(table, day, path):
                return True, [Flaw(table, day, "damaged", f"{path} {wrong}", advice(table, day))]
            flaws = [*self._missing(table, day), *self._stale(table, day, path)]
            return is_sealed(path), flaws
        except FileNotFoundError:
            return True, []  # a run removed it, or replaces it, while it was looked at
        except OSError as error:
            told = f"{path} can't be read ({error.strerror or error})"
            return True, [Flaw(table, day, "damaged", told, advice(table, day))]

    def _missing(self, table: Table, day: date) -> Iterator[Flaw]:
        for other in TABLES_OF.get(table, ())[1:]:
            if not self._store.path(other, day).is_file():
                told = f"{table.name} of the same day is there"
                yield Flaw(other, day, "missing", told, advice(other, day))

    def _stale(self, table: Table, day: date, path: Path) -> Iterator[Flaw]:
        parent = next((one for one, made in TABLES_OF.items() if table in made), None)
        was = stored_origin(path)
        if parent is None or was is None:
            return
        try:
            told = _changes(was, self._step(parent, path).made_from(day))
        except NotAsPublished as damaged:
            told = f"it was made from {damaged.table.name} of {damaged.day}, which is damaged"
        if told:
            yield Flaw(table, day, "stale", told, advice(table, day))

    def _step(self, parent: Table, path: Path) -> DailyStep:
        """The step, by the rules of the file."""
        rules = snapshot_rules(path)
        known = (parent, rules.as_json())
        if known not in self._steps:
            context = StepContext(self._connection, self._settings, rules)
            self._steps[known] = STEPS[parent](context)
        return self._steps[known]


def _changes(was: MadeFrom, now: MadeFrom) -> str:
    """What has become of the files that a snapshot was made from, in words."""
    told = []
    for name in now:
        before, after = was.get(name, {}), now[name]
        gone = [day for day in before if day not in after]
        new = [day for day in after if day not in before]
        other = [day for day in after if day in before and after[day] != before[day]]
        for days, verb in ((other, "replaced"), (new, "published"), (gone, "removed")):
            if days:
                more = ", …" if len(days) > SHOWN else ""
                told.append(f"{name} of {', '.join(days[:SHOWN])}{more} was {verb} since")
    return "; ".join(told)
