"""Whether the published values are those that come out: all is computed again and compared.

Snapshots by the rules that they name, from what is published; what was taken in, from the files of
its delivery, where they still lie in the landing folder as they were.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.contract import (
    RAW_CUSTOMERS,
    RAW_TRANSACTIONS,
    REJECTED_CUSTOMERS,
    REJECTED_TRANSACTIONS,
    Table,
)
from abintel_pipeline.engine.connection import Backend
from abintel_pipeline.intake import Intake, take_in_customers, take_in_transactions
from abintel_pipeline.intake.landing import day_sources, delivered
from abintel_pipeline.intake.request_tables import CUSTOMERS, TRANSACTIONS, RequestTable
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots.verifying import STEPS, Flaw, Progress, Report
from abintel_pipeline.store.proofs import advice, hash_of, snapshot_rules, stored_origin
from abintel_pipeline.store.snapshot_store import Staged, open_store
from abintel_pipeline.store.step_context import StepContext

TakeIn = Callable[[Backend, Settings, date, Path], Intake | None]
INTAKES: dict[Table, tuple[RequestTable, TakeIn]] = {
    RAW_TRANSACTIONS: (TRANSACTIONS, take_in_transactions),
    RAW_CUSTOMERS: (CUSTOMERS, take_in_customers),
}
BESIDE = {RAW_TRANSACTIONS: REJECTED_TRANSACTIONS, RAW_CUSTOMERS: REJECTED_CUSTOMERS}

Files = list[tuple[Table, date]]


def recompute(
    settings: Settings,
    connection: Backend,
    files: Iterable[tuple[Table, date]],
    *,
    progress: Progress = lambda _: None,
) -> Report:
    """Compute the days of these files anew, and compare the rows; nothing is published.

    Raises NotAsPublished, SnapshotMissing or NothingDelivered where what a snapshot is computed
    from isn't there or isn't what it says: `verify` comes first.
    """
    again = _Again(settings, connection, list(files))
    for table, day, made in again.files():
        if made is None:
            again.report.without_delivery += 1
        else:
            again.compare(table, day, made)
        progress(1)
    return again.report


class _Again:
    def __init__(self, settings: Settings, connection: Backend, files: Files) -> None:
        self._settings, self._connection, self._files = settings, connection, files
        self._store = open_store(settings)
        self.report = Report()

    def compare(self, table: Table, day: date, made: Path) -> None:
        """Equal bytes are equal rows; other bytes may be, as another engine writes others."""
        self.report.recomputed += 1
        path = self._store.path(table, day)
        if hash_of(path) != hash_of(made) and not _rows(path).equals(_rows(made)):
            told = "computed again it has other rows"
            self.report.flaws.append(Flaw(table, day, "different", told, advice(table, day)))

    def files(self) -> Iterator[tuple[Table, date, Path | None]]:
        """Each file, made again; without a path where its delivery is gone."""
        published = set(self._files)
        yield from self._deliveries()
        for staged in self._snapshots():
            if (staged.table, staged.day) in published:
                yield staged.table, staged.day, staged.path

    def _snapshots(self) -> Iterator[Staged]:
        for table, step in STEPS.items():
            days = sorted(day for one, day in self._files if one is table)
            ruled = ((snapshot_rules(self._store.path(table, day)), day) for day in days)
            for rules, group in groupby(ruled, key=itemgetter(0)):
                context = StepContext(self._connection, self._settings, rules)
                for made in step(context).computed_again([day for _, day in group]):
                    yield from made

    def _deliveries(self) -> Iterator[tuple[Table, date, Path | None]]:
        for raw, day in self._files:
            if raw not in INTAKES:
                continue
            request, take_in = INTAKES[raw]
            with self._store.staging() as folder:
                intake = None
                if self._lies_as_it_was(raw, request, day):
                    intake = take_in(self._connection, self._settings, day, folder)
                yield raw, day, intake.accepted_rows.path if intake else None
                if self._store.path(BESIDE[raw], day).is_file():
                    yield BESIDE[raw], day, intake.rejected_rows.path if intake else None

    def _lies_as_it_was(self, raw: Table, request: RequestTable, day: date) -> bool:
        was = stored_origin(self._store.path(raw, day))
        if was is None or request.query(self._settings) is not None:
            return False
        sources = day_sources(self._settings, day, request)
        return [delivered(one) for one in sources] == was.get("deliveries")


def _rows(path: Path) -> pa.Table:
    return pq.read_table(path, partitioning=None).replace_schema_metadata(None)
