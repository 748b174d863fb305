"""Takes in one day's delivery of a request table: good rows go through, the others are named."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

from ibis.backends.duckdb import Backend

from abintel_pipeline.contract import Table
from abintel_pipeline.engine.connection import BROKEN, reopen_if_broken
from abintel_pipeline.engine.sql import file_literal
from abintel_pipeline.intake.accepted import write_accepted
from abintel_pipeline.intake.csv.reader import read_csv
from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.json.lines import read_json_lines
from abintel_pipeline.intake.json.request_documents import read_request
from abintel_pipeline.intake.landing import Source, day_sources, delivered
from abintel_pipeline.intake.parquet.reader import read_parquet
from abintel_pipeline.intake.rejected import advice
from abintel_pipeline.intake.rejected.files import (
    TooManyRejected,
    count_reasons,
    over_cap,
    write_rejected,
)
from abintel_pipeline.intake.rejected.verdicts import Verdicts, typed_rows
from abintel_pipeline.intake.request_tables import CUSTOMERS, TRANSACTIONS
from abintel_pipeline.intake.sql import read_sql
from abintel_pipeline.intake.staging import Part, Reading
from abintel_pipeline.intake.texts.screening import LEFT_OUT
from abintel_pipeline.intake.xlsx import read_xlsx
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import Staged

MOST_LEFT_OUT = 20
"""Kinds of rows left out that are named; a column of free text has any number."""


@dataclass(frozen=True)
class Intake:
    """What one day's delivery of one request table came to.

    received = accepted + rejected + left_out, as is verified before anything is published. `late`
    counts accepted lines whose date is before the day (0 for customers). `reasons` counts rejected
    rows by reason, commonest first; a row with two reasons counts in both. `left_out_by` counts
    the rows that the settings leave out, by `column: value`. `ids_changed` are ids that were
    trimmed, composed or turned from floats into digits. `returns` and `returned` are the accepted
    lines below 0 and their sum. `rejected_rows` is always written, with no rows when none were
    rejected.
    """

    day: date
    files: tuple[str, ...]
    received: int
    accepted: int
    rejected: int
    left_out: int
    late: int
    reasons: dict[str, int]
    left_out_by: dict[str, int]
    ids_changed: int
    returns: int
    returned: Decimal
    accepted_rows: Staged
    rejected_rows: Staged


def take_in_transactions(
    connection: Backend, settings: Settings, day: date, folder: Path
) -> Intake | None:
    """One day's transaction lines, screened into files in `folder`; None: no delivery for the day.

    `folder` is a private staging folder on the store's file system. Publishing is the caller's.
    Raises DeliveryError when a source can't be read as a table, TooManyRejected above the cap.
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
    "xlsx": read_xlsx,
    "request": read_request,
    "sql": lambda reading, _: read_sql(reading),
}


def _take_in(reading: Reading) -> Intake | None:
    try:
        sources = day_sources(reading.settings, reading.day, reading.table)
        reading = replace(reading, made_from={"deliveries": [delivered(one) for one in sources]})
        read = (_read(reading, source) for source in sources)
        parts = [part for part in read if part is not None]
        if not parts:
            return None
        with _blaming(reading, *(part.name for part in parts)):  # rejected rows are read again
            return _screen(reading, parts)
    finally:
        reading.clear()


def _read(reading: Reading, source: Source) -> Part | None:
    """One source as a part. Raises DeliveryError, too, when it brings down what reads it."""
    with _blaming(reading, source.name):
        return READERS[source.format](reading, source)


@contextmanager
def _blaming(reading: Reading, *names: str) -> Iterator[None]:
    """An error of the engine itself becomes a DeliveryError that names the files being read.

    Then the engine is opened anew: the next day's files are no less readable.
    """
    try:
        yield
    except (*BROKEN, UnicodeError, OverflowError) as error:
        reopen_if_broken(reading.connection)
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise DeliveryError(
            f"{', '.join(names)}: can't be read, it is damaged ({first}): deliver it again"
        ) from None


def _screen(reading: Reading, parts: list[Part]) -> Intake:
    verdicts = Verdicts(reading)
    verdicts.judge(parts)
    with ThreadPoolExecutor(1) as pool:
        # The accepted rows are written while the rejected ones are found in their files.
        writing = pool.submit(write_accepted, reading, parts, verdicts.ordinals(len(parts)))
        rejected_path, rejected = write_rejected(reading, parts, verdicts)
        accepted_path, accepted = writing.result()
    received = sum(part.received for part in parts)
    if over := over_cap(reading, received, rejected, rejected_path):
        raise TooManyRejected(advice.told(over, reading.settings.landing), over)
    returns, returned = _returns(reading, accepted_path)

    def staged(table: Table, path: Path, rows: int) -> Staged:
        return Staged(table, reading.day, path, rows)

    return Intake(
        reading.day,
        tuple(part.name for part in parts),
        received,
        accepted,
        rejected,
        sum(part.typed.left_out for part in parts),
        _late(reading, accepted_path),
        count_reasons(reading, rejected_path),
        _left_out_by(reading, parts),
        sum(part.typed.ids_changed for part in parts),
        returns,
        returned,
        staged(reading.table.raw, accepted_path, accepted),
        staged(reading.table.rejected, rejected_path, rejected),
    )


def _late(reading: Reading, accepted: Path) -> int:
    if reading.table is not TRANSACTIONS:
        return 0
    found = reading.duckdb.execute(
        f"SELECT count(*) FROM read_parquet({file_literal(accepted)}) WHERE date < ?", [reading.day]
    ).fetchone()
    return int(found[0]) if found else 0


def _returns(reading: Reading, accepted: Path) -> tuple[int, Decimal]:
    """How many accepted lines are below 0, and their sum."""
    if reading.table is not TRANSACTIONS or reading.settings.returns == "refuse":
        return 0, Decimal(0)
    found = reading.duckdb.execute(
        "SELECT count(*), coalesce(sum(amount), 0)"
        f" FROM read_parquet({file_literal(accepted)}) WHERE amount < 0 AND NOT cancelled"
    ).fetchone()
    return (int(found[0]), Decimal(found[1])) if found else (0, Decimal(0))


def _left_out_by(reading: Reading, parts: list[Part]) -> dict[str, int]:
    """{column: value} of the rows left out, commonest first, at most MOST_LEFT_OUT of them."""
    rows = [f"SELECT {LEFT_OUT} FROM {typed_rows(p)}" for p in parts if p.typed.left_out]
    if not rows:
        return {}
    found = reading.duckdb.execute(
        f"SELECT {LEFT_OUT}, count(*) FROM ({' UNION ALL '.join(rows)})"
        f" WHERE {LEFT_OUT} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_LEFT_OUT}"
    ).fetchall()
    return dict(found)
