"""How a step's files are written, two at a time, and published day by day."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from functools import partial
from pathlib import Path

import ibis.expr.types as ir

from abintel_pipeline.contract import Table
from abintel_pipeline.engine.ahead import ahead
from abintel_pipeline.engine.connection import (
    Cursor,
    bind_day,
    bind_figures,
    bound_day,
    kept,
    native,
)
from abintel_pipeline.quality.blocking import verified
from abintel_pipeline.snapshots.unchanged import Unchanged
from abintel_pipeline.store.snapshot_store import Staged, Write, bind_files
from abintel_pipeline.store.step_context import StepContext

WRITERS = 2
"""Files of a range that are written at a time."""

OnCursor = Callable[[Cursor], Staged]


def writing(
    step: StepContext, folder: Path, table: Table, rows: ir.Table, days: list[date]
) -> Iterator[OnCursor]:
    """Write each day's file from one query, compiled once, on the `bound_day`."""
    write = step.store.writing(step.connection, table, rows, step.rules)
    return (partial(_of_day, write, folder, day) for day in days)


def writing_rows(
    step: StepContext,
    folder: Path,
    table: Table,
    rows: ir.Table,
    days: list[date],
    *needed: Table,
    figures: ir.Table,
) -> Iterator[OnCursor]:
    """Write each day's file from one query, compiled once, a row for each of the published rows.

    `rows` are made of the `view_of_day` of the tables `needed` and of the day's `bound_figures`:
    `figures` has a row for each day that has any customer.
    """
    write = step.store.writing(step.connection, table, rows, step.rules, in_order=True)
    names = [name for name in figures.columns if name != "snapshot_date"]
    known = {row["snapshot_date"]: row for row in figures.to_pyarrow().to_pylist()}

    def of_day(day: date, cursor: Cursor) -> Staged:
        one, *others = ((one, step.store.path(one, day)) for one in needed)
        bind_files(cursor, *one, *others)
        bind_figures(cursor, {name: known.get(day, {}).get(name) for name in names})
        return write(cursor, folder, day)

    return (partial(of_day, day) for day in days)


def _of_day(write: Write, folder: Path, day: date, cursor: Cursor) -> Staged:
    bind_day(cursor, day)
    return write(cursor, folder, day)


@contextmanager
def staged_all(step: StepContext, writes: Iterable[OnCursor]) -> Iterator[Iterator[Staged]]:
    """Stage file after file, in order, two at a time; at the end of the block none is written.

    DuckDB sorts and writes one file on little more than one core.
    """
    connection = native(step.connection)

    def with_cursor(write: OnCursor) -> Staged:
        with connection.cursor() as cursor:
            return write(cursor)

    with closing(ahead(with_cursor, writes, WRITERS)) as made:
        yield (staged for _, staged in made)


def publish_with(
    step: StepContext,
    folder: Path,
    scored: Iterable[Staged],
    table: Table,
    rows: ir.Table,
    *,
    days: list[date],
    unchanged: Unchanged,
) -> Iterator[tuple[Staged, Staged]]:
    """Publish each day's scores together with its rows of a small table that has all the days'.

    In the order of the days, as soon as the day's scores are there.
    """
    with kept(step.connection, rows) as every:
        own = every.filter(every.snapshot_date == bound_day())
        with staged_all(step, writing(step, folder, table, own, days)) as small:
            made = zip(scored, small, strict=True)
            for one, other in verified(step.connection, step.store, made):
                step.store.publish(one, other, unchanged=unchanged)
                yield one, other
