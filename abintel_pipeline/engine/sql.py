"""DuckDB's SQL: strings, names, and a query's rows as one Parquet file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from abintel_pipeline.engine.connection import Cursor

ROW_GROUP_SIZE = 122_880
"""Rows of a Parquet file's row group."""


def quoted(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"


def quoted_list(texts: Iterable[str]) -> str:
    """SQL strings, parted by commas."""
    return ", ".join(map(quoted, texts))


def first_case(cases: Iterable[tuple[str, str]]) -> str:
    """SQL of what is told of the first of some conditions that holds; null where none does."""
    whens = " ".join(f"WHEN {condition} THEN {quoted(told)}" for condition, told in cases)
    return f"(CASE {whens} END)"


def literal(value: Any) -> str:
    """A text, a number or nothing as SQL; a float as the one that it is, infinity too."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float):
        return f"'{value}'::DOUBLE"
    return "NULL" if value is None else str(value)


def file_literal(path: Path) -> str:
    """A path as a SQL string, with nothing in it that DuckDB takes for a pattern or for a home."""
    return quoted("".join(f"[{c}]" if c in "[*?" else c for c in str(path.absolute())))


def identifier(name: str) -> str:
    """A SQL name."""
    return '"' + name.replace('"', '""') + '"'


class Names:
    """Values of a row that stand under a name, each computed once, below the SELECT that asks.

    A long expression that stands in itself several times takes DuckDB longer to plan than a small
    file to read: 100 ms for an amount. A lambda's parameter could name it too, but DuckDB compiles
    the patterns in a lambda anew for every 2,048 rows.
    """

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def __call__(self, value: str) -> str:
        """The name of a value, which may be made of others that are named."""
        name = identifier(f"named {len(self._values)}")
        self._values[name] = value
        return name

    def below(self, rows: str) -> str:
        """SELECT of a SELECT's columns and of all named values."""
        levels: dict[str, int] = {}
        for name, value in self._values.items():
            levels[name] = max((n + 1 for one, n in levels.items() if one in value), default=0)
        for level in sorted(set(levels.values())):
            added = [f"{self._values[name]} AS {name}" for name, n in levels.items() if n == level]
            rows = f"SELECT *, {', '.join(added)} FROM ({rows})"
        return rows


def copy_to_parquet(connection: Cursor, query: str, path: Path, metadata: dict[str, str]) -> None:
    """Stream a query into one Parquet file whose bytes depend on its rows and metadata alone.

    TRY hides what DuckDB's planner found out about nulls: it writes a column as required or
    optional by that, so the same rows from another plan were another file.
    """
    pairs = ", ".join(f"{key}: {quoted(value)}" for key, value in metadata.items())
    connection.execute(
        f"COPY (SELECT TRY(COLUMNS(*)) FROM ({query})) TO {quoted(str(path.absolute()))}"
        f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_SIZE},"
        f" KV_METADATA {{{pairs}}})"
    )
