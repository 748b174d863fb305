"""Runs plans on DuckDB: small requests over prepared statements, large ones planned for their size.

Parsing and planning the SQL of one small request takes 5 to 40 ms, running it a tenth of that. So a
small request runs on a session: a cursor with its own temporary tables and every step prepared.

A request has one thread of the engine: another decodes its next customers meanwhile, and others are
answered. 1,000,000 lines cost 0.24 s of CPU so, on two threads 0.36 s.
"""

import threading
from collections import deque
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa

from abintel_pipeline.engine.connection import Cursor, EngineError, native, open_engine
from abintel_pipeline.service.calls.plans import Plan
from abintel_pipeline.settings import Settings

SMALL_ROWS = 10_000
"""Up to so many rows a plan that was made without knowing them is the faster one."""

RUNS_OF_A_SESSION = 500
"""Then it is renewed: whatever a connection keeps of its past statements goes with it."""

IDLE_SESSIONS = 64
"""That are kept, of all plans together; one takes 1.3 MB, and 0.05 s to be made again."""

BATCH_ROWS = 100_000
"""Of a large result, that are fetched at a time."""

Results = dict[str, dict[str, np.ndarray[Any, Any]]]
"""Columns of every result, by name."""


class Formulas:
    """An engine for requests, for any number of threads at a time."""

    def __init__(self, settings: Settings) -> None:
        self._engine = open_engine(settings.model_copy(update={"threads": 1}))
        self._idle: deque[_Session] = deque()  # the latest that were used stand last
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the engine; nothing can be run afterwards."""
        for session in self._idle:
            session.close()
        self._engine.disconnect()

    def run(self, plan: Plan, tables: dict[str, pa.Table]) -> Results:
        """The plan's results from its given tables."""
        if max(table.num_rows for table in tables.values()) > SMALL_ROWS:
            with closing(native(self._engine).cursor()) as cursor:
                return _run_once(cursor, plan, tables)
        session = self._session(plan)
        try:
            results = session.run(tables)
        except EngineError:
            session.close()
            raise
        self._keep(session)
        return results

    def _session(self, plan: Plan) -> "_Session":
        with self._lock:
            for session in reversed(self._idle):
                if session.plan is plan:
                    self._idle.remove(session)
                    return session
        return _Session(native(self._engine).cursor(), plan)

    def _keep(self, session: "_Session") -> None:
        with self._lock:
            if session.runs < RUNS_OF_A_SESSION:
                self._idle.append(session)
                if len(self._idle) <= IDLE_SESSIONS:
                    return
                session = self._idle.popleft()
        session.close()


class _Session:
    """A cursor on which one plan is prepared."""

    def __init__(self, cursor: Cursor, plan: Plan) -> None:
        self._cursor, self.plan = cursor, plan
        self._steps, self._results = tuple(plan.steps), tuple(plan.results)
        self.runs = 0
        # A handful of rows is sooner joined in any order than the best order is found.
        cursor.execute("PRAGMA disable_optimizer")
        for name, schema in plan.given.items():
            cursor.register("given", schema.empty_table())
            cursor.execute(f"CREATE TEMP TABLE {name} AS FROM given")
            cursor.unregister("given")
        for name, query in plan.steps.items():
            cursor.execute(f"CREATE TEMP TABLE {name} AS {query} WITH NO DATA")
        # After the last table: what is prepared before another one is planned again at every run.
        for name, query in plan.steps.items():
            cursor.execute(f"PREPARE make_{name} AS INSERT INTO {name} {query}")
        for name, query in plan.results.items():
            cursor.execute(f"PREPARE fetch_{name} AS {query}")

    def run(self, tables: dict[str, pa.Table]) -> Results:
        """The results of the tables, which are empty again afterwards: nothing is committed."""
        self.runs += 1
        self._cursor.begin()
        try:
            for name, rows in tables.items():  # noqa: B007
                # DuckDB finds the variable `rows`. A table that is registered is a new view, after
                # which every statement is planned again.
                self._cursor.execute(f"INSERT INTO {name} FROM rows")
            for name in self._steps:
                self._cursor.execute(f"EXECUTE make_{name}")
            return {name: _fetched(self._cursor, f"EXECUTE fetch_{name}") for name in self._results}
        finally:
            self._cursor.rollback()

    def close(self) -> None:
        self._cursor.close()


def _run_once(cursor: Cursor, plan: Plan, tables: dict[str, pa.Table]) -> Results:
    for name, table in tables.items():
        cursor.register(name, table)
    for name, query in plan.steps.items():
        cursor.execute(f"CREATE TEMP TABLE {name} AS {query}")
    return {name: _in_batches(cursor, query) for name, query in plan.results.items()}


def _fetched(cursor: Cursor, query: str) -> dict[str, np.ndarray[Any, Any]]:
    columns = cursor.execute(query).fetchnumpy()
    return {name: np.asarray(values) for name, values in columns.items()}


def _in_batches(cursor: Cursor, query: str) -> dict[str, np.ndarray[Any, Any]]:
    """As _fetched, but equal texts are one object: a tier and its words take 280 bytes a row."""
    batches = cursor.sql(query).to_arrow_reader(BATCH_ROWS)
    texts: dict[str, str] = {}
    parts = [[_values(column, texts) for column in batch.columns] for batch in batches]
    columns = map(np.concatenate, zip(*parts, strict=True))
    return dict(zip(batches.schema.names, columns, strict=True))


def _values(column: pa.Array, texts: dict[str, str]) -> np.ndarray[Any, Any]:
    if not pa.types.is_string(column.type):
        values: np.ndarray[Any, Any] = column.to_numpy(zero_copy_only=False)
        return values
    coded = column.dictionary_encode()
    known = [texts.setdefault(text, text) for text in coded.dictionary.to_pylist()]
    shared: np.ndarray[Any, Any] = np.array(known, dtype=object)[coded.indices.to_numpy()]
    return shared
