r"""Texts in, typed values out; and, for a text that can't become its type, why.

What a text may look like is decided here, in one pattern per type; every rule on typed values is
the Pandera model's. Ids stay exactly as they came. Spaces around a date or a number don't count.

- date: `YYYY-MM-DD`. DuckDB alone would take `2025-04-21T23:30+02:00` for a date without a word, so
  the pattern comes before the cast. A timestamp counts only where a source time zone is set.
- amount: digits with a point and perhaps an exponent, rounded half up to the currency's decimals.
  DuckDB rounds long fractions right but loses digits in front of an exponent
  (`0.00000000000000000001e20` became 0), so exponents are written out first. A negative amount
  never rounds to zero: it stays negative, so that the model refuses it.
- other numbers: a text that is no number becomes infinity, which the model refuses.
"""

import pyarrow as pa

from abintel_pipeline.contract.columns import MONEY_DIGITS
from abintel_pipeline.intake.request_tables import RequestTable
from abintel_pipeline.settings import Settings

DATE = r" *\d{4}-\d\d-\d\d *"
_CLOCK = r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?"
LOCAL_TIMESTAMP = rf" *\d{{4}}-\d\d-\d\d{_CLOCK} *"
ZONED_TIMESTAMP = rf" *\d{{4}}-\d\d-\d\d{_CLOCK} ?([Zz]|[+-]\d\d(:?\d\d)?) *"
NUMBER = r" *[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?0*\d{1,3})? *"
_NUMBER_PARTS = r"^ *([+-]?)(\d*)\.?(\d*)[eE]([+-]?\d+) *$"


def screened(table: RequestTable, settings: Settings, texts: str) -> str:
    """SELECT of the table's columns as typed values from a SELECT of them as text, same order."""
    columns = ", ".join(
        f"{_typed(table.kind(column), column, settings)} AS {column}" for column in table.columns
    )
    return f"SELECT {columns} FROM ({texts})"


def problem(table: RequestTable, settings: Settings, column: str, text: str) -> str:
    """SQL that says why a text can't become its column's type; NULL where it can."""
    kind = table.kind(column)
    cases: list[tuple[str, str]] = []
    if not pa.types.is_string(kind):
        cases.append((f"trim({text}) = ''", "blank"))
    if pa.types.is_date(kind):
        timestamp = f"{_is(text, LOCAL_TIMESTAMP)} OR {_is(text, ZONED_TIMESTAMP)}"
        if settings.source_timezone is None:
            cases.append((timestamp, "a timestamp; set ABINTEL_SOURCE_TIMEZONE to take its day"))
        cases.append((f"{_date(text, settings)} IS NULL", "not an ISO calendar date"))
    elif pa.types.is_decimal(kind):
        digits = MONEY_DIGITS - settings.currency_decimals
        cases.append((f"NOT {_is(text, NUMBER)}", "not a number"))
        too_long = f"more than {digits} digits before the point"
        cases.append((f"{_amount(text, settings)} IS NULL", too_long))
    elif pa.types.is_floating(kind):
        cases.append((f"NOT {_is(text, NUMBER)}", "not a number"))
    whens = " ".join(f"WHEN {condition} THEN '{reason}'" for condition, reason in cases)
    return f"(CASE WHEN {text} IS NULL THEN NULL {whens} END)"


def _typed(kind: pa.DataType, text: str, settings: Settings) -> str:
    if pa.types.is_date(kind):
        return _date(text, settings)
    if pa.types.is_decimal(kind):
        return _amount(text, settings)
    if pa.types.is_floating(kind):
        number = f"CASE WHEN {_is(text, NUMBER)} THEN TRY_CAST({text} AS DOUBLE) END"
        return f"CASE WHEN {text} IS NOT NULL THEN coalesce({number}, 'infinity'::DOUBLE) END"
    return text


def _date(text: str, settings: Settings) -> str:
    """The day of a date, or of a timestamp in the source's zone. There was no year 0."""
    zone = settings.source_timezone
    plain = f"WHEN {_is(text, DATE)} THEN TRY_CAST({text} AS DATE)"
    if zone is not None:
        seconds = f"regexp_replace(upper(trim({text})), '[.,][0-9]+', '')"
        joined = rf"regexp_replace({seconds}, ' ([Z+-])', '\1')"
        instant = rf"regexp_replace({joined}, '([+-]\d\d):?(\d\d)$', '\1:\2')"
        plain += (
            f" WHEN {_is(text, LOCAL_TIMESTAMP)} THEN TRY_CAST({seconds} AS TIMESTAMP)::DATE"
            f" WHEN {_is(text, ZONED_TIMESTAMP)}"
            f" THEN timezone('{zone}', TRY_CAST({instant} AS TIMESTAMPTZ))::DATE"
        )
    return f"(CASE WHEN starts_with(ltrim({text}), '0000') THEN NULL {plain} END)"


def _amount(text: str, settings: Settings) -> str:
    decimals = settings.currency_decimals
    money = f"DECIMAL({MONEY_DIGITS}, {decimals})"
    plain = f"TRY_CAST({text} AS {money})"
    value = (
        f"CASE WHEN contains({text}, 'e') OR contains({text}, 'E')"
        f" THEN TRY_CAST({_written_out(text)} AS {money}) ELSE {plain} END"
    )
    smallest = f"-1::{money}" if decimals == 0 else f"'-0.{'0' * (decimals - 1)}1'::{money}"
    below_zero = f"regexp_matches({text}, '^[^eE]*[1-9]')"
    return (
        f"(CASE WHEN NOT {_is(text, NUMBER)} THEN NULL"
        f" WHEN starts_with(ltrim({text}), '-') AND {below_zero} THEN least({value}, {smallest})"
        f" ELSE {value} END)"
    )


def _written_out(text: str) -> str:
    """A number with an exponent as the same number without one."""
    part = [f"regexp_extract({text}, '{_NUMBER_PARTS}', {n})" for n in range(5)]
    digits = f"({part[2]} || {part[3]})"
    point = f"(length({part[2]}) + TRY_CAST({part[4]} AS INTEGER))"
    return (
        f"({part[1]} || CASE WHEN {point} <= 0 THEN '0.' || repeat('0', -{point}) || {digits}"
        f" WHEN {point} >= length({digits})"
        f" THEN {digits} || repeat('0', {point} - length({digits}))"
        f" ELSE {digits}[1:{point}] || '.' || {digits}[{point} + 1:] END)"
    )


def _is(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, '{pattern}')"
