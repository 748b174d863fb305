"""A column's distinct values with their counts: patterns are tried on these, not on every row."""

import re
from dataclasses import dataclass
from functools import cached_property

from abintel_pipeline.inspecting.text_rows import TextRows
from abintel_pipeline.intake.texts.ids import is_missing, trimmed
from abintel_pipeline.settings import Settings

TABLE = "distinct_values"
SAMPLE = 200


@dataclass(frozen=True)
class DistinctValues:
    """The values of one column; one lives at a time. `filled` counts rows that have a value."""

    rows: TextRows
    settings: Settings
    filled: int
    blank: int
    words: dict[str, int]
    distinct: int

    @classmethod
    def of(cls, rows: TextRows, name: str, settings: Settings) -> "DistinctValues":
        missing = is_missing("text", settings)
        rows.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {TABLE} AS SELECT *, {missing} AS missing"
            f" FROM (SELECT {rows.text(name)} AS text, count(*) AS times FROM {rows.table}"
            " GROUP BY 1)"
        )
        blank = f"(text IS NULL OR {trimmed('text')} = '')"
        found = rows.one(
            "SELECT coalesce(sum(times) FILTER (NOT missing), 0),"
            f" coalesce(sum(times) FILTER ({blank}), 0), count(*) FILTER (NOT missing)"
            f" FROM {TABLE}"
        )
        words = rows.ask(
            f"SELECT {trimmed('text')}, sum(times) FROM {TABLE} WHERE missing AND NOT {blank}"
            " GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        filled, empty, distinct = map(int, found)
        return cls(rows, settings, filled, empty, {w: int(n) for w, n in words}, distinct)

    def counts(self, conditions: dict[str, str]) -> dict[str, int]:
        """How many rows with a value meet each condition on `text`."""
        sums = ", ".join(
            f"coalesce(sum(times) FILTER ({one}), 0)::BIGINT" for one in conditions.values()
        )
        found = self.rows.one(f"SELECT {sums} FROM {TABLE} WHERE NOT missing")
        return dict(zip(conditions, found, strict=True))

    def readings(self, ways: dict[str, str]) -> dict[str, tuple[int, int]]:
        """{way: (rows that it reads, a mark that differs where what is read does)}.

        A way is SQL of a value from `text`, null where it can't read it.
        """
        parts = ", ".join(
            f"coalesce(sum(times) FILTER (w{n} IS NOT NULL), 0)::BIGINT,"
            f" coalesce(bit_xor(hash(w{n}, text)) FILTER (w{n} IS NOT NULL), 0)"
            for n in range(len(ways))
        )
        read = ", ".join(f"{way} AS w{n}" for n, way in enumerate(ways.values()))
        found = self.rows.one(
            f"SELECT {parts} FROM (SELECT text, times, {read} FROM {TABLE} WHERE NOT missing)"
        )
        pairs = zip(found[::2], found[1::2], strict=True)
        return {name: (int(n), int(mark)) for name, (n, mark) in zip(ways, pairs, strict=True)}

    def commonest(self, most: int) -> dict[str, int]:
        """The commonest values, trimmed, with their rows; the same in every run."""
        found = self.rows.ask(
            f"SELECT {trimmed('text')}, sum(times) FROM {TABLE} WHERE NOT missing"
            f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}"
        )
        return {text: int(n) for text, n in found}

    def share_like(self, pattern: re.Pattern[str]) -> float:
        """The share of rows whose value is like a pattern, among the rows of some values."""
        rows = sum(times for _, times in self.sample)
        like = sum(times for text, times in self.sample if pattern.fullmatch(text))
        return like / rows if rows else 0.0

    @cached_property
    def sample(self) -> list[tuple[str, int]]:
        """Some values with their rows, commonest first, then the same in every run."""
        return self.rows.ask(
            f"SELECT trim(text), times FROM {TABLE} WHERE NOT missing"
            f" ORDER BY times DESC, hash(text) LIMIT {SAMPLE}"
        )
