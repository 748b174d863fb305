"""What must hold of the result tables of a day before they are published.

Looked at in the staged files themselves, after they were written: what a reader will see. Days are
taken in batches, and a batch costs one query per question, however many days are in it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby

import pyarrow.parquet as pq

from abintel_pipeline.contract import MADE_FROM, Table
from abintel_pipeline.contract.findings import Figure, Finding, VerificationFailed
from abintel_pipeline.engine.connection import Backend, Cursor, native
from abintel_pipeline.engine.parallel import parallel_map
from abintel_pipeline.quality.blocking.constraints import constraints
from abintel_pipeline.quality.blocking.files import (
    broken_constraints,
    differences,
    out_of_order,
)
from abintel_pipeline.quality.blocking.scores import scores_from_thresholds
from abintel_pipeline.quality.blocking.summary import summary_adds_up
from abintel_pipeline.store.snapshot_store import SnapshotStore, Staged

BATCH_ROWS = 2_000_000
BATCH_DAYS = 100
"""So many customers, or days, wait for each other to be looked at in one go."""
LOOKING = 2
"""Questions that are asked at a time: DuckDB compares rows with their neighbours on one core."""

Day = tuple[Staged, ...]
"""The tables that a step makes of one day, the table of customers first."""
Figures = dict[tuple[str, date], dict[str, Figure]]
Answer = tuple[list[Finding], Figures]
Question = Callable[[Cursor], Answer]


def verified(connection: Backend, store: SnapshotStore, made: Iterable[Day]) -> Iterator[Day]:
    """The days that pass every check, in order, with their findings; to be published as they come.

    Raises VerificationFailed, at the end, telling of those that didn't: they stay unpublished.
    """
    rejected: list[Finding] = []
    for batch, findings, figures in _looked_at(connection, store, made):
        for day in batch:
            own = [one for one in findings if one.day == day[0].day]
            if all(one.passed for one in own):
                yield tuple(_with(staged, own, figures) for staged in day)
            else:
                rejected += own
    if rejected:
        raise VerificationFailed(rejected)


def verified_again(
    connection: Backend, store: SnapshotStore, tables: tuple[Table, ...], days: Iterable[date]
) -> list[Finding]:
    """What the same checks find of published days, passed or not.

    Left out are days of which a file is missing, or one that they were made from.
    """
    needed = (*tables, *MADE_FROM[tables[0]])
    there = [day for day in days if all(store.path(table, day).is_file() for table in needed)]
    made = (tuple(_published(store, table, day) for table in tables) for day in there)
    found = []
    for batch, findings, _ in _looked_at(connection, store, made):
        found += [one for day in batch for staged in day for one in _own(staged, findings)]
    return found


def _published(store: SnapshotStore, table: Table, day: date) -> Staged:
    return Staged(table, day, store.path(table, day), store.rows(table, day))


def _batches(made: Iterable[Day]) -> Iterator[list[Day]]:
    batch: list[Day] = []
    for day in made:
        batch.append(day)
        if len(batch) == BATCH_DAYS or sum(one[0].rows for one in batch) >= BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _with(staged: Staged, findings: list[Finding], figures: Figures) -> Staged:
    return replace(
        staged,
        findings=_own(staged, findings),
        figures=figures.get((staged.table.name, staged.day), {}),
    )


def _own(staged: Staged, findings: list[Finding]) -> tuple[Finding, ...]:
    place = (staged.table.name, staged.day)
    return tuple(one for one in findings if (one.table, one.day) == place)


def _looked_at(
    connection: Backend, store: SnapshotStore, made: Iterable[Day]
) -> Iterator[tuple[list[Day], list[Finding], Figures]]:
    """Batches of days, in order, and what is found in them, while the next are being made."""

    def answered(asked: tuple[int, list[Day], Question]) -> Answer:
        with native(connection).cursor() as cursor:
            return asked[-1](cursor)

    def asked() -> Iterator[tuple[int, list[Day], Question]]:
        for number, batch in enumerate(_batches(made)):
            for question in _questions(store, batch):
                yield number, batch, question

    answers = parallel_map(answered, asked(), LOOKING)
    for _, of_batch in groupby(answers, key=lambda pair: pair[0][0]):
        findings: list[Finding] = []
        figures: Figures = {}
        for (_number, batch, _question), (found, told) in of_batch:  # noqa: B007
            findings += found
            figures |= told
        yield batch, findings, figures


def _questions(store: SnapshotStore, batch: list[Day]) -> Iterator[Question]:
    tables = list(zip(*batch, strict=True))
    customers = tables[0]
    name = customers[0].table.name

    def ids(cursor: Cursor) -> Answer:
        return list(_customers(cursor, store, customers, MADE_FROM[customers[0].table])), {}

    def contract(cursor: Cursor) -> Answer:
        return [finding for staged in tables for finding in _contract(cursor, staged)], {}

    def more(cursor: Cursor) -> Answer:
        table, look = MORE[name]
        findings, figures = look(cursor, *tables)
        return findings, {(table, day): told for day, told in figures.items()}

    yield from (contract, ids)
    if name in MORE:
        yield more


def _contract(connection: Cursor, staged: Sequence[Staged]) -> Iterator[Finding]:
    """Every row of a result table meets every constraint of its Pandera model."""
    table = staged[0].table
    rules = len(constraints(table))
    broken = broken_constraints(connection, table, staged)
    for one in staged:
        wrong = {rule: found[one.day] for rule, found in broken.items() if one.day in found}
        told = [
            f"{count:,} of {one.rows:,} rows break {rule}, the first {'; '.join(examples)}"
            for rule, (count, examples) in wrong.items()
        ]
        yield Finding(
            table.name,
            one.day,
            "contract",
            not wrong,
            ". ".join(told) or f"all {one.rows:,} rows meet the {rules} constraints of the model",
            {"rows": one.rows, "constraints": rules, "broken_constraints": len(wrong)},
        )


def _customers(
    connection: Cursor,
    store: SnapshotStore,
    staged: Sequence[Staged],
    others: Sequence[Table],
) -> Iterator[Finding]:
    """One row per customer, in order; and the customers of the tables that the day was made from.

    As all stand in the same order, the customers are the same if row by row the ids are.
    """
    misplaced = out_of_order(connection, staged, "customer_id")
    for one in staged:
        yield _one_row_per_customer(one, *misplaced.get(one.day, (0, [])))
        if others:
            paths = {other.name: store.path(other, one.day) for other in others}
            told = [
                sentence
                for name, path in paths.items()
                for sentence in differences(connection, one, path, name, "customer_id")
            ]
            rows = {name: int(pq.read_metadata(path).num_rows) for name, path in paths.items()}
            yield _same_customers(one, rows, told)


def _one_row_per_customer(one: Staged, misplaced: int, examples: list[str]) -> Finding:
    return Finding(
        one.table.name,
        one.day,
        "one_row_per_customer",
        not misplaced,
        f"{misplaced:,} of {one.rows:,} rows repeat a customer or are out of order, the first"
        f" {'; '.join(examples)}"
        if misplaced
        else f"{one.rows:,} customers, one row each, in order",
        {"customers": one.rows, "misplaced_rows": misplaced},
    )


def _same_customers(one: Staged, others: dict[str, int], told: list[str]) -> Finding:
    return Finding(
        one.table.name,
        one.day,
        "same_customers",
        not told,
        "; ".join(told) or f"the same {one.rows:,} customers as in {' and '.join(others)}",
        {one.table.name: one.rows, **others},
    )


Look = Callable[..., tuple[list[Finding], dict[date, dict[str, Figure]]]]
MORE: dict[str, tuple[str, Look]] = {
    "customer_loyalty": ("loyalty_summary", summary_adds_up),
    "customer_rfm": ("customer_rfm", scores_from_thresholds),
}
"""What else is looked at in a step's two tables, and which of them the figures are about."""
