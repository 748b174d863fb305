"""The constraints of a Pandera model as SQL conditions: one home for a rule, two that apply it.

Pandera validates a frame in memory, at about two million rows a second. The same rules as
conditions of a query over the staged file cost a few milliseconds for half a million rows, and
nothing where the statistics in the file's footer prove them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandera.pandas as pa
import pyarrow
import pyarrow.parquet as pq

from abintel_pipeline.contract import Table
from abintel_pipeline.engine.sql import identifier, quoted


class UntranslatedCheck(NotImplementedError):
    """A model has a constraint for which there is no SQL condition."""


Proof = Callable[[pq.Statistics], bool]


@dataclass(frozen=True)
class Constraint:
    """What the model asks of one column: a condition that every row must meet, null not meeting it.

    `proof`: whether the statistics of a part of a file show that all of its rows meet it; where
    they don't, the rows may. `of_text`: it looks into texts.
    """

    name: str
    column: str
    condition: str
    proof: Proof
    of_text: bool = False


@cache
def constraints(table: Table) -> tuple[Constraint, ...]:
    """The constraints on the columns of the table's files.

    The partition column, which is in their paths, has none, and uniqueness is a matter of the whole
    table (see `results`). Raises UntranslatedCheck for any constraint that would get lost.
    """
    schema = table.model.to_schema()
    _reject_untranslated(table, schema)
    found = []
    for name, column in schema.columns.items():
        if name == table.partition_column:
            continue
        if not column.nullable:
            condition = f"{identifier(name)} IS NOT NULL"
            found.append(Constraint(f"{name}: not null", name, condition, _has_no_null))
        text = pyarrow.types.is_string(table.schema.field(name).type)
        for check in column.checks:
            condition, proof = _condition(table, name, check), _proof(check, column.nullable)
            if column.nullable:
                condition = f"{identifier(name)} IS NULL OR {condition}"
            found.append(Constraint(f"{name}: {check.error}", name, condition, proof, text))
    return tuple(found)


def not_proved(
    table: Table, row_groups: Sequence[Mapping[str, pq.ColumnChunkMetaData]]
) -> list[Constraint]:
    """The table's constraints that the statistics of all row groups don't prove."""

    def proved(rule: Constraint) -> bool:
        parts = [group.get(rule.column) for group in row_groups]
        known = [part and part.statistics for part in parts]
        return all(one is not None and rule.proof(one) for one in known)

    return [rule for rule in constraints(table) if not proved(rule)]


def _reject_untranslated(table: Table, schema: pa.DataFrameSchema) -> None:
    whole = {
        "a check of the whole frame": schema.checks,
        "parsers": schema.parsers,
        "unique over several columns": schema.unique,
        "an index": schema.index,
    }
    for what, given in whole.items():
        if given:
            raise UntranslatedCheck(f"{table.name}: {what} has no SQL condition: {given}")
    for name, column in schema.columns.items():
        if column.parsers or column.regex or not column.required:
            raise UntranslatedCheck(f"{table.name}.{name}: parsed, optional or named by a pattern")
        if column.unique and table.order != (name,):
            raise UntranslatedCheck(
                f"{table.name}.{name}: unique, but the table isn't in its order: {table.order}"
            )


def _condition(table: Table, name: str, check: pa.Check) -> str:
    translate = TRANSLATIONS.get(check.name or "")
    if translate is None or check.groupby or check.element_wise:
        raise UntranslatedCheck(f"{table.name}.{name}: {check.name} has no SQL condition")
    condition = translate(identifier(name), check.statistics or {})
    if pyarrow.types.is_floating(table.schema.field(name).type):
        # To DuckDB NaN is the largest number.
        condition = f"{condition} AND NOT isnan({identifier(name)})"
    return condition


def _proof(check: pa.Check, nullable: bool) -> Proof:
    """By the smallest and largest value, which DuckDB leaves out of a column that holds a NaN."""
    given, within = check.statistics or {}, WITHIN.get(check.name or "")

    def proof(statistics: pq.Statistics) -> bool:
        known = statistics.has_min_max and (nullable or _has_no_null(statistics))
        return bool(within and known and within(statistics, given))

    return proof


def _has_no_null(statistics: pq.Statistics) -> bool:
    return bool(statistics.has_null_count and statistics.null_count == 0)


TRANSLATIONS: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
    "greater_than_or_equal_to": lambda column, given: f"{column} >= {given['min_value']}",
    "less_than_or_equal_to": lambda column, given: f"{column} <= {given['max_value']}",
    "isin": lambda column, given: (
        f"{column} IN ({', '.join(quoted(value) for value in given['allowed_values'])})"
    ),
    "str_matches": lambda column, given: (
        f"regexp_matches({column}, {quoted('^(?:' + given['pattern'] + ')')})"
    ),
}
"""How each kind of check that the result models use is said in SQL."""

WITHIN: Mapping[str, Callable[[pq.Statistics, Mapping[str, Any]], bool]] = {
    "greater_than_or_equal_to": lambda known, given: known.min >= given["min_value"],
    "less_than_or_equal_to": lambda known, given: known.max <= given["max_value"],
}
"""The kinds of check that the smallest and largest value can prove."""
