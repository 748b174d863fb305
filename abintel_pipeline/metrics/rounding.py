"""Exact decimals out of binary numbers.

Whatever is published as a decimal is computed on whole numbers of its last decimal place, so that
neither the order of an addition nor an engine's own rounding can move it.
"""

import ibis
import ibis.expr.types as ir

EXACT_WHOLE = 2.0**53
"""Below it every whole number is a float64."""


def float64(x: float) -> ir.FloatingScalar:
    """x as a 64-bit float in every engine.

    Ibis writes a float literal as plain digits, which DuckDB reads as DECIMAL: a column of 0.3
    would be published as decimal, or as 0.30000000000000004 once Arrow has converted it.
    """
    return ibis.literal(repr(float(x))).cast("float64")


def half_up(x: ir.NumericValue, places: int) -> ir.IntegerValue:
    """x rounded half up, as a whole number of its `places`-th decimal.

    The binary noise of x (a few units of its 16th digit) is removed first: a value that is a tie
    in decimal is treated as one. For |x| * 10**places up to 10**11.

    0.285 is stored as 0.284999…; half_up(0.285, 2) is 29.
    """
    scaled = (x * 10.0**places * 10_000 + 0.5).floor().cast("int64")
    return _whole_quotient(scaled + 5_000, 10_000)


def ratio_half_up(numerator: ir.IntegerValue, denominator: ir.IntegerValue) -> ir.IntegerValue:
    """numerator / denominator rounded half up, both whole and the denominator positive.

    91895 cents over 2 visits are 45947.5, rounded 45948.
    """
    return _whole_quotient(2 * numerator + denominator, 2 * denominator)


def quantile_of_whole(q: ir.FloatingValue, decimals: int, places: int) -> ir.FloatingValue:
    """A quantile of whole numbers, each worth 10**-decimals, rounded half up to `places` decimals.

    A quantile that is one of the values comes out as exactly that value's nearest float64, so that
    it compares equal to it. The fraction is rounded apart from the whole part, which keeps that
    true for values beyond 2**53 / 10**places too.
    """
    scale = 10.0 ** (places - decimals)
    whole = q.floor()
    fraction = ((q - whole) * scale + 0.5).floor()
    exact = whole * scale + fraction
    return ibis.ifelse(
        exact.abs() < EXACT_WHOLE,
        exact / 10.0**places,
        (whole + fraction / scale) / 10.0**decimals,
    )


def _whole_quotient(
    numerator: ir.IntegerValue, denominator: ir.IntegerValue | int
) -> ir.IntegerValue:
    return (numerator // denominator).cast("int64")
