"""Amounts and products from their texts, compared with Python's decimals."""

import random
from decimal import ROUND_HALF_UP, Decimal, localcontext

import duckdb
import pytest

from abintel_pipeline.engine.sql import Names
from abintel_pipeline.intake.texts.numbers import amount_typed, offer_products
from abintel_pipeline.service.calls.exact_numbers import minor_units
from abintel_pipeline.settings import Settings

MARKS = [(".", None), (",", None), (".", ","), (",", "'"), (",", " "), (".", "'")]
CENT = Decimal("0.01")


def texts(seed: int, mark: str, thousands: str, number: int) -> list[tuple[str, Decimal]]:
    """Numbers as programs write them, and their values."""
    draw = random.Random(seed)
    found = []
    for _ in range(number):
        whole = draw.randrange(10 ** draw.randrange(1, 9))
        grouped = f"{whole:,}".replace(",", thousands) if draw.random() < 0.5 else str(whole)
        digits = "".join(draw.choices("0123456789", k=draw.randrange(5)))
        sign, power, blank = draw.choice(["", "", "", "-"]), draw.choice(["", "", "e1"]), " "
        text = f"{sign}{grouped}{mark if digits else ''}{digits}{power}"
        text += blank if draw.random() < 0.2 else ""
        found.append((text, Decimal(f"{sign}{whole}.{digits or '0'}{power}")))
    return found


def rounded(value: Decimal) -> Decimal:
    """As money, half up; what is below zero stays so."""
    money = value.quantize(CENT, ROUND_HALF_UP)
    return -CENT if value < 0 and not money else money


def amounts(settings: Settings, *columns: list[str]) -> list[Decimal]:
    """What intake makes of texts, or of pairs of them, which are then multiplied."""
    with duckdb.connect() as connection:
        offer_products(connection)
        names = Names()
        typed = amount_typed("c0", settings, names, "c1" if len(columns) > 1 else None)
        texts = ", ".join(f"unnest(${n + 1}) AS c{n}" for n in range(len(columns)))
        rows = connection.execute(
            f"SELECT {typed} FROM ({names.below(f'SELECT {texts}')})", list(columns)
        )
        return [value for (value,) in rows.fetchall()]


@pytest.mark.parametrize(("mark", "thousands"), MARKS)
def test_an_amount_is_what_python_makes_of_its_digits(mark: str, thousands: str | None) -> None:
    settings = Settings(_env_file=None, decimal_mark=mark, thousands_mark=thousands)
    cases = texts(1, mark, settings.thousands, 3_000)
    got = amounts(settings, [text for text, _ in cases])
    assert got == [rounded(value) for _, value in cases]


@pytest.mark.parametrize("decimals", [0, 2, 4])
def test_a_call_rounds_an_amount_as_a_delivery_does(decimals: int) -> None:
    cases = texts(4, ".", "", 3_000)
    got = amounts(Settings(_env_file=None, currency_decimals=decimals), [text for text, _ in cases])
    units = [minor_units(value, decimals) for _, value in cases]
    assert got == [None if n is None else Decimal(n).scaleb(-decimals) for n in units]


@pytest.mark.parametrize(("mark", "thousands"), MARKS)
def test_a_product_is_what_python_makes_of_two_numbers(mark: str, thousands: str | None) -> None:
    settings = Settings(_env_file=None, decimal_mark=mark, thousands_mark=thousands)
    ones, others = (texts(seed, mark, settings.thousands, 3_000) for seed in (2, 3))
    got = amounts(settings, *([t for t, _ in c] for c in (ones, others)))
    with localcontext(prec=60):
        values = [one * other for (_, one), (_, other) in zip(ones, others, strict=True)]
        # One that is too large is rejected, as is whatever is below zero.
        kept = [v if abs(v) < 10**16 else min(v, Decimal(0)) and -CENT for v in values]
        expected = [
            rounded(v) if v or not one else None for v, one in zip(kept, values, strict=True)
        ]
    assert got == expected
