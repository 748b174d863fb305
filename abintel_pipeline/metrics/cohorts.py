"""Figures of a whole cohort beside each of its customers."""

from collections.abc import Mapping
from typing import TypeAlias

import ibis.expr.types as ir

Figures: TypeAlias = ir.Table | Mapping[str, ir.Value]
"""One row per snapshot_date; or of a single cohort, its figures as scalars by name.

Scalars need no join, after which an engine gives the rows in any order it likes.
"""


def beside(rows: ir.Table, figures: Figures) -> ir.Table:
    """The rows, each with its cohort's figures."""
    if isinstance(figures, ir.Table):
        return rows.join(figures, "snapshot_date")
    return rows.mutate(**figures)
