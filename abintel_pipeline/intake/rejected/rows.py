"""What becomes of refused rows: the rejected table, the counts of reasons, and the cap."""

from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq

from abintel_pipeline.engine.parquet import copy_to_parquet
from abintel_pipeline.engine.sql_text import Names, file_literal, quoted
from abintel_pipeline.intake.errors import TooManyRefused
from abintel_pipeline.intake.rejected.advice import advice
from abintel_pipeline.intake.rejected.deliveries import (
    RefusedDelivery,
    by_reason,
    commonest,
    write_counts,
)
from abintel_pipeline.intake.rejected.row_counts import LEFT_OUT_KEY
from abintel_pipeline.intake.rejected.verdicts import WHOLE_ROW, Verdicts
from abintel_pipeline.intake.staging import Part, Reading
from abintel_pipeline.intake.texts.screening import problem
from abintel_pipeline.store.snapshot_store import file_metadata

COMMONEST = 5
_SHOWN = 300


def write_refused(reading: Reading, parts: list[Part], verdicts: Verdicts) -> tuple[Path, int]:
    """The delivery's refused rows as a file of the rejected table: its path and row count."""
    selects = [_refused_lines(part) for part in parts if part.refused_rows and part.refused]
    for number, part in enumerate(parts):
        if verdicts.refused(number):
            selects.append(_refused_rows(reading, part, number, verdicts))
    nothing = (
        "SELECT NULL::VARCHAR AS file, NULL::BIGINT AS row, NULL::VARCHAR[] AS reasons,"
        " NULL::VARCHAR AS raw WHERE false"
    )
    path = reading.folder / f"{reading.table.rejected.name}-{reading.day}.parquet"
    rows = f"SELECT * FROM ({' UNION ALL '.join(selects or [nothing])}) ORDER BY file, row"
    metadata = file_metadata(reading.table.rejected, reading.settings.rules)
    if left_out := sum(part.typed.left_out for part in parts):
        metadata[LEFT_OUT_KEY] = str(left_out)
    copy_to_parquet(reading.duckdb, rows, path, metadata)
    return path, int(pq.read_metadata(path).num_rows)


def _refused_lines(part: Part) -> str:
    assert part.refused is not None
    return (
        f"SELECT {quoted(part.name)} AS file, row, reasons, raw"
        f" FROM read_parquet({file_literal(part.refused)})"
    )


def _refused_rows(reading: Reading, part: Part, number: int, verdicts: Verdicts) -> str:
    """Rows refused for their values: each verdict, with the cause in place of `missing`.

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


def count_reasons(reading: Reading, refused: Path) -> dict[str, int]:
    """{reason: rows} of a rejected file, commonest first. Places are counted as one: `[]`."""
    found = reading.duckdb.execute(
        f"SELECT reason, count(*) FROM ({by_reason(refused)}) GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    return dict(found)


def check_share(reading: Reading, received: int, refused: int, rows: Path) -> None:
    """Raises TooManyRefused when more was refused than `max_refused_share` allows.

    Compared as the decimal that was set: as a binary number 0.29 of 100 rows is less than 29.
    """
    cap = Decimal(str(reading.settings.max_refused_share))
    if refused <= cap * received:
        return
    delivery = RefusedDelivery(
        reading.table.rejected,
        reading.day,
        received,
        refused,
        cap,
        commonest(reading.duckdb, rows),
        rows,
    )
    metadata = file_metadata(delivery.table, reading.settings.rules)
    write_counts(reading.duckdb, delivery, metadata)
    raise TooManyRefused(_told(delivery, reading.settings.landing), delivery)


def _told(delivery: RefusedDelivery, landing: Path) -> str:
    reasons = [
        f"  {reason.rows:,} times {reason.name}, as {first.file}, row {first.row}:"
        f" {first.raw[:_SHOWN]}"
        for reason in delivery.reasons[:COMMONEST]
        for first in reason.examples[:1]
    ]
    helps = [f"  {one}" for one in advice(delivery, landing)]
    return "\n".join(
        [
            f"{delivery}. Nothing was published. The commonest reasons:",
            *reasons,
            f"All of them: abintel rejected {delivery.day}. What may help:",
            *helps,
        ]
    )
