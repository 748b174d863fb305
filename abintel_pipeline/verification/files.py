"""Questions about rows of staged files, asked of all the days of a batch at once.

The answer is expected to be "none": one number for the batch. Only if it isn't are the rows looked
up, by day and with examples.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from abintel_pipeline.contract import Table
from abintel_pipeline.intake.reading import identifier
from abintel_pipeline.store import DAY_OF_FILE, Staged, file_literal
from abintel_pipeline.verification.constraints import Constraint, constraints

EXAMPLES = 3

Broken = dict[date, tuple[int, list[str]]]
"""{day: (rows that break a rule, the first of them as JSON)}; a day without any isn't in it."""


def files(paths: Sequence[Path]) -> str:
    """SQL of all rows of the files, with `filename` and `file_row_number` (from 0)."""
    listed = ", ".join(map(file_literal, paths))
    return f"read_parquet([{listed}], hive_partitioning=false, filename=true, file_row_number=true)"


def broken_constraints(
    connection: duckdb.DuckDBPyConnection, table: Table, staged: Sequence[Staged]
) -> dict[str, Broken]:
    """{constraint of the table's model: the rows that break it}."""
    paths = [one.path for one in staged]
    source = files(paths)
    rules = _not_proved(table, paths)
    if not rules:
        return {}
    counts = ", ".join(_count(rule, source) for rule in rules)
    rows = f" FROM {source}" if not all(rule.of_text for rule in rules) else ""
    totals = _one(connection, f"SELECT {counts}{rows}")
    columns = [name for name in table.schema.names if name != table.partition_column]
    return {
        rule.name: located(connection, source, _broken(rule), columns)
        for rule, total in zip(rules, totals, strict=True)
        if total
    }


def _not_proved(table: Table, paths: Sequence[Path]) -> list[Constraint]:
    """The table's constraints that the files' footers don't prove."""
    groups = [
        footer.row_group(number)
        for footer in map(pq.read_metadata, paths)
        for number in range(footer.num_row_groups)
    ]
    columns = [name for name in table.schema.names if name != table.partition_column]
    known = {
        name: [group.column(place).statistics for group in groups]
        for place, name in enumerate(columns)
    }
    return [
        rule
        for rule in constraints(table)
        if not all(one is not None and rule.proof(one) for one in known[rule.column])
    ]


def _broken(rule: Constraint) -> str:
    return f"NOT coalesce({rule.condition}, false)"


def _count(rule: Constraint, source: str) -> str:
    """How many rows break a rule. A text is looked at once, however many rows have it."""
    if not rule.of_text:
        return f"count_if({_broken(rule)})"
    column = identifier(rule.column)
    texts = f"SELECT {column}, count(*) AS rows FROM {source} GROUP BY {column}"
    # Not WHERE, which DuckDB asks of each row before it groups them.
    return f"(SELECT coalesce(sum(rows) FILTER ({_broken(rule)}), 0) FROM ({texts}))"


def out_of_order(
    connection: duckdb.DuckDBPyConnection,
    staged: Sequence[Staged],
    others: Sequence[Sequence[Path]],
    column: str,
) -> tuple[Broken, list[set[date]]]:
    """Rows whose value isn't above that of the row before, and where other files have another.

    A column that only rises holds every value once, which costs less to see than to count. The rows
    have to come as they stand in the files: were they ever not to, every such row counts too.

    `others` are files for the same days, as many rows in each; the answer has, for each of them,
    the days on which a row's value isn't that of the same row there.
    """
    name = identifier(column)
    mine = files([one.path for one in staged])
    rows = (
        f"(SELECT filename, file_row_number, {name}, lag({name}) OVER () AS before,"
        f" lag(file_row_number) OVER () AS previous FROM {mine})"
    )
    for place, paths in enumerate(others):
        rows += f" POSITIONAL JOIN (SELECT {name} AS other_{place} FROM {files(paths)})"
    rises = f"{name} > before AND file_row_number = previous + 1"
    wrong = [f"file_row_number > 0 AND NOT coalesce({rises}, false)"]
    wrong += [f"{name} IS DISTINCT FROM other_{place}" for place in range(len(others))]
    counts = ", ".join(f"count_if({condition})" for condition in wrong)
    totals = _one(connection, f"SELECT {counts} FROM {rows}")
    found = [
        located(connection, rows, condition, [column]) if total else {}
        for condition, total in zip(wrong, totals, strict=True)
    ]
    return found[0], [set(other) for other in found[1:]]


def only_in_one(
    connection: duckdb.DuckDBPyConnection, one: Staged, path: Path, named: str, column: str
) -> list[str]:
    """Sentences about values that only the staged file or only the other has."""
    told = []
    name = identifier(column)
    sides = ((one.path, path, one.table.name), (path, one.path, named))
    for mine, theirs, table in sides:
        count, examples = _one(
            connection,
            f"SELECT count(*), min(value, {EXAMPLES}) FROM (SELECT {name} AS value"
            f" FROM {files([mine])} EXCEPT SELECT {name} FROM {files([theirs])})",
        )
        if count:
            told.append(f"{count:,} are in {table} only, such as {', '.join(examples)}")
    return told


def located(
    connection: duckdb.DuckDBPyConnection, source: str, wrong: str, columns: list[str]
) -> Broken:
    """The rows of `files` for which a condition holds, by day."""
    shown = ", ".join(f"{identifier(name)} := {identifier(name)}" for name in columns)
    found = connection.execute(
        f"SELECT {DAY_OF_FILE} AS day, count(*),"
        f" min_by(to_json(struct_pack({shown}))::VARCHAR, file_row_number, {EXAMPLES})"
        f" FROM {source} WHERE {wrong} GROUP BY day"
    ).fetchall()
    return {day: (count, examples) for day, count, examples in found}


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row
