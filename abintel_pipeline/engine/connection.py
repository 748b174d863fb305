"""The engine that runs the formulas: DuckDB, embedded, through Ibis.

Nothing here knows what is computed. Another engine that Ibis speaks can run the same expressions.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import TypeAlias, cast

import duckdb
import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend as DuckDBBackend

from abintel_pipeline.settings import Settings

Backend: TypeAlias = DuckDBBackend
"""The Ibis connection to the engine."""
Cursor = duckdb.DuckDBPyConnection
"""A connection to the engine, or a cursor of one: each runs one query at a time."""
EngineError = duckdb.Error
Interrupted = duckdb.InterruptException


def open_engine(settings: Settings) -> Backend:
    """An embedded engine within the settings' memory limit.

    The session's time zone is UTC and insertion order is kept, so that neither the machine's zone
    nor the number of threads can change a result.
    """
    settings.spill.mkdir(parents=True, exist_ok=True)
    options = {
        "memory_limit": settings.memory_limit,
        "temp_directory": str(settings.spill),
        "preserve_insertion_order": True,
    }
    if settings.threads:
        options["threads"] = settings.threads
    connection = ibis.duckdb.connect(**options)
    _set_zone(connection)
    return connection


BROKEN = (duckdb.InternalException, duckdb.FatalException)
"""Errors of the engine itself, after which it answers nothing any more."""


def reopen_if_broken(connection: Backend) -> bool:
    """Open an engine again that no longer answers; True if it was broken.

    Its temporary tables are gone. The connection object stays the same, so its holders can go on.
    """
    try:
        native(connection).execute("SELECT 1")
    except duckdb.Error:
        connection.reconnect()
        _set_zone(connection)
        return True
    return False


def _set_zone(connection: Backend) -> None:
    native(connection).execute("SET GLOBAL TimeZone = 'UTC'")


@contextmanager
def engine(settings: Settings) -> Iterator[Backend]:
    """An embedded engine, closed at the end."""
    connection = open_engine(settings)
    try:
        yield connection
    finally:
        connection.disconnect()


def native(connection: Backend) -> duckdb.DuckDBPyConnection:
    """The DuckDB connection under an Ibis one, for what Ibis has no words for (COPY, read_csv)."""
    raw: duckdb.DuckDBPyConnection = connection.con
    return raw


def bound_day() -> ir.DateScalar:
    """Whichever day is bound when a query with it runs: compiled once for many days."""
    return cast(ir.DateScalar, _variable("bound_day"))


def bind_day(cursor: duckdb.DuckDBPyConnection, day: date) -> None:
    """From now on, for this cursor alone, the `bound_day` is that day."""
    cursor.execute(f"SET VARIABLE bound_day = DATE '{day}'")


def bound_figures(figures: ir.Table) -> dict[str, ir.FloatingScalar]:
    """Whichever numbers are bound by the names of these columns when a query with them runs."""
    names = (name for name in figures.columns if name != "snapshot_date")
    return {name: cast(ir.FloatingScalar, _number(name)) for name in names}


def bind_figures(cursor: duckdb.DuckDBPyConnection, figures: Mapping[str, float | None]) -> None:
    """From now on, for this cursor alone, the `bound_figures` are these numbers."""
    for name, figure in figures.items():
        value = "NULL" if figure is None else repr(repr(figure))
        cursor.execute(f"SET VARIABLE {name} = {value}::DOUBLE")


@ibis.udf.scalar.builtin(name="getvariable")  # type: ignore[untyped-decorator]
def _variable(variable: str) -> date:
    """DuckDB's own: a constant by the time that a query is planned."""
    raise NotImplementedError(variable)


@ibis.udf.scalar.builtin(name="getvariable")  # type: ignore[untyped-decorator]
def _number(variable: str) -> float:
    raise NotImplementedError(variable)


@contextmanager
def temporary_table(connection: Backend, *parts: ir.Table) -> Iterator[ir.Table]:
    """The rows of all parts, computed once and kept in their order until the block ends.

    A table of the engine's own, so that its cursors see it too: within the engine's memory limit,
    and spilled beyond it.
    """
    name = f"kept_{uuid.uuid4().hex}"
    first, *others = parts
    table = connection.create_table(name, first)
    try:
        for other in others:
            connection.insert(name, other)
        yield table
    finally:
        connection.drop_table(name)
