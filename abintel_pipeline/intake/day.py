"""Takes in one day's delivery of a request table: good rows go through, the others are named."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ibis.backends.duckdb import Backend

from abintel_pipeline.contract import Table
from abintel_pipeline.intake.csv_files import read_csv
from abintel_pipeline.intake.json_lines import read_json_lines
from abintel_pipeline.intake.parquet_files import read_parquet
from abintel_pipeline.intake.reading import Part, Reading, identifier
from abintel_pipeline.intake.refusals import check_share, count_reasons, write_refused
from abintel_pipeline.intake.request_documents import read_request
from abintel_pipeline.intake.request_tables import CUSTOMERS, TRANSACTIONS
from abintel_pipeline.intake.sources import Source, day_sources
from abintel_pipeline.intake.sql import read_sql
from abintel_pipeline.intake.verdicts import Verdicts
from abintel_pipeline.settings import Settings
from abintel_pipeline.store import Staged, file_literal


@dataclass(frozen=True)
class Intake:
    """What one day's delivery of one request table came to.

    received = accepted + refused, as is verified before anything is published. `late` counts
    accepted lines whose date is before the day (0 for customers). `reasons` counts refused rows by
    reason, commonest first; a row with two reasons counts in both. `refused_rows` is always
    written, with no rows when none were refused.
    """

    day: date
    files: tuple[str, ...]
    received: int
    accepted: int
    refused: int
    late: int
    reasons: dict[str, int]
    accepted_rows: Staged
    refused_rows: Staged


def take_in_transactions(
    connection: Backend, settings: Settings, day: date, folder: Path
) -> Intake | None:
    """One day's transaction lines, screened into files in `folder`; None: no delivery for the day.

    `folder` is a private staging folder on the store's file system. Publishing is the caller's.
    Raises DeliveryError when a source can't be read as a table, TooManyRefused above the cap.
    """
    return _take_in(Reading(connection, settings, TRANSACTIONS, day, folder))


def take_in_customers(
    connection: Backend, settings: Settings, day: date, folder: Path
) -> Intake | None:
    """One day's customers (loyalty metadata), as `take_in_transactions`."""
    return _take_in(Reading(connection, settings, CUSTOMERS, day, folder))


READERS: dict[str, Callable[[Reading, Source], Part | None]] = {
    "csv": read_csv,
    "csv.gz": read_csv,
    "parquet": read_parquet,
    "jsonl": read_json_lines,
    "request": read_request,
    "sql": lambda reading, _: read_sql(reading),
}


def _take_in(reading: Reading) -> Intake | None:
    try:
        sources = day_sources(reading.settings, reading.day, reading.table)
        read = (READERS[source.format](reading, source) for source in sources)
        parts = [part for part in read if part is not None]
        return _screen(reading, parts) if parts else None
    finally:
        reading.clear()


def _screen(reading: Reading, parts: list[Part]) -> Intake:
    verdicts = Verdicts(reading)
    verdicts.judge(parts)
    refused_path, refused = write_refused(reading, parts, verdicts)
    received = sum(part.rows + part.refused_rows for part in parts)
    check_share(reading, received, refused, refused_path)
    accepted_path, accepted = _write_accepted(reading, parts, verdicts)

    def staged(table: Table, path: Path, rows: int) -> Staged:
        return Staged(table, reading.day, path, rows)

    return Intake(
        reading.day,
        tuple(part.name for part in parts),
        received,
        accepted,
        refused,
        _late(reading, accepted_path),
        count_reasons(reading, refused_path),
        staged(reading.table.raw, accepted_path, accepted),
        staged(reading.table.rejected, refused_path, refused),
    )


def _write_accepted(reading: Reading, parts: list[Part], verdicts: Verdicts) -> tuple[Path, int]:
    """The accepted rows in the delivery's order: the staged file itself where nothing is to change.

    Ordered, because a join doesn't keep the order, and because a copy without ORDER BY cuts its row
    groups where its threads happen to meet.
    """
    path = reading.folder / f"{reading.table.raw.name}-{reading.day}.parquet"
    if len(parts) == 1 and parts[0].even and not verdicts.refused(0):
        parts[0].typed.rename(path)
        return path, parts[0].rows
    rows = " UNION ALL ".join(
        f"SELECT {number} AS part, file_row_number AS ordinal, *"
        f" FROM read_parquet({file_literal(part.typed)}, file_row_number=true)"
        for number, part in enumerate(parts)
    )
    columns = ", ".join(map(identifier, reading.table.columns))
    query = (
        f"SELECT {columns} FROM ({rows}) ANTI JOIN {verdicts.table} USING (part, ordinal)"
        " ORDER BY part, ordinal"
    )
    return path, reading.write(query, path)


def _late(reading: Reading, accepted: Path) -> int:
    if reading.table is not TRANSACTIONS:
        return 0
    found = reading.duckdb.execute(
        f"SELECT count(*) FROM read_parquet({file_literal(accepted)}) WHERE date < ?", [reading.day]
    ).fetchone()
    return int(found[0]) if found else 0
