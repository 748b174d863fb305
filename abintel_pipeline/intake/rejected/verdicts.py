"""Which rows of a delivery are refused, and why: kept in the engine, so that it may spill."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from abintel_pipeline.engine.sql_text import file_literal, identifier, quoted
from abintel_pipeline.intake.rejected.enforcement import breaches
from abintel_pipeline.intake.request_tables import CUSTOMERS, TRANSACTIONS
from abintel_pipeline.intake.staging import Numbers, Part, Reading
from abintel_pipeline.intake.texts.screening import LEFT_OUT, leaves_out

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
            self._add(number, breaches(self._reading, part))
            if part.typed.left_out:
                self._execute(self._acquittal(number, part))
        numbered = self._reading.columns.may_have("line_id")
        if self._reading.table is CUSTOMERS or self._refuses_repeated or numbered:
            self._add_repeated(parts)

    def of(self, number: int) -> str:
        """SELECT of a part's refused ordinals."""
        return f"SELECT DISTINCT ordinal FROM {self.table} WHERE part = {number}"

    def refused(self, number: int) -> int:
        """How many rows of a part are refused."""
        return self._count(f"SELECT count(*) FROM ({self.of(number)})")

    def ordinals(self, parts: int) -> list[Numbers]:
        """The refused ordinals of each part, in order."""
        found = []
        for number in range(parts):
            query = f"{self.of(number)} ORDER BY ordinal"
            rows = self._reading.duckdb.execute(query).fetchnumpy()
            found.append(np.asarray(rows["ordinal"], np.int64))
        return found

    @property
    def _refuses_repeated(self) -> bool:
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
        if self._reading.table is TRANSACTIONS and not self._refuses_repeated:
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
