"""The engine's answers, remembered by the content of what it was asked about.

A step over five customers costs the engine 50 to 170 ms, nearly all of it to compile the same
queries again. So an answer is computed once, by the real step on the files in the store, and given
again where the content of every input is the same. What the step does with it is always done: an
answer's files are written through the simulated disk, flushed, verified and published.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import duckdb

from abintel_pipeline.contract import MADE_FROM
from abintel_pipeline.contract.findings import VerificationFailed
from abintel_pipeline.engine.connection import Backend
from abintel_pipeline.intake import Intake, take_in_customers, take_in_transactions
from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.landing import landed_files
from abintel_pipeline.intake.rejected.files import TooManyRejected
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import publishing
from abintel_pipeline.snapshots.features import FeaturesStep
from abintel_pipeline.snapshots.loyalty import LoyaltyStep
from abintel_pipeline.snapshots.publishing import DailyStep, Inputs
from abintel_pipeline.snapshots.rfm import RfmStep
from abintel_pipeline.store import snapshot_store
from abintel_pipeline.store.snapshot_store import SnapshotStore, Staged
from abintel_pipeline_tests.nights.disk import Disk, uncounted

STEPS: tuple[type[DailyStep], ...] = (FeaturesStep, LoyaltyStep, RfmStep)
COMPUTE = {step: step.compute for step in STEPS}
VERIFIED = publishing.verified
Written = tuple[Staged, bytes]
"""A staged file and its content."""


@dataclass(frozen=True)
class TakenIn:
    """What an intake came to: the two files, or the error."""

    intake: Intake | None = None
    files: tuple[Written, ...] = ()
    error: DeliveryError | None = None


class Answers:
    """Answers of the engine, shared by the seeds of a process."""

    def __init__(self) -> None:
        self._days: dict[Any, tuple[Written, ...]] = {}
        self._intakes: dict[Any, TakenIn] = {}
        self._verdicts: dict[Any, Any] = {}
        self.computed = 0
        self.given = 0

    @contextmanager
    def given_by(self, disk: Disk, asked: Callable[[], None]) -> Iterator[None]:
        """Until the block ends the steps have their answers from here. `asked` may raise."""

        def compute(step: DailyStep, folder: Path, days: list[date]) -> Iterator[Any]:
            for day in days:
                with uncounted():
                    made = self._made(step, day)
                asked()
                yield tuple(_write(disk, folder, one) for one in made)

        def verified(connection: Backend, store: SnapshotStore, made: Iterable[Any]) -> Any:
            return self._verified(connection, store, made)

        with mock.patch.object(publishing, "verified", verified):
            for step in STEPS:
                step.compute = compute  # type: ignore[method-assign]
            try:
                yield
            finally:
                for step in STEPS:
                    step.compute = COMPUTE[step]  # type: ignore[method-assign]

    def _made(self, step: DailyStep, day: date) -> tuple[Written, ...]:
        store = step.context.store
        key = (type(step), day, _inputs(store, step, day))
        if key not in self._days:
            self.computed += 1
            step._inputs = Inputs(store, {day: step.reads(day)})
            with TemporaryDirectory() as scratch:
                (files,) = COMPUTE[type(step)](step, Path(scratch), [day])
                self._days[key] = tuple((one, one.path.read_bytes()) for one in files)
        else:
            self.given += 1
        return self._days[key]

    def _verified(self, connection: Backend, store: SnapshotStore, made: Iterable[Any]) -> Any:
        rejected = []
        for files in made:
            with uncounted():
                beside = (store.path(t, files[0].day) for t in MADE_FROM[files[0].table])
                contents = [_digest(path) for path in (*(one.path for one in files), *beside)]
                key = (files[0].table.name, files[0].day, *contents)
                if key not in self._verdicts:
                    self._verdicts[key] = _verdict(connection, store, files)
                found = self._verdicts[key]
            if isinstance(found, VerificationFailed):
                rejected += found.findings
            else:
                yield tuple(
                    replace(one, findings=told.findings, figures=told.figures)
                    for one, told in zip(files, found, strict=True)
                )
        if rejected:
            raise VerificationFailed(rejected)

    def intake_of(
        self, disk: Disk, how: Callable[..., Intake | None], asked: Callable[[], None]
    ) -> Callable[[Backend, Settings, date, Path], Intake | None]:
        """`take_in_transactions` or `take_in_customers`, with remembered answers."""

        def remembered(
            connection: Backend, settings: Settings, day: date, folder: Path
        ) -> Intake | None:
            with uncounted():
                known = self._taken_in(how, connection, settings, day)
            asked()
            staged = [_write(disk, folder, one, flush=False) for one in known.files]
            if isinstance(known.error, TooManyRejected):
                delivery = replace(known.error.delivery, path=staged[0].path)
                raise TooManyRejected(str(known.error), delivery)
            if known.error:
                raise DeliveryError(str(known.error))
            if known.intake is None:
                return None
            return replace(known.intake, accepted_rows=staged[0], rejected_rows=staged[1])

        return remembered

    def _taken_in(
        self, how: Callable[..., Intake | None], connection: Backend, settings: Settings, day: date
    ) -> TakenIn:
        landing = settings.landing
        kind = "transactions" if how is take_in_transactions else "customers"
        files = [
            (one.name, (landing / one.name).read_bytes())
            for one in landed_files(landing, day)
            if one.folder == kind
        ]
        key = (kind, day, *files)
        if key not in self._intakes:
            self.computed += 1
            with TemporaryDirectory() as scratch:
                self._intakes[key] = _really(how, connection, settings, day, Path(scratch))
        else:
            self.given += 1
        return self._intakes[key]


TRANSACTIONS, CUSTOMERS = take_in_transactions, take_in_customers


def _really(
    how: Callable[..., Intake | None],
    connection: Backend,
    settings: Settings,
    day: date,
    folder: Path,
) -> TakenIn:
    try:
        intake = how(connection, settings, day, folder)
    except TooManyRejected as error:
        told = error.delivery
        staged = Staged(told.table, told.day, told.path, told.rejected)
        return TakenIn(files=((staged, told.path.read_bytes()),), error=error)
    except DeliveryError as error:
        return TakenIn(error=error)
    if intake is None:
        return TakenIn()
    files = (intake.accepted_rows, intake.rejected_rows)
    return TakenIn(intake, tuple((one, one.path.read_bytes()) for one in files))


def _verdict(connection: Backend, store: SnapshotStore, files: tuple[Staged, ...]) -> Any:
    try:
        (passed,) = VERIFIED(connection, store, [files])
    except VerificationFailed as failed:
        return failed
    return passed


def _inputs(store: SnapshotStore, step: DailyStep, day: date) -> tuple[Any, ...]:
    """(table, day, content) of every file that a day is computed from."""
    return tuple(
        (table.name, one, _digest(store.path(table, one)))
        for table, (first, last) in step.reads(day).items()
        for one in store.days(table, first, last)
    )


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _write(disk: Disk, folder: Path, written: Written, *, flush: bool = True) -> Staged:
    """A remembered file, written into a staging folder as the store's own writer does."""
    staged, content = written
    path = SnapshotStore(folder).path(staged.table, staged.day)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        disk.write(path, content)
    except OSError as error:
        raise duckdb.IOException(f"IO Error: could not write: {error.strerror}") from None
    if flush:
        snapshot_store.flush(path)
    return replace(staged, path=path)
