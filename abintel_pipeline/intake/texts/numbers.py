r"""Numbers: amounts as exact decimals, and other numbers.

A number has digits, perhaps the source's decimal mark and marks between its thousands, a sign in
front of it or, as SAP writes it, behind it, and perhaps an exponent. Spaces around it don't count.

- DuckDB rounds long fractions right but loses digits in front of an exponent
  (`0.00000000000000000001e20` became 0), so exponents are written out first.
- Amounts are rounded half up, away from zero, as money is. A negative amount that rounds to zero is
  no zero: it is rejected.
- A product of two columns is exact before it is rounded.
"""

import decimal

import duckdb

from abintel_pipeline.contract.columns import MONEY_DIGITS
from abintel_pipeline.engine.sql import Names, first_case, quoted
from abintel_pipeline.intake.texts.ids import is_missing, missing_cases
from abintel_pipeline.settings import Settings

PRODUCT = "abintel_product"
"""The engine's function for products that its own decimals can't hold."""

_EXPONENT = r"([eE][+-]?0*\d{1,3})?"
_POINTED = rf"[+-]?(\d+(\.\d*)?|\.\d+){_EXPONENT}"
_FACTOR = r"[+-]?\d{1,13}(\.\d{1,6})?"
_FACTOR_TYPE, _DECIMALS = "DECIMAL(19, 6)", 6
_NUMBER_PARTS = r"^([+-]?)(\d*)\.?(\d*)[eE]([+-]?\d+)$"
_ESCAPED = {
    ".": r"\.",
    ",": ",",
    "'": "[''’]",
    " ": r"[ \x{00A0}\x{202F}]",
    "": "",
}
_BLANKS = " \t\u00a0"
_EVERY_DIGIT = decimal.Context(prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)


def pointed(text: str, settings: Settings) -> str:
    """SQL of a number's text with a point and without marks or spaces; null where it is none."""
    bare = f"trim({text}, {quoted(_BLANKS)})"
    if _plain_marks(settings):
        turned = _sign_in_front(bare)
        return f"(CASE WHEN {_is(turned, _POINTED)} THEN {turned} END)"
    mark, thousands = _ESCAPED[settings.decimal_mark], _ESCAPED[settings.thousands]
    whole = rf"(\d{{1,3}}({thousands}\d{{3}})+|\d+)" if thousands else r"\d+"
    digits = rf"({whole}({mark}\d*)?|{mark}\d+)"
    ungrouped = f"regexp_replace({bare}, '{thousands}', '', 'g')" if thousands else bare
    turned = _sign_in_front(f"replace({ungrouped}, {quoted(settings.decimal_mark)}, '.')")
    return f"(CASE WHEN {_is(bare, rf'[+-]?{digits}{_EXPONENT}|{digits}-')} THEN {turned} END)"


def amount_typed(text: str, settings: Settings, names: Names, factor: str | None = None) -> str:
    """SQL of an amount from its text, or from the texts of two factors; null where it is none."""
    if factor is not None:
        return _product_typed(text, factor, settings, names)
    short, digits = _short(text, settings)
    is_short = names(short)
    number = names(f"CASE WHEN NOT {is_short} THEN {pointed(text, settings)} END")
    value = names(f"CASE WHEN {number} IS NOT NULL THEN {_decimal(number, settings)} END")
    typed = _signed(value, _below_zero(number), settings)
    return f"(CASE WHEN {is_short} THEN TRY_CAST({digits} AS {_money(settings)}) ELSE {typed} END)"


def amount_problem(text: str, settings: Settings, names: Names) -> str:
    """SQL of why a text is no amount; null where it is one."""
    number = names(pointed(text, settings))
    cases = [
        *missing_cases(text, settings),
        (f"{number} IS NULL", not_a_number(settings)),
        *_unusable(names(_decimal(number, settings)), settings),
    ]
    return first_case(cases)


def product_problem(
    texts: tuple[str, str], columns: tuple[str, str], settings: Settings, names: Names
) -> str:
    """SQL of why the texts of two columns are no factors of an amount; null where they are."""
    one, other = (names(pointed(text, settings)) for text in texts)
    cases = []
    for name, text, number in zip(columns, texts, (one, other), strict=True):
        cases.append((is_missing(text, settings), f"{name} is missing"))
        cases.append((f"{number} IS NULL", f"{name} is {not_a_number(settings)}"))
    return first_case([*cases, *_unusable(names(_product(one, other, settings)), settings)])


def number_typed(text: str, settings: Settings) -> str:
    """SQL of a number as float64; infinity, which the model rejects, where a text is none."""
    number = f"TRY_CAST({pointed(text, settings)} AS DOUBLE)"
    given = f"coalesce({number}, 'infinity'::DOUBLE)"
    return f"(CASE WHEN NOT {is_missing(text, settings)} THEN {given} END)"


def number_problem(text: str, settings: Settings) -> str:
    """SQL of why a text is no number; null where it is one, or where none is there."""
    other = f"NOT {is_missing(text, settings)} AND {pointed(text, settings)} IS NULL"
    return first_case([(other, not_a_number(settings))])


def not_a_number(settings: Settings) -> str:
    """What is told of a text that is no number."""
    if _plain_marks(settings):
        return "not a number"
    return f"not a number with {settings.decimal_mark!r} before its decimals".replace("'", '"')


def offer_products(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the function for long products known to the engine, once."""
    known = "SELECT 1 FROM duckdb_functions() WHERE function_name = ?"
    if not connection.execute(known, [PRODUCT]).fetchall():
        connection.create_function(PRODUCT, exact_product, ["VARCHAR", "VARCHAR"], "VARCHAR")


def exact_product(one: str, other: str) -> str:
    """The product of two numbers, every digit of it.

    >>> exact_product("6", "22.200000000000003")
    '133.200000000000018'
    """
    with decimal.localcontext(_EVERY_DIGIT):
        return f"{decimal.Decimal(one) * decimal.Decimal(other):f}"


def _short(text: str, settings: Settings, decimals: int = 2) -> tuple[str, str]:
    """SQL of whether a text is what nearly all numbers are, and its digits with a point."""
    mark, thousands = settings.decimal_mark, settings.thousands
    whole, digits = "[0-9]{1,12}", text
    if thousands:
        between = "''" if thousands == "'" else f"[{thousands}]"
        whole = f"({whole}|[0-9]{{1,3}}({between}[0-9]{{3}}){{1,3}})"
        digits = f"replace({digits}, {quoted(thousands)}, '')"
    if mark != ".":
        digits = f"replace({digits}, {quoted(mark)}, '.')"
    return _is(text, f"{whole}({_ESCAPED[mark]}[0-9]{{1,{decimals}}})?"), digits


def _product_typed(text: str, factor: str, settings: Settings, names: Names) -> str:
    (short, digits), (too, by) = (_short(t, settings, _DECIMALS) for t in (text, factor))
    are_short = names(f"{short} AND {too}")
    one, other = (
        names(f"CASE WHEN NOT {are_short} THEN {pointed(t, settings)} END") for t in (text, factor)
    )
    signs = f"starts_with({one}, '-') <> starts_with({other}, '-')"
    below_zero = f"({signs} AND {_not_zero(one)} AND {_not_zero(other)})"
    there = f"{one} IS NOT NULL AND {other} IS NOT NULL"
    any_signs = names(f"CASE WHEN {there} THEN {_product(one, other, settings)} END")
    typed = _signed(any_signs, below_zero, settings)
    product = f"TRY_CAST({digits} AS {_FACTOR_TYPE}) * TRY_CAST({by} AS {_FACTOR_TYPE})"
    cast = f"TRY_CAST({product} AS {_money(settings)})"
    return f"(CASE WHEN {are_short} THEN {cast} ELSE {typed} END)"


def _product(one: str, other: str, settings: Settings) -> str:
    """DuckDB's decimals hold 19 times 19 digits; what has more is multiplied in Python."""
    fits = f"{_is(one, _FACTOR)} AND {_is(other, _FACTOR)}"
    short = f"({one}::{_FACTOR_TYPE} * {other}::{_FACTOR_TYPE})"
    return (
        f"(CASE WHEN {fits} THEN TRY_CAST({short} AS {_money(settings)})"
        f" ELSE TRY_CAST({PRODUCT}({one}, {other}) AS {_money(settings)}) END)"
    )


def _signed(value: str, below_zero: str, settings: Settings) -> str:
    """A negative amount never becomes zero: it stays negative, or there is none."""
    smallest = f"-{_smallest(settings)}"
    if settings.returns == "net":
        return f"(CASE WHEN {below_zero} AND {value} = 0 THEN NULL ELSE {value} END)"
    return f"(CASE WHEN {below_zero} THEN least({value}, {smallest}) ELSE {value} END)"


def _unusable(value: str, settings: Settings) -> list[tuple[str, str]]:
    """Cases of a number that is no amount, given its value without regard to its sign."""
    digits = MONEY_DIGITS - settings.currency_decimals
    cases = [(f"{value} IS NULL", f"more than {digits} digits before the point")]
    if settings.returns == "net":
        cases.append((f"{value} = 0", "a return that rounds to zero"))
    return cases


def _decimal(number: str, settings: Settings) -> str:
    money = _money(settings)
    return (
        f"(CASE WHEN contains({number}, 'e') OR contains({number}, 'E')"
        f" THEN TRY_CAST({_written_out(number)} AS {money}) ELSE TRY_CAST({number} AS {money}) END)"
    )


def _money(settings: Settings) -> str:
    return f"DECIMAL({MONEY_DIGITS}, {settings.currency_decimals})"


def _smallest(settings: Settings) -> str:
    decimals = settings.currency_decimals
    text = "1" if decimals == 0 else f"0.{'0' * (decimals - 1)}1"
    return f"'{text}'::{_money(settings)}"


def _below_zero(number: str) -> str:
    return f"(starts_with({number}, '-') AND {_not_zero(number)})"


def _not_zero(number: str) -> str:
    return f"regexp_matches({number}, '^[^eE]*[1-9]')"


def _written_out(number: str) -> str:
    """A number with an exponent as the same number without one."""
    part = [f"regexp_extract({number}, '{_NUMBER_PARTS}', {n})" for n in range(5)]
    digits = f"({part[2]} || {part[3]})"
    point = f"(length({part[2]}) + TRY_CAST({part[4]} AS INTEGER))"
    return (
        f"({part[1]} || CASE WHEN {point} <= 0 THEN '0.' || repeat('0', -{point}) || {digits}"
        f" WHEN {point} >= length({digits})"
        f" THEN {digits} || repeat('0', {point} - length({digits}))"
        f" ELSE {digits}[1:{point}] || '.' || {digits}[{point} + 1:] END)"
    )


def _sign_in_front(number: str) -> str:
    return f"(CASE WHEN ends_with({number}, '-') THEN '-' || {number}[:-2] ELSE {number} END)"


def _plain_marks(settings: Settings) -> bool:
    return settings.decimal_mark == "." and not settings.thousands


def _is(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, '{pattern}')"
