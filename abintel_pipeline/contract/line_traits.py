"""What may be among delivered lines that not every retailer's deliveries have."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True)
class LineTraits:
    """Whether such lines may be among the given ones. True where it isn't known.

    Where a trait is False, the columns that are only there for it aren't read.
    """

    late: bool = True
    """Delivered after their date: only these can replace others."""
    line_ids: bool = True
    """With a number of their own."""
    cancelled: bool = True
    returns: bool = True
    """Of a negative amount."""
    without_order: bool = True
    """Of no `transaction_id`."""
    without_product: bool = True
    """Of no `product_id`."""

    @classmethod
    def of_all(cls, parts: Iterable["LineTraits"]) -> Self:
        """The traits of lines that come in parts; those of no part at all are ORDINARY.

        >>> LineTraits.of_all([]) == ORDINARY
        True
        """
        known = list(parts)
        names = [field.name for field in fields(cls)]
        return cls(**{name: any(getattr(one, name) for one in known) for name in names})


UNKNOWN = LineTraits()
"""Any lines at all."""

ORDINARY = LineTraits(*[False] * len(fields(LineTraits)))
"""Lines on their day, of an order and a product, that were bought and neither taken back."""
