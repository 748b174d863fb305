"""Turns a request's JSON numbers into the contract's types, exactly.

A number that can't become its type is named by its row; in its place stands one that the model
accepts, so that it isn't named twice.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from abintel_pipeline.contract.columns import MONEY_DIGITS
from abintel_pipeline.service.calls.decoding import Chunk, DecodedRequest

Floats = np.ndarray[Any, np.dtype[np.float64]]
Wholes = np.ndarray[Any, np.dtype[np.int64]]
Rows = np.ndarray[Any, np.dtype[np.intp]]

_SAFE = 2.0**50
"""Below it no text that rounds to another number of cents is read as the same float64."""

LARGEST_WHOLE = 2**53
"""From here on a float64 doesn't tell a whole number from its neighbours."""


def amounts(request: DecodedRequest, chunk: Chunk, decimals: int) -> tuple[pa.Array, Rows]:
    """`amount` as decimal(18, decimals), half up as it is written; the rows that are too large.

    A float64 that is the nearest to a number of cents was written as a text that rounds to it.
    Where one isn't, as in 0.285 at two decimals, the text itself is looked at: as binary number it
    is less than 0.285 and would be rounded down. A negative amount never becomes zero.
    """
    values: Floats = chunk.rows["amount"].to_numpy()
    with np.errstate(over="ignore"):
        units = np.rint(values * 10**decimals)
        exact = (np.abs(units) < _SAFE) & (units / 10**decimals == values)
    whole: Wholes = np.where(exact, units, 0).astype(np.int64)
    too_large = []
    for owner in np.unique(chunk.owners[~exact]):
        written = request.exact_amounts(chunk.first + int(owner))
        for row, amount in enumerate(written, int(chunk.starts[owner])):
            units_written = minor_units(amount, decimals)
            if units_written is None:
                too_large.append(row)
            else:
                whole[row] = units_written
    return _decimals(whole, decimals), np.array(too_large, dtype=np.intp)


def minor_units(amount: Decimal, decimals: int) -> int | None:
    """The amount in units of its last decimal, half up; None beyond 18 digits.

    >>> minor_units(Decimal("0.285"), 2), minor_units(Decimal("-0.001"), 2)
    (29, -1)
    """
    if amount and amount.adjusted() >= MONEY_DIGITS - decimals:
        return None
    units = int(amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP).scaleb(decimals))
    if amount < 0:
        return min(units, -1)
    return units if units < 10**MONEY_DIGITS else None


def money(chunk: Chunk, column: str, decimals: int) -> tuple[pa.Array, Rows]:
    """A column of currency units, and the rows with more digits than money has."""
    values: Floats = chunk.rows[column].to_numpy()
    wrong = np.abs(values) >= 10.0 ** (MONEY_DIGITS - decimals)
    return pa.array(np.where(wrong, 0.0, values)), np.flatnonzero(wrong)


def whole_numbers(chunk: Chunk, column: str, kind: pa.DataType) -> tuple[pa.Array, Rows]:
    """A column as whole numbers, and the rows that are none, or too large to be told apart."""
    values: Floats = chunk.rows[column].to_numpy()
    wrong = (np.floor(values) != values) | (np.abs(values) >= largest(kind))
    return pa.array(np.where(wrong, 1.0, values).astype(np.int64)).cast(kind), np.flatnonzero(wrong)


def largest(kind: pa.DataType) -> int:
    """The number that a whole number of that type has to stay below."""
    return min(LARGEST_WHOLE, int(2 ** (kind.bit_width - 1)))


def _decimals(whole: Wholes, decimals: int) -> pa.Array:
    """Whole numbers of minor units as decimal(18, decimals), without a detour over text."""
    halves = np.column_stack([whole, whole >> 63])  # 128 bits, the low half first
    kind = pa.decimal128(MONEY_DIGITS, decimals)
    return pa.Array.from_buffers(kind, len(whole), [None, pa.py_buffer(halves)])
