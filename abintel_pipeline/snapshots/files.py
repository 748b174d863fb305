"""How a step's files are written, two at a time, and published day by day."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path

import duckdb
import ibis.expr.types as ir

from abintel_pipeline.contract import Table
from abintel_pipeline.engines import bind_day, bound_day, kept, native
from abintel_pipeline.snapshots.step import StepContext
from abintel_pipeline.snapshots.unchanged import Unchanged
from abintel_pipeline.store import Staged, bind_file
from abintel_pipeline.verification import verified

WRITERS = 2
"""Files of a range that are written at a time."""

OnCursor = Callable[[duckdb.DuckDBPyConnection], Staged]


def writing(
    step: StepContext, folder: Path, table: Table, rows: ir.Table, days: list[date], *needed: Table
) -> Iterator[OnCursor]:
    """Write each day's file from one query, compiled once, on the `bound_day`.

    `needed` are the tables of which it reads the day's published file, each as its `view_of_day`.
    """
    write = step.store.writing(step.connection, table, rows, step.rules)

    def on_cursor(day: date) -> OnCursor:
        def run(cursor: duckdb.DuckDBPyConnection) -> Staged:
            bind_day(cursor, day)
            for one in needed:
                bind_file(cursor, one, step.store.path(one, day))
            return write(cursor, folder, day)

        return run

    return map(on_cursor, days)


def stage_all(step: StepContext, writes: Iterable[OnCursor]) -> Iterator[Staged]:
    """Stage file after file, in order, two at a time.

    DuckDB sorts and writes one file on little more than one core.
    """
    connection = native(step.connection)

    def with_cursor(write: OnCursor) -> Staged:
        with connection.cursor() as cursor:
            return write(cursor)

    with ThreadPoolExecutor(WRITERS) as pool:
        ahead: deque[Future[Staged]] = deque()
        for write in writes:
            ahead.append(pool.submit(with_cursor, write))
            if len(ahead) > WRITERS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def publish_with(
    step: StepContext,
    folder: Path,
    scored: list[Staged],
    table: Table,
    rows: ir.Table,
    *,
    unchanged: Unchanged,
) -> Iterator[tuple[Staged, Staged]]:
    """Publish each day's scores together with its rows of a small table that has all the days'."""
    with kept(step.connection, rows) as every:
        own = every.filter(every.snapshot_date == bound_day())
        small = stage_all(step, writing(step, folder, table, own, [one.day for one in scored]))
        made = zip(scored, small, strict=True)
        for one, other in verified(step.connection, step.store, made):
            step.store.publish(one, other, unchanged=unchanged)
            yield one, other
