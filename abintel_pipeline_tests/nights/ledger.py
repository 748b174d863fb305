"""What the store must hold: each publication is looked at as it happens, and all files after it.

A file may be published only if it is whole and says what the model makes of what is in force at
that moment: of the landing folder, or of the files that the store holds.
"""

import hashlib
import io
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.contract import TABLES
from abintel_pipeline.store.proofs import why_not
from abintel_pipeline.store.snapshot_store import SnapshotStore, Staged
from abintel_pipeline_tests import oracle
from abintel_pipeline_tests.nights.model import (
    Deliveries,
    Frozen,
    Model,
    first_read,
    judged,
    scores,
)

RAW, RAW_CUSTOMERS = "raw_transactions", "raw_customers"
REJECTED, REJECTED_CUSTOMERS = "rejected_transactions", "rejected_customers"
FEATURES, LOYALTY, SUMMARY = "customer_features", "customer_loyalty", "loyalty_summary"
RFM, THRESHOLDS = "customer_rfm", "rfm_thresholds"
PAIRS = (
    (REJECTED, RAW),
    (REJECTED_CUSTOMERS, RAW_CUSTOMERS),
    (LOYALTY, SUMMARY),
    (RFM, THRESHOLDS),
)
"""Tables that a step publishes one after the other."""

PLACE = re.compile(r"(\w+)/(?:delivered_on|snapshot_date)=(\d{4}-\d\d-\d\d)/data\.parquet")
Place = tuple[str, date]


class Wrong(AssertionError):
    """The store broke a promise."""


@dataclass
class Entry:
    """What is published at a place: versions since the last that no loss of power can undo."""

    versions: list[tuple[bytes | None, Any]] = field(default_factory=lambda: [(None, None)])
    """(digest, what it was made from), the newest last; a digest of None: there was no file."""

    @property
    def digest(self) -> bytes | None:
        return self.versions[-1][0]

    @property
    def made_from(self) -> Any:
        return self.versions[-1][1]


class Ledger:
    """The publications of one store."""

    known: ClassVar[dict[Any, bool]] = {}
    """Verdicts on contents, shared by the seeds of a process: reading them costs most of it."""

    def __init__(
        self,
        store: SnapshotStore,
        history_days: int,
        model: Model,
        landed: Callable[[str, date], Frozen],
    ) -> None:
        self.store, self.model = store, model
        self._history_days = history_days
        self._landed = landed
        self.entries: dict[Place, Entry] = {}
        self.publications = 0

    # ── as it happens ────────────────────────────────────────────────────────

    def replaced(self, source: Path, target: Path) -> None:
        """A file is about to be renamed into its place. Raises Wrong if it must not be."""
        place = self._place(target)
        if place is None:
            return
        content = source.read_bytes()
        made_from = self._made_from(*place)
        self._look(place, source, content, made_from)
        entry = self.entries.setdefault(place, Entry())
        entry.versions.append((_digest(content), made_from))
        self.publications += 1

    def settled(self, staged: Iterable[Staged]) -> None:
        """`publish` has returned: no loss of power can undo it."""
        for one in staged:
            if entry := self.entries.get((one.table.name, one.day)):
                del entry.versions[:-1]

    def power_lost(self) -> None:
        """What wasn't settled may be undone; whatever is there now is in force."""
        for place, entry in list(self.entries.items()):
            digest = _digest_of(self._path(place))
            known = [one for one in entry.versions if one[0] == digest]
            if not known:
                raise Wrong(f"{_told(place)}: lost or torn by the loss of power")
            entry.versions[:] = known[-1:]
            if digest is None:
                del self.entries[place]

    def _place(self, target: Path) -> Place | None:
        if not target.is_relative_to(self.store.root):
            return None
        match = PLACE.fullmatch(target.relative_to(self.store.root).as_posix())
        return (match[1], date.fromisoformat(match[2])) if match else None

    def _path(self, place: Place) -> Path:
        return self.store.path(TABLES[place[0]], place[1])

    # ── what a file must say ─────────────────────────────────────────────────

    def made_from(self, table: str, day: date) -> Any:
        """What the published file was made from; None: there is none."""
        entry = self.entries.get((table, day))
        return entry.made_from if entry else None

    def _made_from(self, table: str, day: date) -> Any:
        """What a file that is published now must be made from."""
        if table in (RAW, REJECTED):
            return self._landed("transactions", day)
        if table in (RAW_CUSTOMERS, REJECTED_CUSTOMERS):
            return self._landed("customers", day)
        if table == FEATURES:
            return self.in_force(day)
        if table in (LOYALTY, SUMMARY):
            return self.made_from(FEATURES, day)
        return self.made_from(FEATURES, day), self.made_from(LOYALTY, day)

    def in_force(self, day: date) -> Deliveries:
        """The published deliveries that the snapshot of a day reads."""
        first = first_read(day, self._history_days)

        def of(raw: str, since: date) -> tuple[tuple[date, Frozen], ...]:
            return tuple(
                (on, entry.made_from)
                for (table, on), entry in sorted(self.entries.items())
                if table == raw and since <= on <= day
            )

        return Deliveries(of(RAW, first), of(RAW_CUSTOMERS, date.min))

    def _look(self, place: Place, source: Path, content: bytes, made_from: Any) -> None:
        key = (place, _digest(content), made_from)
        if key not in self.known:
            if wrong := why_not(TABLES[place[0]], place[1], source):
                raise Wrong(f"{_told(place)}: published, and it {wrong}")
            self.known[key] = self._says(place, content, made_from)
        if not self.known[key]:
            raise Wrong(f"{_told(place)}: published though it is not made of what is in force")

    def _says(self, place: Place, content: bytes, made_from: Any) -> bool:
        table, day = place
        found = pq.read_table(io.BytesIO(content))
        return made_from is not None and _same(
            self._wanted(table, day, made_from), _rows(table, found)
        )

    def _wanted(self, table: str, day: date, made_from: Any) -> list[Any]:
        if table == RAW:
            return sorted(judged(day, made_from).accepted)
        if table == REJECTED:
            return sorted(judged(day, made_from).rejected)
        if table in (RAW_CUSTOMERS, REJECTED_CUSTOMERS):
            return sorted(scores(made_from)) if table == RAW_CUSTOMERS else []
        if table in (RFM, THRESHOLDS):
            if table == RFM:
                return oracle.published(self.model.rfm(day, *made_from))
            return sorted(oracle.published(self.model.thresholds(day, *made_from)), key=_key)
        made_once = {
            FEATURES: self.model.features,
            LOYALTY: self.model.loyalty,
            SUMMARY: self.model.summary,
        }
        return oracle.published(made_once[table](day, made_from))

    # ── after each run ───────────────────────────────────────────────────────

    def check(self) -> None:
        """Every published file is the one that was published last, and there is no other."""
        found = self.files()
        for place, content in found.items():
            entry = self.entries.get(place)
            if entry is None or entry.digest != _digest(content):
                raise Wrong(f"{_told(place)}: its content was never published")
        for place in self.entries:
            if place not in found:
                raise Wrong(f"{_told(place)}: lost")
        for place in found:
            self._adds_up(*place)

    def files(self) -> dict[Place, bytes]:
        """Every published file's content."""
        return published_files(self.store)

    def half(self) -> list[Place]:
        """Places of which one table is newer than the one beside it."""
        return [
            (one, day)
            for one, other in PAIRS
            for (table, day) in sorted(self.entries)
            if table in (one, other) and self.made_from(one, day) != self.made_from(other, day)
        ]

    def _adds_up(self, table: str, day: date) -> None:
        """received = accepted + rejected + left out, of a delivery that was taken in whole."""
        files = self.made_from(RAW, day)
        if table != RAW or files != self.made_from(REJECTED, day):
            return
        whole = judged(day, files)
        rows = self.store.rows(TABLES[RAW], day), self.store.rows(TABLES[REJECTED], day)
        if sum(rows) + whole.left_out != whole.received:
            raise Wrong(f"{day}: {whole.received} rows received, accepted and rejected {rows}")


def published_files(store: SnapshotStore) -> dict[Place, bytes]:
    """The content of every published file of a store."""
    return {
        (name, day): path.read_bytes()
        for name, table in TABLES.items()
        if (store.root / name).is_dir()
        for day in store.days(table)
        if (path := store.path(table, day)).is_file()
    }


def _rows(table: str, found: pa.Table) -> list[Any]:
    rows = found.to_pylist()
    if table == RAW:
        names = ("customer_id", "transaction_id", "date", "amount", "product_id", "cancelled")
        return sorted(tuple(row[name] for name in names) for row in rows)
    if table == REJECTED:
        return sorted((row["file"], row["row"]) for row in rows)
    if table == RAW_CUSTOMERS:
        return sorted((row["customer_id"], row["loyalty_score"]) for row in rows)
    return sorted(rows, key=_key) if table == THRESHOLDS else list(rows)


def _key(row: dict[str, Any]) -> tuple[str, int]:
    return row["metric"], row["position"]


def _same(wanted: list[Any], found: list[Any]) -> bool:
    if not wanted or not isinstance(wanted[0], dict):
        return wanted == found
    return len(wanted) == len(found) and all(
        all(_equal(value, row[name]) for name, value in one.items() if name != "snapshot_date")
        for one, row in zip(wanted, found, strict=True)
    )


def _equal(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, float) and isinstance(found, float):
        return math.isclose(wanted, found, rel_tol=1e-12, abs_tol=1e-12)
    return bool(wanted == found)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _digest_of(path: Path) -> bytes | None:
    return _digest(path.read_bytes()) if path.is_file() else None


def _told(place: Place) -> str:
    return f"{place[0]} of {place[1]}"
