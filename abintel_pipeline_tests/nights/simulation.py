"""One seed's nights, from the first delivery to the comparison with an undisturbed run."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import duckdb

from abintel_pipeline.contract.findings import VerificationFailed
from abintel_pipeline.engine.connection import Backend
from abintel_pipeline.intake import DeliveriesFailed, DeliveryError
from abintel_pipeline.snapshots import (
    StepContext,
    features_snapshots,
    loyalty_snapshots,
    rfm_snapshots,
    take_in_days,
)
from abintel_pipeline.snapshots.verifying import published_files, verify
from abintel_pipeline.store.locks import FOLDER
from abintel_pipeline.store.ownership import MARKER, StoreOfAnother, claim
from abintel_pipeline.store.snapshot_store import (
    STAGING,
    Outdated,
    SnapshotMissing,
    SnapshotStore,
    Staged,
)
from abintel_pipeline.store.windows import NothingDelivered, affected_snapshots
from abintel_pipeline_tests.nights.answers import CUSTOMERS, TRANSACTIONS, Answers
from abintel_pipeline_tests.nights.disk import Disk, Killed, PowerLost, Process, uncounted
from abintel_pipeline_tests.nights.faults import Night, lose
from abintel_pipeline_tests.nights.ledger import FEATURES, RAW, Ledger, Wrong
from abintel_pipeline_tests.nights.model import Frozen, Model, frozen, judged
from abintel_pipeline_tests.nights.plan import Arrival, Plan
from abintel_pipeline_tests.nights.turns import Begin, Turns
from abintel_pipeline_tests.nights.undisturbed import nights_settings, undisturbed
from abintel_pipeline_tests.nights.world import Files, World, put

PIPELINE = "shop"
"""Whose the store is."""

TRIES = 4
"""How often a night's run is tried, by Dagster's retries: then the next night goes on."""
MORNINGS = 4
"""Runs at the end that nothing disturbs: by then everything must be there."""

BY_THE_ENGINE = 50
"""Of so many seeds one is compared with a run of which the engine makes every file."""

DISTURBED = (OSError, duckdb.Error, VerificationFailed, SnapshotMissing, NothingDelivered, Outdated)
"""What a run may fail with that met a fault, or another run."""
SNAPSHOTS: tuple[Callable[[StepContext, list[date]], Iterable[Any]], ...] = (
    *(features_snapshots, loyalty_snapshots, rfm_snapshots),
)


@dataclass
class Outcome:
    """How a process ended; None: it did all it had to."""

    error: BaseException | None = None


@dataclass
class Told:
    """What happened under a seed."""

    plan: Plan
    met: Counter[str] = field(default_factory=Counter)
    """Kinds of faults and deliveries that came, each as often as it did."""
    runs: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    """How runs ended, by the name of what they ended with."""
    operations: int = 0
    publications: int = 0
    half: int = 0
    """Runs after which one of two tables of a day was newer than the other."""
    log: list[tuple[str, str, str]] = field(default_factory=list)


class Simulation:
    """A plan, carried out in a folder."""

    def __init__(
        self, plan: Plan, answers: Answers, connection: Backend, folder: Path, model: Model
    ) -> None:
        self.plan, self.answers, self.connection = plan, answers, connection
        self.world = World(plan.world, plan.nights)
        self.settings = nights_settings(folder / "data", self.world)
        self.folder = folder
        self.step = StepContext(connection, self.settings, self.settings.rules)
        self.store = SnapshotStore(self.settings.store)
        self.disk = Disk(self.settings.store, Random(f"disk {plan.seed}"))
        self.ledger = Ledger(self.store, self.world.history_days, model, self._landed)
        self.disk.on_replace = self.ledger.replaced
        self.told = Told(plan)
        self._files: dict[tuple[str, date], Frozen] = {}
        """What lies in the landing folder."""
        self._looked_at: dict[tuple[str, date], Frozen] = {}
        """What lay there when an intake was asked for."""
        self._to_take_in: dict[date, set[date]] = {}
        """Days to take in, and the snapshots that were made from their earlier delivery."""
        self._owed: set[date] = set()
        self._empty: set[date] = set()
        """Snapshots in whose windows nothing has been delivered so far."""
        self._to_come = list(plan.arrivals)
        self._turns = Turns(Random(f"turns {plan.seed}"))
        self._night = 0
        self._publishing = 0
        """Processes that publish deliveries: the files that they read must not change any more."""

    # ── the nights ───────────────────────────────────────────────────────────

    def run(self) -> Told:
        """Raises Wrong where the store broke a promise."""
        self.settings.store.mkdir(parents=True)
        with self._watched():
            for number in range(self.plan.nights):
                self._night = number
                self._one_night(number)
            self._mornings()
        self._compare()
        self.told.log = self.disk.log
        self.told.operations = len(self.disk.log)
        self.told.publications = self.ledger.publications
        return self.told

    @contextmanager
    def _watched(self) -> Iterator[None]:
        publish = SnapshotStore.publish

        def settled(store: SnapshotStore, *staged: Staged, **more: Any) -> None:
            deliveries = staged[0].table.partition_column == "delivered_on"
            self._publishing += deliveries
            try:
                publish(store, *staged, **more)
            finally:
                self._publishing -= deliveries
            if store.root == self.store.root:
                self.ledger.settled(staged)

        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(SnapshotStore, "publish", settled))
            stack.enter_context(self.disk.installed())
            stack.enter_context(self.answers.given_by(self.disk, self._asked))
            yield

    def _asked(self) -> None:
        self._tonight.asked()

    def _one_night(self, number: int) -> None:
        faults = [fault for fault in self.plan.faults if fault.night == number]
        self._tonight = Night(self.disk, faults, self._turns.hold_up, self._come_meanwhile)
        self._tonight.begin()
        self._come(lambda one: one.night <= number and not one.meanwhile)
        self._owed.add(self.world.days[number])
        for _ in range(TRIES):
            self._look_at_landing()
            if not self._attempt():
                break
        self._come(lambda one: one.night <= number)  # a delivery that found nobody reading
        self.told.met.update(fault.kind for fault in self._tonight.met)

    def _mornings(self) -> None:
        """Nothing is disturbed any more, and everything is made up for."""
        self._tonight = Night(self.disk, [])
        self._tonight.begin()
        self._come(lambda _: True)
        for _ in range(MORNINGS):
            self._look_at_landing()
            self._attempt()
        if self._to_take_in or self._owed:
            raise Wrong(f"never made: {sorted(self._to_take_in)}, {sorted(self._owed)}")

    # ── deliveries ───────────────────────────────────────────────────────────

    def _landed(self, folder: str, day: date) -> Frozen:
        return self._files.get((folder, day), ())

    def _come(self, wanted: Callable[[Arrival], bool]) -> None:
        for one in [one for one in self._to_come if wanted(one)]:
            self._to_come.remove(one)
            day = self.world.days[one.day]
            new = {"transactions": self.world.files(day, one.version)}
            if one.version == "first":
                new["customers"] = self.world.customers(day)
            for folder, files in new.items():
                self._put(folder, day, files)
            kind = "late" if one.version == "first" and one.night > one.day else one.version
            self.told.met[f"delivery {'on time' if kind == 'first' else kind}"] += 1

    def _put(self, folder: str, day: date, files: Files) -> None:
        put(self.settings.landing / folder, day, files)
        self._files[folder, day] = frozen(files)

    def _come_meanwhile(self) -> None:
        if self._publishing:
            return
        before = self.told.met.total()
        self._come(lambda one: one.meanwhile and one.night <= self._night)
        if self.told.met.total() > before:
            self.told.met["delivery while another is read"] += 1

    def _look_at_landing(self) -> None:
        """As the sensor does: a day whose files changed is to be taken in."""
        for key, files in sorted(self._files.items()):
            if self._looked_at.get(key) != files:
                self._looked_at[key] = files
                affected = self._to_take_in.setdefault(key[1], set())
                affected |= set(affected_snapshots(self.store, key[1]))

    # ── runs ─────────────────────────────────────────────────────────────────

    def _attempt(self) -> bool:
        """One run, or two at once; whether it must be tried again."""
        runs: list[tuple[Process, Callable[[Process], None]]] = [(Process("run"), self._chain)]
        begin = None
        for fault in self._tonight.of("runs at once"):
            self._tonight.met.append(fault)
            begin = Begin.of(fault.at, fault.choice)
            others = (self._corrects, self._corrects, self._corrects, self._chain, self._backfill)
            runs.append((Process(f"other {len(runs)}"), others[fault.choice // 4 % len(others)]))
        processes = [one for one, _ in runs]
        self._tonight.processes = processes
        outcomes = {one.name: Outcome() for one in processes}
        with self._mounted(processes) as mounted:
            self._turns.run(
                (
                    (one, lambda one=one, work=work: self._ends(one, work, outcomes[one.name]))
                    for one, work in runs
                ),
                begin,
            )
        self._judge(processes, outcomes, alone=len(runs) == 1 and not mounted)
        self.told.runs += len(runs)
        return any(one.error for one in outcomes.values()) or bool(self._to_take_in or self._owed)

    @staticmethod
    def _ends(one: Process, work: Callable[[Process], None], outcome: Outcome) -> None:
        try:
            work(one)
        except Killed as killed:
            outcome.error = type(killed)()  # without what its frames hold: a dead process has none
        except BaseException as error:
            outcome.error = error

    @contextmanager
    def _mounted(self, processes: list[Process]) -> Iterator[bool]:
        """Where the plan says so, a store of another pipeline lies where ours should."""
        faults = self._tonight.of("another store mounted")
        if not faults:
            yield False
            return
        self._tonight.met += faults
        ours, theirs = self.store.root, self.folder / "theirs"
        theirs.mkdir()
        (theirs / MARKER).write_text("theirs\n")
        ours.rename(self.folder / "ours")
        theirs.rename(ours)
        try:
            yield True
        finally:
            ours.rename(theirs)
            (self.folder / "ours").rename(ours)
            if [path.name for path in theirs.iterdir()] != [MARKER]:
                raise Wrong("a run wrote into the store of another pipeline")
            (theirs / MARKER).unlink()
            theirs.rmdir()

    def _judge(
        self, processes: list[Process], outcomes: dict[str, Outcome], *, alone: bool
    ) -> None:
        """What the runs may have ended with, and what they must have left."""
        for one in processes:
            error = outcomes[one.name].error
            self.told.ended[type(error).__name__ if error else "done"] += 1
            if isinstance(error, Wrong):
                raise error
            excused = not alone or one.faults or self.told.met["clock moved"]
            if error and not isinstance(error, Killed):
                allowed = (*DISTURBED, DeliveryError, StoreOfAnother) if excused else ()
                if not isinstance(error, allowed):
                    raise Wrong(f"a run failed: {type(error).__name__}: {error}") from error
        if any(isinstance(one.error, PowerLost) for one in outcomes.values()):
            lose(self.disk, self._tonight.met)
            self.ledger.power_lost()
        self.told.half += bool(self.ledger.half())
        self.ledger.check()

    def _chain(self, one: Process) -> None:
        """What a run of the whole chain does: take in what has changed, make what is owed."""
        claim(self.settings, PIPELINE)
        self._take_in(sorted(self._to_take_in), one)
        self._make(sorted(self._owed))

    def _corrects(self, one: Process) -> None:
        """Somebody delivers the last day anew, and makes what follows from it."""
        claim(self.settings, PIPELINE)
        while self._publishing:
            one.wait(one)
        day = self.world.days[self._night]
        with uncounted():
            self._put("transactions", day, self.world.files(day, "corrected"))
            self._look_at_landing()
        self._chain(one)

    def _backfill(self, one: Process) -> None:
        """Somebody makes the last snapshots again."""
        claim(self.settings, PIPELINE)
        self._make(self._last_days())

    def _last_days(self) -> list[date]:
        return self.world.days[max(0, self._night - 2) : self._night + 1]

    def _take_in(self, days: list[date], one: Process) -> None:
        for how in (CUSTOMERS, TRANSACTIONS):
            remembered = self.answers.intake_of(self.disk, how, self._asked)
            looked_at = {day: self._landed("transactions", day) for day in days}
            try:
                for _ in take_in_days(self.step, days, remembered):
                    pass
            except DeliveriesFailed as failed:
                self._explained(days, looked_at, failed)
        for day in days:
            affected = self._to_take_in.pop(day, set())
            self._owed |= affected | set(affected_snapshots(self.store, day))
        self._owed |= self._empty
        self._empty.clear()

    def _explained(
        self, days: list[date], looked_at: dict[date, Frozen], failed: DeliveriesFailed
    ) -> None:
        """Raises Wrong if a delivery was refused that is none to refuse."""
        named = [day for day in days if any(str(day) in str(one) for one in failed.failed)]
        for day in named:
            files = (looked_at[day], self._landed("transactions", day))
            if not any(judged(day, one).verdict in ("damaged", "too many") for one in files):
                raise Wrong(f"the delivery of {day} was refused: {failed}") from failed

    def _make(self, days: list[date]) -> None:
        for snapshots_of in SNAPSHOTS:
            try:
                for _ in snapshots_of(self.step, days):
                    pass
            except NothingDelivered as nothing:
                days = [day for day in days if day not in nothing.days]
                self._owed -= set(nothing.days)
                self._empty |= set(nothing.days)
        self._owed -= set(days)

    def _left_behind(self) -> list[str]:
        """Stages and locks of runs that are no more.

        A stage that a failing disk didn't let its own run remove goes by its age, a day later.
        """
        places = [
            path
            for path in (
                *self.store.root.glob(f"{STAGING}/*"),
                *self.store.root.glob(f"{FOLDER}/intake_*"),
            )
            if not (path.is_dir() and self.told.met["disk failing"])
        ]
        return sorted(path.name for path in places)

    # ── the end ──────────────────────────────────────────────────────────────

    def _compare(self) -> None:
        """Everything is there, from everything that came, byte for byte as if nothing had been."""
        for day in self.world.days:
            files = self._landed("transactions", day)
            taken_in = self.ledger.made_from(RAW, day)
            if judged(day, files).verdict == "taken in" and taken_in != files:
                raise Wrong(f"the newest delivery of {day} was never taken in")
            wanted = self.ledger.in_force(day)
            if wanted.transactions and self.ledger.made_from(FEATURES, day) != wanted:
                raise Wrong(f"the snapshot of {day} isn't of the newest deliveries")
        if half := self.ledger.half():
            raise Wrong(f"half: {half}")
        if left := self._left_behind():
            raise Wrong(f"what killed runs left is still there: {left}")
        files = published_files(self.store, self.world.days[0], self.world.days[-1])
        if flaws := verify(self.settings, self.connection, files).flaws:
            raise Wrong(f"abintel verify finds {'; '.join(map(str, flaws))}")
        landed = {
            (folder, day): self.ledger.made_from(f"raw_{folder}", day) or ()
            for folder in ("transactions", "customers")
            for day in self.world.days
        }
        answers = self.answers if self.plan.seed % BY_THE_ENGINE else None
        wanted_files = undisturbed(self.folder, self.world, landed, self.connection, answers)
        found = self.ledger.files()
        for place in sorted({*wanted_files, *found}):
            if wanted_files.get(place) != found.get(place):
                raise Wrong(f"{place[0]} of {place[1]}: differs from an undisturbed run")
