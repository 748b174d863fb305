"""A warning about lines that stand more than once in one delivery: an export written twice."""

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from abintel_pipeline.contract import RAW_TRANSACTIONS
from abintel_pipeline.contract.findings import Finding, warning
from abintel_pipeline.engine.connection import native
from abintel_pipeline.engine.sql import file_literal, identifier
from abintel_pipeline.store.snapshot_store import DAY_OF_FILE
from abintel_pipeline.store.step_context import StepContext

COLUMNS = [
    identifier(name)
    for name in RAW_TRANSACTIONS.schema.names
    if name != RAW_TRANSACTIONS.partition_column
]


def repeated_lines(context: StepContext, days: list[date]) -> list[Finding]:
    """`repeated_lines`: accepted lines that are exact copies of one before them, per day."""
    known = copies(context, days)
    return [_repeated_lines(context, day, known.get(day, 0)) for day in days]


def _repeated_lines(context: StepContext, day: date, repeated: int) -> Finding:
    limit, name = context.settings.warn_repeated_share, RAW_TRANSACTIONS.name
    there = context.store.path(RAW_TRANSACTIONS, day).is_file()
    lines = context.store.rows(RAW_TRANSACTIONS, day) if there else 0
    share = repeated / lines if lines else 0.0
    sentence = (
        f"{repeated:,} of {lines:,} accepted lines are exact copies of another, {share:.2%}; up to"
        f" {limit:.2%} is usual"
    )
    if share > limit:
        sentence += (
            ". It looks like an export written twice: deliver it again, or let"
            " ABINTEL_REPEATED_LINES=refuse keep the first of each"
        )
    numbers = {"copies": repeated, "share": share, "limit": limit}
    return warning(name, day, "repeated_lines", share <= limit, sentence, **numbers)


def copies(context: StepContext, days: list[date]) -> dict[date, int]:
    """{day: lines that are copies of one before them}, by one query whatever the number of days.

    A hash of each line picks candidates, and only they are compared: where no line stands twice,
    that is one look at every line. Days without any aren't in it.
    """
    paths = [context.store.path(RAW_TRANSACTIONS, day) for day in days]
    listed = ", ".join(file_literal(path) for path in paths if _may_repeat(path))
    if not listed:
        return {}
    names = ", ".join(COLUMNS)
    rows = (
        f"(SELECT {names}, filename, hash(filename, {names}) AS h FROM read_parquet([{listed}],"
        " hive_partitioning=false, filename=true, union_by_name=true))"
    )
    counted = native(context.connection).execute(
        f"SELECT {DAY_OF_FILE}, sum(times - 1) FROM (SELECT filename, count(*) AS times"
        f" FROM {rows} WHERE h IN (SELECT h FROM {rows} GROUP BY h HAVING count(*) > 1)"
        f" GROUP BY filename, {names} HAVING count(*) > 1) GROUP BY 1"
    )
    return {day: int(count) for day, count in counted.fetchall()}


def _may_repeat(path: Path) -> bool:
    """Whether a file can hold a line twice: not where every line has a number of its own.

    Nor where lines had no place for one: such files are of a time when copies were rejected.
    """
    if not path.is_file():
        return False
    footer = pq.read_metadata(path)
    place = footer.schema.to_arrow_schema().get_field_index("line_id")
    groups = (footer.row_group(n).column(place).statistics for n in range(footer.num_row_groups))
    return place >= 0 and any(one is None or one.null_count != 0 for one in groups)
