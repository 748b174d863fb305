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


NOISE_PLACES = 12
"""Decimals at which a computed share is taken as meant; its binary noise lies at the 16th."""


def half_up(x: ir.NumericValue, places: int) -> ir.IntegerValue:
    """A number of 0..1 rounded half up, as a whole number of its `places`-th decimal.

    The binary noise of x is removed first, at its 12th decimal: a value that is a tie in decimal
    is treated as one. 0.285 is stored as 0.284999…; half_up(0.285, 2) is 29.
    """
    finer = 10 ** (NOISE_PLACES - places)
    meant = (x * float64(10.0**NOISE_PLACES) + float64(0.5)).floor().cast("int64")
    return ((meant + finer // 2) // finer).cast("int64")


def ratio_half_up(
    numerator: ir.NumericValue, denominator: ir.IntegerValue, *, signed: bool = False
) -> ir.FloatingValue:
    """numerator / denominator rounded half up to a whole number, as float64.

    Both are whole (the numerator integer or decimal(38, 0)) and the denominator is positive. The
    quotient is made whole before it is divided: 91895 cents over 2 visits are 45947.5, rounded
    45948.

    `signed`: the numerator may be negative. A tie is then rounded away from zero, as money is:
    -91895 cents over 2 visits are -45948. (In SQL a remainder has the sign of what is divided.)
    """
    half = ibis.ifelse(numerator < 0, -denominator, denominator) if signed else denominator
    doubled = 2 * numerator + half
    whole = doubled - doubled % (2 * denominator)
    return whole.cast("float64") / (2 * denominator).cast("float64")


def quantile_of_whole(
    q: ir.FloatingValue, units: ir.FloatingValue, places: int
) -> ir.FloatingValue:
    """A quantile of whole numbers, `units` of which are one, rounded half up to `places` decimals.

    `units` is a power of ten. A quantile that is one of the values comes out as exactly that
    value's nearest float64, so that it compares equal to it. The fraction is rounded apart from the
    whole part, which keeps that true for values beyond 2**53 / 10**places too.
    """
    noise = float64(10.0 ** (NOISE_PLACES - places))
    # Of a negative q as well: whichever sign an engine gives the remainder, the two add up to q,
    # and a tie goes up.
    past_whole = q % float64(1.0)
    whole = q - past_whole
    meant = (past_whole * (float64(10.0**NOISE_PLACES) / units) + float64(0.5)).floor() / noise
    fraction = (meant + float64(0.5)).floor()
    scale = float64(10.0**places) / units
    exact = whole * scale + fraction
    return ibis.ifelse(
        exact.abs() < float64(EXACT_WHOLE),
        exact / float64(10.0**places),
        (whole + fraction / scale) / units,
    )


def nearest_whole(x: ir.FloatingValue) -> ir.FloatingValue:
    """The whole number that x is but for binary noise, as float64 and of any size.

    Ibis' own `round` and `floor` are 64-bit integers, which large values overflow; but a float64
    from 2**52 on is whole as it is, and one half more isn't a float64.
    """
    rounded = (x + float64(0.5)).floor().cast("float64")
    return ibis.ifelse(x.abs() < float64(EXACT_WHOLE / 2), rounded, x)
