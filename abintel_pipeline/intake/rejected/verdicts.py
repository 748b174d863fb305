"""Which rows of a delivery are rejected, and why: what the reader found, what breaks the Pandera
model, and what stands twice. Kept in the engine, so that it may spill.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.parquet as pq
from pandera.errors import SchemaErrors

from abintel_pipeline.engine.sql import ROW_GROUP_SIZE, file_literal, identifier, quoted
from abintel_pipeline.intake.errors import IntakeBroken
from abintel_pipeline.intake.request_tables import CUSTOMERS, TRANSACTIONS
from abintel_pipeline.intake.staging import Numbers, Part, Reading
from abintel_pipeline.intake.texts.screening import LEFT_OUT, leaves_out

GROUPS_AT_ONCE = 4
"""Row groups per chunk: about 500,000 rows, the size at which 10 M rows took about a second."""

FEW = 0.2
"""Share of a chunk's rows below which the doubtful ones are validated apart."""

ORDINAL = "ordinal"
BREACHES = pa.schema([(ORDINAL, pa.int64()), ("column", pa.string()), ("reason", pa.string())])

WHOLE_ROW = ""
"""In place of a column: the verdict is on the row's identity."""


class Verdicts:
    """(part, ordinal, column, reason) of every breach; a row with none is accepted."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.table = f"verdicts_{reading.key}"
        self._execute(
            f"CREATE TEMP TABLE {self.table}"
            ' (part INTEGER, ordinal BIGINT, "column" VARCHAR, reason VARCHAR)'
        )

    def judge(self, parts: list[Part]) -> None:
        """Every verdict on a delivery: the reader's, the model's, and duplicates among the rest."""
        for number, part in enumerate(parts):
            if part.problems:
                self._execute(f"INSERT INTO {self.table} SELECT {number}, * FROM ({part.problems})")
            self._add(number, _breaches(self._reading, part))
            if part.typed.left_out:
                self._execute(self._acquittal(number, part))
        numbered = self._reading.columns.may_have("line_id")
        if self._reading.table is CUSTOMERS or self._rejects_repeated or numbered:
            self._add_repeated(parts)

    def of(self, number: int) -> str:
        """SELECT of a part's rejected ordinals."""
        return f"SELECT DISTINCT ordinal FROM {self.table} WHERE part = {number}"

    def rejected(self, number: int) -> int:
        """How many rows of a part are rejected."""
        return self._count(f"SELECT count(*) FROM ({self.of(number)})")

    def ordinals(self, parts: int) -> list[Numbers]:
        """The rejected ordinals of each part, in order."""
        found = []
        for number in range(parts):
            query = f"{self.of(number)} ORDER BY ordinal"
            rows = self._reading.duckdb.execute(query).fetchnumpy()
            found.append(np.asarray(rows["ordinal"], np.int64))
        return found

    @property
    def _rejects_repeated(self) -> bool:
        return self._reading.settings.repeated_lines == "refuse"

    def _acquittal(self, number: int, part: Part) -> str:
        """DELETE of what readers found in rows that are left out."""
        return (
            f"DELETE FROM {self.table} WHERE part = {number} AND ordinal IN"
            f" (SELECT ordinal FROM {typed_rows(part)} WHERE {LEFT_OUT} IS NOT NULL)"
        )

    def _add(self, number: int, found: Iterable[pa.Table]) -> None:
        name = f"breaches_{self._reading.key}"
        for table in found:
            if table.num_rows:
                self._reading.duckdb.register(name, table)
                self._execute(f"INSERT INTO {self.table} SELECT {number}, * FROM {name}")
                self._reading.duckdb.unregister(name)

    def _add_repeated(self, parts: list[Part]) -> None:
        """Rows whose identity stands twice in the delivery.

        Grouping 10 M rows by a hash of the identity takes 1.5 s, by the identity 2.3 s: so the hash
        picks candidates, and only they are compared.
        """
        table = self._reading.table
        identity = ", ".join(map(identifier, table.identity))
        hashes = " UNION ALL ".join(
            f"SELECT hash({identity}) AS h FROM {typed_rows(part)} {self._compared()}"
            for part in parts
        )
        suspects = f"suspects_{self._reading.key}"
        self._execute(
            f"CREATE TEMP TABLE {suspects} AS"
            f" SELECT h FROM ({hashes}) GROUP BY h HAVING count(*) > 1"
        )
        if self._count(f"SELECT count(*) FROM {suspects}"):
            self._execute(self._repeated(parts, suspects, identity))

    def _compared(self) -> str:
        """WHERE of rows no two of which may stand at one place: of lines those with a number."""
        conditions = ["true"]
        if leaves_out(self._reading.columns):
            conditions.append(f"{LEFT_OUT} IS NULL")
        if self._reading.table is TRANSACTIONS and not self._rejects_repeated:
            conditions.append("line_id IS NOT NULL")
        return f"WHERE {' AND '.join(conditions)}"

    def _repeated(self, parts: list[Part], suspects: str, identity: str) -> str:
        """INSERT of `duplicate` for copies behind the first, `conflict` where values differ."""
        values = ", ".join(self._reading.table.values)
        rows = " UNION ALL ".join(
            f"SELECT {number} AS part, ordinal, {identity}, hash({values}) AS value"
            f" FROM {typed_rows(part)} {self._compared()}"
            f" AND hash({identity}) IN (SELECT h FROM {suspects})"
            for number, part in enumerate(parts)
        )
        return f"""
            INSERT INTO {self.table}
            SELECT part, ordinal, {quoted(WHOLE_ROW)},
                CASE WHEN differing THEN 'conflict' ELSE 'duplicate' END
            FROM (
                SELECT part, ordinal,
                    row_number() OVER (PARTITION BY {identity} ORDER BY part, ordinal) AS nth,
                    count(*) OVER same AS times,
                    min(value) OVER same <> max(value) OVER same AS differing
                FROM ({rows}) ANTI JOIN {self.table} USING (part, ordinal)
                WINDOW same AS (PARTITION BY {identity})
            )
            WHERE times > 1 AND (differing OR nth > 1)"""

    def _execute(self, query: str) -> None:
        self._reading.duckdb.execute(query)

    def _count(self, query: str) -> int:
        found = self._reading.duckdb.execute(query).fetchone()
        return int(found[0]) if found else 0


def typed_rows(part: Part) -> str:
    """SQL of a part's typed rows, with `ordinal`."""
    file = file_literal(part.typed.path)
    return (
        f"(SELECT * RENAME (file_row_number AS ordinal)"
        f" FROM read_parquet({file}, file_row_number=true))"
    )


# ── what breaks the model, a chunk at a time ─────────────────────────────────


def _breaches(reading: Reading, part: Part) -> Iterator[pa.Table]:
    """(ordinal, column, reason) of every cell of a part that breaks the model, chunk by chunk.

    Pandera takes twice the time for a chunk in which any row breaks the model. So the rows that
    probably do, where they are few, are validated apart, those of many chunks together.
    """
    schema = reading.table.schema(reading.settings)
    threads = reading.settings.threads or os.cpu_count() or 1

    def judge(chunk: tuple[int, list[int]]) -> tuple[pa.Table, pa.Table]:
        rows, doubtful = _split(schema, _rows(reading, part, chunk))
        return _judge(schema, rows), doubtful

    chunks, waiting = _chunks(part), list[pa.Table]()
    with ThreadPoolExecutor(threads) as pool:
        for n in range(0, len(chunks), threads):
            for found, doubtful in pool.map(judge, chunks[n : n + threads]):
                yield found
                waiting.append(doubtful)
            if sum(rows.num_rows for rows in waiting) >= GROUPS_AT_ONCE * ROW_GROUP_SIZE:
                yield _judge(schema, pa.concat_tables(waiting))
                waiting.clear()
    if any(rows.num_rows for rows in waiting):
        yield _judge(schema, pa.concat_tables(waiting))


def _chunks(part: Part) -> list[tuple[int, list[int]]]:
    """(ordinal of the first row, row groups) of each chunk."""
    metadata = pq.read_metadata(part.typed.path)
    chunks, start = [], 0
    for first in range(0, metadata.num_row_groups, GROUPS_AT_ONCE):
        groups = list(range(first, min(first + GROUPS_AT_ONCE, metadata.num_row_groups)))
        chunks.append((start, groups))
        start += sum(metadata.row_group(group).num_rows for group in groups)
    return chunks


def _rows(reading: Reading, part: Part, chunk: tuple[int, list[int]]) -> pa.Table:
    """A chunk's rows that are not left out, as the model has them, and their ordinals."""
    start, groups = chunk
    with pq.ParquetFile(part.typed.path) as file:
        rows = file.read_row_groups(groups, use_threads=False)
    day = pa.repeat(pa.scalar(reading.day, pa.date32()), rows.num_rows)
    ordinals = pa.array(np.arange(start, start + rows.num_rows))
    rows = rows.append_column(reading.table.raw.partition_column, day)
    rows = rows.append_column(ORDINAL, ordinals)
    if LEFT_OUT in rows.column_names:
        rows = rows.filter(rows[LEFT_OUT].is_null()).drop_columns(LEFT_OUT)
    return rows


def _split(schema: pandera.DataFrameSchema, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows that look good, and the doubtful ones, unless these are many."""
    doubtful = _doubtful(schema, rows)
    if not 0 < doubtful.sum() < FEW * rows.num_rows:
        return rows, rows.schema.empty_table()  # an empty slice would keep all rows in memory
    return rows.take(np.flatnonzero(~doubtful)), rows.take(np.flatnonzero(doubtful))


def _doubtful(schema: pandera.DataFrameSchema, rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows lack a value that the model asks for, or fail a check of an amount.

    As the texts do that could not be read, and most of the others.
    """
    doubtful = np.zeros(rows.num_rows, np.bool_)
    for name, column in schema.columns.items():
        values = rows[name]
        if not column.nullable and values.null_count:
            doubtful |= values.is_null().to_numpy()
        for check in column.checks if pa.types.is_decimal(values.type) else ():
            failing = check(values.to_pandas(types_mapper=pd.ArrowDtype)).failure_cases
            if failing is not None:
                doubtful[failing.index] = True
    return doubtful


def _judge(schema: pandera.DataFrameSchema, rows: pa.Table) -> pa.Table:
    frame = rows.drop_columns(ORDINAL).to_pandas(types_mapper=pd.ArrowDtype)
    try:
        schema.validate(frame, lazy=True, inplace=True)  # no model changes a frame: no copy
    except SchemaErrors as error:
        return breaches_of(schema, error.failure_cases, rows[ORDINAL].to_numpy())
    return BREACHES.empty_table()


def breaches_of(
    schema: pandera.DataFrameSchema, cases: pd.DataFrame, ordinals: Numbers | None = None
) -> pa.Table:
    """(ordinal, column, reason) of Pandera's failure cases, in no set order.

    `ordinals` are the rows' own; left out, they are 0, 1, … A check of whole rows is named after
    its column.
    """
    if cases["index"].isna().any():
        raise IntakeBroken(f"staged rows don't have the model's shape: {cases['check'].tolist()}")
    of_rows = {check.error: check.name for check in schema.checks}
    whole = cases["schema_context"] == "DataFrameSchema"
    column = cases["column"].where(~whole, cases["check"].map(of_rows)).astype(str)
    reason = cases["check"].astype(str).replace("not_nullable", "missing")
    places = cases["index"].to_numpy(np.int64)
    ordinal = places if ordinals is None else ordinals[places]
    found = pd.DataFrame({"ordinal": ordinal, "column": column, "reason": reason})
    return pa.Table.from_pandas(found.drop_duplicates(), schema=BREACHES, preserve_index=False)
