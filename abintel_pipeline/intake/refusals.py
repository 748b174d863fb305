"""What becomes of refused rows: the rejected table, the counts of reasons, and the cap."""

from decimal import Decimal
from pathlib import Path

from abintel_pipeline.intake.errors import TooManyRefused
from abintel_pipeline.intake.reading import Part, Reading
from abintel_pipeline.intake.screening import problem
from abintel_pipeline.intake.sql_text import quoted
from abintel_pipeline.intake.verdicts import WHOLE_ROW, Verdicts
from abintel_pipeline.store import file_literal

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
    rows = " UNION ALL ".join(selects or [nothing])
    return path, reading.write(f"SELECT * FROM ({rows}) ORDER BY file, row", path, rejected=True)


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
    causes = " ".join(
        f"WHEN {quoted(c)} THEN {problem(reading.columns, c, 'located')}" for c in table.columns
    )
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
                coalesce(problems[v."column"], CASE v."column" {causes} END, v.reason) AS reason,
                CASE v."column" {order} ELSE {len(table.columns)} END AS nth
            FROM {verdicts.table} AS v JOIN ({part.located(verdicts.of(number))}) AS located
                USING (ordinal)
            WHERE v.part = {number}
        )
        GROUP BY ordinal"""


def count_reasons(reading: Reading, refused: Path) -> dict[str, int]:
    """{reason: rows} of a rejected file, commonest first. Places are counted as one: `[]`."""
    found = reading.duckdb.execute(
        f"SELECT reason, count(*) FROM ({_by_reason(refused)}) GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    return dict(found)


def check_share(reading: Reading, received: int, refused: int, rows: Path) -> None:
    """Raises TooManyRefused when more was refused than `max_refused_share` allows.

    Compared as the decimal that was set: as a binary number 0.29 of 100 rows is less than 29.
    """
    cap = reading.settings.max_refused_share
    if refused <= Decimal(str(cap)) * received:
        return
    examples = reading.duckdb.execute(
        f"SELECT reason, count(*), min_by(file, (file, row)), min_by(row, (file, row)),"
        f" min_by(raw, (file, row)) FROM ({_by_reason(rows)})"
        f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {COMMONEST}"
    ).fetchall()
    lines = "".join(
        f"\n  {count:,} times {reason}, as {file}, row {row}: {raw[:_SHOWN]}"
        for reason, count, file, row, raw in examples
    )
    raise TooManyRefused(
        f"{reading.table.folder} of {reading.day}: {refused:,} of {received:,} rows refused"
        f" ({refused / received:.1%}), more than ABINTEL_MAX_REFUSED_SHARE allows ({cap:.1%})."
        f" Nothing was published. The commonest reasons:{lines}"
    )


def _by_reason(rows: Path) -> str:
    reason = (
        r"regexp_replace(regexp_replace(unnest(reasons), '\[\d+\]', '[]', 'g'), ' \(column .*', '')"
    )
    return f"SELECT {reason} AS reason, file, row, raw FROM read_parquet({file_literal(rows)})"
