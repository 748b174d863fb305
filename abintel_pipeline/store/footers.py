"""What the footers of raw files tell about their lines: it costs no scan."""

from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from abintel_pipeline.contract.line_traits import LineTraits
from abintel_pipeline.store.proofs import read_footer

TOLD_BY = ("date", "line_id", "cancelled", "amount", "transaction_id", "product_id")


def line_traits(path: Path, day: date) -> LineTraits:
    """What is among the lines delivered on a day, by the statistics of their file's columns.

    What isn't certain may be there. A file of an earlier version of the table has no column of
    what can't be among its lines.
    """
    columns = _statistics(path, TOLD_BY)

    def some(name: str, told: Callable[[pq.Statistics], bool]) -> bool:
        return any(group is None or told(group) for group in columns[name])

    return LineTraits(
        late=some("date", lambda known: _lowest(known, below=day)),
        line_ids=some("line_id", lambda known: known.num_values > 0),
        cancelled=some("cancelled", lambda known: not known.has_min_max or bool(known.max)),
        returns=some("amount", lambda known: _lowest(known, below=0)),
        without_order=some("transaction_id", _may_be_null),
        without_product=some("product_id", _may_be_null),
    )


def spread(path: Path, column: str, unknown: tuple[date, date]) -> tuple[date, date] | None:
    """Smallest and largest value of a date column; None without rows.

    `unknown` where the footer has no such statistics.
    """
    groups = _statistics(path, [column])[column]
    if not groups:
        return None
    known = [group for group in groups if group is not None and group.has_min_max]
    if len(known) < len(groups):
        return unknown
    return min(group.min for group in known), max(group.max for group in known)


def _statistics(path: Path, columns: Iterable[str]) -> dict[str, list[pq.Statistics | None]]:
    """{column: its statistics in each row group}; none of a column that the file doesn't have."""
    footer = read_footer(path)
    places = {name: place for place, name in enumerate(footer.schema.names)}
    every = (footer.row_group(number) for number in range(footer.num_row_groups))
    groups = [group for group in every if group.num_rows]
    return {
        name: [group.column(places[name]).statistics for group in groups] if name in places else []
        for name in columns
    }


def _lowest(known: pq.Statistics, below: Any) -> bool:
    """Whether the smallest value may lie below that."""
    return not known.has_min_max or bool(known.min < below)


def _may_be_null(known: pq.Statistics) -> bool:
    return not known.has_null_count or known.null_count > 0
