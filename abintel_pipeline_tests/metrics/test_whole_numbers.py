"""The functions of `rounding`, each on numbers worked by hand."""

from decimal import Decimal

import ibis
import pyarrow as pa
import pytest

from abintel_pipeline.metrics.rounding import (
    float64,
    half_up,
    nearest_whole,
    quantile_of_whole,
    ratio_half_up,
)
from abintel_pipeline_tests.metrics.running import Formulas


def evaluated(formulas: Formulas, value: ibis.Value) -> pa.ChunkedArray:
    return formulas.connection.to_pyarrow(value)


@pytest.mark.parametrize("x", [0.3, 0.1, 1.0, 1e300, -2.5e-7])
def test_a_float_is_one_of_64_bits_in_the_engine_too(formulas: Formulas, x: float) -> None:
    assert float64(x).type() == ibis.dtype("float64")
    assert evaluated(formulas, float64(x).typeof()).as_py() == "DOUBLE"
    assert evaluated(formulas, float64(x)).as_py() == x


@pytest.mark.parametrize(
    ("x", "places", "expected"),
    [
        (0.285, 2, 29),  # stored as 0.284999…
        (0.2849, 2, 28),
        (0.2850000000004, 2, 29),
        (0.28499999999951, 2, 29),  # noise at the 13th decimal
        (0.28499999999949, 2, 28),  # 0.284999999999 is meant
        (0.0, 4, 0),
        (1.0, 4, 10_000),
        (0.99995, 4, 10_000),
        (0.99994, 4, 9_999),
        (0.00005, 4, 1),
        (0.5, 0, 1),
    ],
)
def test_a_share_is_rounded_half_up_once_its_noise_is_gone(
    formulas: Formulas, x: float, places: int, expected: int
) -> None:
    rows = ibis.memtable({"x": [x]})
    made = evaluated(formulas, half_up(rows.x, places))
    assert made.type == pa.int64()
    assert made.to_pylist() == [expected]


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        (91895, 2, 45948.0),
        (91893, 2, 45947.0),
        (7, 3, 2.0),
        (8, 3, 3.0),
        (0, 5, 0.0),
        (1, 1, 1.0),
        (5, 10, 1.0),
        (4, 10, 0.0),
        (10**20, 1, 1e20),
    ],
)
def test_a_ratio_is_rounded_half_up(
    formulas: Formulas, numerator: int, denominator: int, expected: float
) -> None:
    whole = pa.array([Decimal(numerator)], pa.decimal128(38, 0))
    rows = ibis.memtable(pa.table({"n": whole, "d": [denominator]}))
    for signed in (False, True):
        made = evaluated(formulas, ratio_half_up(rows.n, rows.d, signed=signed))
        assert made.type == pa.float64()
        assert made.to_pylist() == [expected]


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [(-91895, 2, -45948.0), (-7, 3, -2.0), (-8, 3, -3.0), (-5, 10, -1.0), (-4, 10, 0.0)],
)
def test_a_ratio_below_zero_is_rounded_away_from_zero(
    formulas: Formulas, numerator: int, denominator: int, expected: float
) -> None:
    rows = ibis.memtable({"n": [numerator], "d": [denominator]})
    made = evaluated(formulas, ratio_half_up(rows.n, rows.d, signed=True))
    assert made.to_pylist() == [expected]


@pytest.mark.parametrize(
    ("q", "units", "places", "expected"),
    [
        (2.5, 1.0, 6, 2.5),
        (250.0, 100.0, 6, 2.5),
        (2.0000005, 1.0, 6, 2.000001),
        (2.0000004, 1.0, 6, 2.0),
        (1.00000049999951, 1.0, 6, 1.000001),  # noise at the 13th decimal
        (1.0000004999, 1.0, 6, 1.0),
        (1.000000499999, 1.0, 6, 1.0),  # the 12th decimal is meant
        (100.00005, 100.0, 6, 1.000001),
        (100.00004, 100.0, 6, 1.0),
        (33.333333333333336, 100.0, 6, 0.333333),
        (66.66666666666667, 1.0, 6, 66.666667),
        (7.5, 1.0, 0, 8.0),
        (7.25, 1.0, 1, 7.3),
        (-2.5, 1.0, 6, -2.5),
        (-7.5, 1.0, 0, -7.0),  # a tie goes up
        (-2.0000005, 1.0, 6, -2.0),
        (0.0, 1.0, 6, 0.0),
        (9007199254.5, 1.0, 6, 9007199254.5),
        (9007199254740991.0, 1.0, 6, 9007199254740991.0),
        (9007199254740993.0, 100.0, 6, 90071992547409.92),
        (1e19, 100.0, 6, 1e17),
        (-1e19, 100.0, 6, -1e17),
        (4503599627370495.5, 100.0, 6, 45035996273704.955),
    ],
)
def test_a_quantile_of_whole_numbers_is_rounded_half_up_in_units(
    formulas: Formulas, q: float, units: float, places: int, expected: float
) -> None:
    rows = ibis.memtable({"q": [q], "units": [units]})
    made = evaluated(formulas, quantile_of_whole(rows.q, rows.units, places))
    assert made.type == pa.float64()
    assert made.to_pylist() == [expected]


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (2.0000000001, 2.0),
        (1.9999999999, 2.0),
        (2.4999, 2.0),
        (2.5, 3.0),
        (-3.0000000001, -3.0),
        (-2.9999999999, -3.0),
        (0.0, 0.0),
        (3200000000000000.5, 3200000000000001.0),
        (4503599627370496.0, 4503599627370496.0),
        (4503599627370497.0, 4503599627370497.0),  # from 2**52 on x + 0.5 isn't a float64
        (9007199254740991.0, 9007199254740991.0),
        (9007199254740992.0, 9007199254740992.0),
        (9007199254740994.0, 9007199254740994.0),
        (-9007199254740992.0, -9007199254740992.0),
        (1e300, 1e300),
    ],
)
def test_the_whole_number_of_a_float_is_the_nearest(
    formulas: Formulas, x: float, expected: float
) -> None:
    made = evaluated(formulas, nearest_whole(ibis.memtable({"x": [x]}).x))
    assert made.type == pa.float64()
    assert made.to_pylist() == [expected]
