"""The file of a delivery's rejected rows: how it is written, and what is read from it.

Where too many rows are rejected nothing is published, and the file is kept beside what is:

    <store>/.rejected/rejected_transactions/delivered_on=YYYY-MM-DD/data.parquet

The next attempt replaces it; it goes when the day's delivery is taken in.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from abintel_pipeline.contract import REJECTED_OF, Table
from abintel_pipeline.engine.sql import Names, copy_to_parquet, file_literal, quoted
from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.rejected.verdicts import WHOLE_ROW, Verdicts
from abintel_pipeline.intake.staging import Part, Reading
from abintel_pipeline.intake.texts.screening import problem
from abintel_pipeline.store.proofs import read_footer
from abintel_pipeline.store.snapshot_store import SnapshotStore, Staged

FOLDER = ".rejected"
REJECTED = tuple(REJECTED_OF.values())
LEFT_OUT_KEY = "abintel_left_out"
"""Metadata of a rejected file whose delivery had rows that the settings leave out: how many."""

SAMPLES = 20
"""Rows of each reason that are looked at for what may help."""
MOST_REASONS = 10
MOST_LETTERS = 2000
"""Of a row that is an example; a line without an end may be megabytes long."""
_COUNTS = ("abintel_received", "abintel_rejected", "abintel_cap")


def write_rejected(reading: Reading, parts: list[Part], verdicts: Verdicts) -> tuple[Path, int]:
    """The delivery's rejected rows as a file of the rejected table: its path and row count."""
    selects = [_rejected_lines(part) for part in parts if part.rejected_rows and part.rejected]
    for number, part in enumerate(parts):
        if verdicts.rejected(number):
            selects.append(_rejected_rows(reading, part, number, verdicts))
    nothing = (
        "SELECT NULL::VARCHAR AS file, NULL::BIGINT AS row, NULL::VARCHAR[] AS reasons,"
        " NULL::VARCHAR AS raw WHERE false"
    )
    path = reading.folder / f"{reading.table.rejected.name}-{reading.day}.parquet"
    rows = f"SELECT * FROM ({' UNION ALL '.join(selects or [nothing])}) ORDER BY file, row"
    metadata = reading.metadata(reading.table.rejected)
    if left_out := sum(part.typed.left_out for part in parts):
        metadata[LEFT_OUT_KEY] = str(left_out)
    copy_to_parquet(reading.duckdb, rows, path, metadata)
    return path, int(pq.read_metadata(path).num_rows)


def _rejected_lines(part: Part) -> str:
    assert part.rejected is not None
    return (
        f"SELECT {quoted(part.name)} AS file, row, reasons, raw"
        f" FROM read_parquet({file_literal(part.rejected)})"
    )


def _rejected_rows(reading: Reading, part: Part, number: int, verdicts: Verdicts) -> str:
    """Rows rejected for their values: each verdict, with the cause in place of `missing`.

    Where a text can't become its type the typed value is null and the model says `missing`; what
    the reader or screening says about the same cell is the truth.
    """
    table = reading.table
    names = Names()
    causes = [f"WHEN {quoted(c)} THEN {problem(reading.columns, c, names)}" for c in table.columns]
    cause = f'CASE v."column" {" ".join(causes)} END'
    located = names.below(part.located(verdicts.of(number)))
    label = quoted(table.identity_label)
    order = " ".join(f"WHEN {quoted(c)} THEN {n}" for n, c in enumerate(table.columns))
    return f"""
        SELECT {quoted(part.name)} AS file, any_value(row) AS row,
            list(DISTINCT reason ORDER BY reason) AS reasons, any_value(raw) AS raw
        FROM (
            SELECT ordinal, located.row AS row, located.raw AS raw,
                CASE WHEN v."column" = {quoted(WHOLE_ROW)} THEN coalesce(place, {label})
                    WHEN v."column" = 'customer_id' AND owner IS NOT NULL
                        THEN owner || '.' || v."column"
                    ELSE coalesce(place || '.', '') || v."column" END || ': ' ||
                coalesce(problems[v."column"], {cause}, v.reason) AS reason,
                CASE v."column" {order} ELSE {len(table.columns)} END AS nth
            FROM {verdicts.table} AS v JOIN ({located}) AS located
                USING (ordinal)
            WHERE v.part = {number}
        )
        GROUP BY ordinal"""


# ── why rows are rejected ────────────────────────────────────────────────────


@dataclass(frozen=True)
class Example:
    """A rejected row: where it stood, and how it came."""

    file: str
    row: int
    raw: str


@dataclass(frozen=True)
class Reason:
    """A reason for which rows were rejected, how many were, and the first of them."""

    name: str
    rows: int
    examples: tuple[Example, ...]


def count_reasons(reading: Reading, rejected: Path) -> dict[str, int]:
    """{reason: rows} of a rejected file, commonest first. Places are counted as one: `[]`."""
    found = reading.duckdb.execute(
        f"SELECT reason, count(*) FROM ({_by_reason(rejected)}) GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    return dict(found)


def commonest(connection: duckdb.DuckDBPyConnection, rows: Path) -> tuple[Reason, ...]:
    """The commonest reasons in a rejected file. Places are counted as one: `[]`."""
    row = f"{{'file': file, 'row': row, 'raw': left(raw, {MOST_LETTERS})}}"
    found = connection.execute(
        f"SELECT reason, count(*), min_by({row}, (file, row), {SAMPLES}) FROM ({_by_reason(rows)})"
        f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_REASONS}"
    ).fetchall()
    return tuple(
        Reason(name, count, tuple(Example(**one) for one in examples))
        for name, count, examples in found
    )


def _by_reason(rows: Path) -> str:
    """SELECT of (reason, file, row, raw) from a rejected file."""
    reason = (
        r"regexp_replace(regexp_replace(unnest(reasons), '\[\d+\]', '[]', 'g'), ' \(column .*', '')"
    )
    return f"SELECT {reason} AS reason, file, row, raw FROM read_parquet({file_literal(rows)})"


# ── deliveries rejected as a whole ───────────────────────────────────────────


@dataclass(frozen=True)
class RejectedDelivery:
    """A delivery that was rejected as a whole; `reasons` are the commonest.

    `path` holds its rejected rows.
    """

    table: Table
    day: date
    received: int
    rejected: int
    cap: Decimal
    reasons: tuple[Reason, ...]
    path: Path

    @property
    def name(self) -> str:
        """What was delivered: transactions or customers."""
        return self.table.name.removeprefix("rejected_")

    @property
    def share(self) -> float:
        return self.rejected / self.received

    def __str__(self) -> str:
        return (
            f"{self.name} of {self.day}: {self.rejected:,} of {self.received:,} rows rejected"
            f" ({self.share:.1%}), more than ABINTEL_MAX_REJECTED_SHARE allows ({self.cap:.1%})"
        )

    @property
    def sufficient_cap(self) -> str:
        """The share that would have been allowed, rounded up: `ABINTEL_MAX_REJECTED_SHARE=0.07`."""
        return f"ABINTEL_MAX_REJECTED_SHARE={_rounded_up(self.rejected, self.received)}"


class TooManyRejected(DeliveryError):
    """More of a delivery was rejected than `max_rejected_share` allows; `delivery` tells of it."""

    def __init__(self, told: str, delivery: RejectedDelivery) -> None:
        self.delivery = delivery
        super().__init__(told)


class DeliveriesFailed(DeliveryError):
    """Some deliveries of a range couldn't be taken in; `failed` holds what each says."""

    def __init__(self, failed: Sequence[DeliveryError]) -> None:
        self.failed = tuple(failed)
        super().__init__("\n".join(map(str, failed)))

    @property
    def rejected(self) -> list[RejectedDelivery]:
        """Those that were read, and of which too many rows were rejected."""
        return [one.delivery for one in self.failed if isinstance(one, TooManyRejected)]


def _rounded_up(rejected: int, received: int) -> str:
    """A share of rows, rounded up to hundredths, or to one digit where it is smaller than those.

    >>> [_rounded_up(*rows) for rows in ((612, 10_000), (23, 10_000), (1, 2), (7, 7))]
    ['0.07', '0.003', '0.5', '1']
    """
    share = Decimal(rejected) / Decimal(received)
    step = Decimal(1).scaleb(min(-2, share.adjusted()))
    return f"{share.quantize(step, ROUND_CEILING).normalize():f}"


def over_cap(reading: Reading, received: int, rejected: int, rows: Path) -> RejectedDelivery | None:
    """The delivery, if more of it was rejected than `max_rejected_share` allows.

    Its counts are written into the metadata of its file of rejected rows. Compared as the decimal
    that was set: as a binary number 0.29 of 100 rows is less than 29.
    """
    cap = Decimal(str(reading.settings.max_rejected_share))
    if rejected <= cap * received:
        return None
    table, reasons = reading.table.rejected, commonest(reading.duckdb, rows)
    counts = dict(zip(_COUNTS, map(str, (received, rejected, cap)), strict=True))
    counted = rows.with_suffix(".counted")
    copy_to_parquet(
        reading.duckdb,
        f"SELECT * FROM read_parquet({file_literal(rows)})",
        counted,
        reading.metadata(table) | counts,
    )
    counted.replace(rows)
    return RejectedDelivery(table, reading.day, received, rejected, cap, reasons, rows)


def rejected_store(store: SnapshotStore) -> SnapshotStore:
    """Where the rejected rows are kept, laid out as what is published."""
    return SnapshotStore(store.root / FOLDER)


def keep(store: SnapshotStore, delivery: RejectedDelivery) -> RejectedDelivery:
    """The delivery, its rejected rows moved from the staging folder to where they are kept."""
    beside = rejected_store(store)
    beside.publish(Staged(delivery.table, delivery.day, delivery.path, delivery.rejected))
    return replace(delivery, path=beside.path(delivery.table, delivery.day))


def forget(store: SnapshotStore, rejected: Table, day: date) -> None:
    """Remove what is kept of a delivery that has been taken in."""
    place = rejected_store(store).path(rejected, day)
    place.unlink(missing_ok=True)
    with suppress(OSError):  # there was none, or another run keeps one
        place.parent.rmdir()


def kept(
    connection: duckdb.DuckDBPyConnection, store: SnapshotStore, day: date
) -> list[RejectedDelivery]:
    """The day's deliveries that were rejected as a whole since its tables were published."""
    return [
        _read(connection, table, day, place)
        for table in REJECTED
        if (place := rejected_store(store).path(table, day)).is_file()
        and _written(place) > _written(store.path(table, day))
    ]


def _read(
    connection: duckdb.DuckDBPyConnection, table: Table, day: date, place: Path
) -> RejectedDelivery:
    metadata = pq.read_metadata(place).metadata or {}
    received, rejected, cap = (metadata[name.encode()].decode() for name in _COUNTS)
    reasons = commonest(connection, place)
    return RejectedDelivery(table, day, int(received), int(rejected), Decimal(cap), reasons, place)


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


# ── what became of a published delivery's rows ───────────────────────────────


@dataclass(frozen=True)
class RowCounts:
    """Rows of one delivery or of several: accepted, rejected, left out by the settings."""

    accepted: int = 0
    rejected: int = 0
    left_out: int = 0

    @property
    def received(self) -> int:
        return self.accepted + self.rejected + self.left_out

    def __add__(self, other: "RowCounts") -> "RowCounts":
        return RowCounts(
            self.accepted + other.accepted,
            self.rejected + other.rejected,
            self.left_out + other.left_out,
        )


def row_counts(store: SnapshotStore, raw: Table, day: date) -> RowCounts | None:
    """The counts of a raw table's delivery of a day; None if nothing was taken in."""
    paths = [store.path(table, day) for table in (raw, REJECTED_OF[raw.name])]
    if not all(path.is_file() for path in paths):
        return None
    accepted, rejected = map(read_footer, paths)
    left_out = (rejected.metadata or {}).get(LEFT_OUT_KEY.encode(), b"0")
    return RowCounts(accepted.num_rows, rejected.num_rows, int(left_out))
