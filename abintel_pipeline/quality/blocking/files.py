"""Questions about rows of staged files, asked of all the days of a batch at once.

The answer is expected to be "none": one number for the batch. Only if it isn't are the rows looked
up, by day and with examples.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from abintel_pipeline.contract import Table
from abintel_pipeline.engine.connection import Cursor
from abintel_pipeline.engine.sql import file_literal, identifier
from abintel_pipeline.quality.blocking.constraints import Constraint, not_proved
from abintel_pipeline.store.snapshot_store import DAY_OF_FILE, Staged

EXAMPLES = 3

Broken = dict[date, tuple[int, list[str]]]
"""{day: (rows that break a rule, the first of them as JSON)}; a day without any isn't in it."""


def files(paths: Sequence[Path]) -> str:
    """SQL of all rows of the files, with `filename` and `file_row_number` (from 0)."""
    listed = ", ".join(map(file_literal, paths))
    return f"read_parquet([{listed}], hive_partitioning=false, filename=true, file_row_number=true)"


def broken_constraints(
    connection: Cursor, table: Table, staged: Sequence[Staged]
) -> dict[str, Broken]:
    """{constraint of the table's model: the rows that break it}."""
    paths = [one.path for one in staged]
    source = files(paths)
    rules = not_proved(table, [group for path in paths for group in _row_groups(path)])
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


def _row_groups(path: Path) -> Iterator[dict[str, pq.ColumnChunkMetaData]]:
    """{column: its part} of each row group, by the file's footer."""
    footer = pq.read_metadata(path)
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        parts = map(group.column, range(group.num_columns))
        yield {part.path_in_schema: part for part in parts}


def same_column(one: Path, other: Path, name: str) -> bool:
    """Whether a column stands in two files byte by byte the same; its values may be so even if not.

    Files of the store are written alike, so that equal values in equal places are equal bytes:
    to compare those costs a thirtieth of reading the values.
    """
    parts = [[group[name] for group in _row_groups(path) if name in group] for path in (one, other)]
    if list(map(_layout, parts[0])) != list(map(_layout, parts[1])):
        return False
    with one.open("rb") as mine, other.open("rb") as theirs:
        return all(_bytes(mine, a) == _bytes(theirs, b) for a, b in zip(*parts, strict=True))


def _layout(part: pq.ColumnChunkMetaData) -> tuple[object, ...]:
    """What tells how a part's bytes are to be read."""
    return (
        part.num_values,
        part.physical_type,
        part.compression,
        part.encodings,
        part.has_dictionary_page,
        part.total_compressed_size,
    )


def _bytes(file: BinaryIO, part: pq.ColumnChunkMetaData) -> bytes:
    start = part.dictionary_page_offset if part.has_dictionary_page else part.data_page_offset
    file.seek(start)
    return file.read(part.total_compressed_size)


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


def out_of_order(connection: Cursor, staged: Sequence[Staged], column: str) -> Broken:
    """Rows whose value isn't above that of the row before.

    A column that only rises holds every value once, which costs less to see than to count. The rows
    have to come as they stand in the files: were they ever not to, every such row counts too.
    """
    name = identifier(column)
    rows = (
        f"(SELECT filename, file_row_number, {name}, lag({name}) OVER () AS before,"
        f" lag(file_row_number) OVER () AS previous FROM {files([one.path for one in staged])})"
    )
    rises = f"{name} > before AND file_row_number = previous + 1"
    wrong = f"file_row_number > 0 AND NOT coalesce({rises}, false)"
    (total,) = _one(connection, f"SELECT count_if({wrong}) FROM {rows}")
    return located(connection, rows, wrong, [column]) if total else {}


def differences(connection: Cursor, one: Staged, path: Path, named: str, column: str) -> list[str]:
    """Sentences about a column that isn't row by row the same in the staged file and in another."""
    if same_column(one.path, path, column):
        return []
    name, own = identifier(column), one.table.name
    unlike, *_ = _one(
        connection,
        f"SELECT count_if(mine.{name} IS DISTINCT FROM theirs.{name}) FROM {files([one.path])} mine"
        f" POSITIONAL JOIN {files([path])} theirs",
    )
    if not unlike:
        return []
    told = []
    sides = ((one.path, path, own, named), (path, one.path, named, own))
    for mine, theirs, table, lacking in sides:
        count, examples = _one(
            connection,
            f"SELECT count(*), min(coalesce(value, 'null'), {EXAMPLES}) FROM (SELECT {name} AS"
            f" value FROM {files([mine])} EXCEPT SELECT {name} FROM {files([theirs])})",
        )
        if count:
            told.append(
                f"{count:,} are in {table}, not in {lacking}, such as {', '.join(examples)}"
            )
    return told or [f"{unlike:,} rows stand elsewhere in {named}"]


def located(connection: Cursor, source: str, wrong: str, columns: list[str]) -> Broken:
    """The rows of `files` for which a condition holds, by day."""
    shown = ", ".join(f"{identifier(name)} := {identifier(name)}" for name in columns)
    found = connection.execute(
        f"SELECT {DAY_OF_FILE} AS day, count(*),"
        f" min_by(to_json(struct_pack({shown}))::VARCHAR, file_row_number, {EXAMPLES})"
        f" FROM {source} WHERE {wrong} GROUP BY day"
    ).fetchall()
    return {day: (count, examples) for day, count, examples in found}


def _one(connection: Cursor, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row
