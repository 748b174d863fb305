"""Texts in, typed values out; and, for a text that can't become its type, why.

What a text may look like is decided here and in `ids`, `numbers` and `dates`; every
rule on typed values is the Pandera model's.
"""

import pyarrow as pa

from abintel_pipeline.engine.sql import Names, identifier, quoted, quoted_list
from abintel_pipeline.intake.request_tables import FACTOR, SourceColumns
from abintel_pipeline.intake.texts import dates, ids, numbers
from abintel_pipeline.settings import Settings
from abintel_pipeline.settings.source import ANY_WORD

LEFT_OUT = "left_out"
"""The column that says why a row is left out; null in rows that count."""


def leaves_out(columns: SourceColumns) -> bool:
    """Whether rows of the source may be left out."""
    return bool(columns.kept or columns.settings.nobody_ids)


def screened(columns: SourceColumns, texts: str) -> str:
    """SELECT of the table's columns as typed values from a SELECT of its texts, same order.

    And why a row is left out, where the settings leave any out.
    """
    names = Names()
    typed = [
        f"{_typed(columns, name, names)} AS {identifier(name)}" for name in columns.table.columns
    ]
    if leaves_out(columns):
        typed.append(f"{_left_out(columns, names)} AS {LEFT_OUT}")
    return f"SELECT {', '.join(typed)} FROM ({names.below(texts)})"


def problem(columns: SourceColumns, column: str, names: Names) -> str:
    """SQL that says why a text can't become its column's type; NULL where it can."""
    text, settings = identifier(column), columns.settings
    kind = columns.table.kind(column)
    if pa.types.is_string(kind):
        return ids.id_problem(text, settings)
    if pa.types.is_date(kind):
        return dates.date_problem(text, settings)
    if pa.types.is_boolean(kind):
        return f"CASE WHEN {_flag(text, settings)} IS NULL THEN {quoted(NO_FLAG)} END"
    if pa.types.is_floating(kind):
        return numbers.number_problem(text, settings)
    if columns.factors:
        texts = (text, identifier(FACTOR))
        return numbers.product_problem(texts, columns.factors, settings, names)
    return numbers.amount_problem(text, settings, names)


NO_FLAG = "neither true nor false (ABINTEL_CANCELLED_WORDS says what a word means)"


def _typed(columns: SourceColumns, column: str, names: Names) -> str:
    text, settings, kind = identifier(column), columns.settings, columns.table.kind(column)
    if pa.types.is_string(kind):
        return ids.id_typed(text, settings, names)
    if pa.types.is_date(kind):
        return dates.date_typed(text, settings)
    if pa.types.is_boolean(kind):
        return _flag(text, settings)
    if pa.types.is_floating(kind):
        return numbers.number_typed(text, settings)
    return numbers.amount_typed(
        text, settings, names, identifier(FACTOR) if columns.factors else None
    )


def _flag(text: str, settings: Settings) -> str:
    """SQL of true or false from the source's words; null where a word has no meaning."""
    words = {word.strip().casefold(): value for word, value in settings.cancelled_words.items()}
    other = words.pop(ANY_WORD, None)
    empty = words.pop("", False)
    whens = " ".join(f"WHEN {quoted(word)} THEN {value}" for word, value in words.items())
    named = f"CASE lower({ids.trimmed(text)}) {whens} ELSE {_literal(other)} END"
    missing = ids.is_missing(text, settings)
    return (
        f"(CASE WHEN {text} IS NULL OR {missing} THEN {empty}"
        f" ELSE {named if words else _literal(other)} END)"
    )


def _literal(value: bool | None) -> str:
    return "NULL" if value is None else str(value)


def _left_out(columns: SourceColumns, names: Names) -> str:
    """SQL of why a row is left out: nobody's, or of another kind than those kept."""
    whens = [
        f"WHEN {_nobody(columns.settings, names)} THEN 'customer_id: ' || {_shown('customer_id')}"
    ]
    for name, source in columns.kept.items():
        value = ids.trimmed(f"coalesce({identifier(name)}, '')")
        kept = quoted_list([one.strip() for one in columns.settings.keep_rows[source]])
        told = f"{quoted(source + ': ')} || {_shown(name)}"
        whens.append(f"WHEN {value} NOT IN ({kept or 'NULL'}) THEN {told}")
    return f"(CASE {' '.join(whens)} END)"


def _nobody(settings: Settings, names: Names) -> str:
    text = identifier("customer_id")
    nobody = quoted_list([one.strip() for one in settings.nobody_ids if one.strip()])
    tests = ["false"]
    if nobody:
        known = ids.id_normal(text, settings, names)
        tests.append(f"coalesce({known}, {ids.trimmed(text)}) IN ({nobody})")
    if any(not one.strip() for one in settings.nobody_ids):
        tests.append(ids.is_missing(text, settings))
    return f"({' OR '.join(tests)})"


def _shown(name: str) -> str:
    value = ids.trimmed(f"coalesce({identifier(name)}, '')")
    return f"(CASE WHEN {value} = '' THEN 'missing' ELSE {value}[:60] END)"
