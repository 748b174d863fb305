"""A range of snapshots, and what changes in it."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import cast

import ibis
import ibis.expr.types as ir

from abintel_pipeline.metrics.in_force import window_start


@dataclass(frozen=True)
class SnapshotRange:
    """A range of snapshots, first and last day included, and the length of their windows."""

    first: date
    last: date
    history_days: int

    def lines(self, delivered: ir.Table) -> ir.Table:
        """The lines that are in force on some day of the span unless another supersedes them."""
        return delivered.filter(
            delivered.delivered_on <= self.last,
            delivered.date >= window_start(self.first, self.history_days),
            days_between(delivered.date, delivered.delivered_on) < self.history_days,
        )

    def presence(self, rows: ir.Table, enters: ir.DateValue, **values: ir.NumericValue) -> ir.Table:
        """Changes of values that count from the day `enters` until `date` leaves the window.

        One row for each of `rows` and another for each that leaves within the span.
        """
        taken_back = {name: -value for name, value in values.items()}
        entering = rows.select(
            "customer_id", "date", day=ibis.greatest(enters, ibis.literal(self.first)), **values
        )
        gone = rows.filter(rows.date <= self.last - timedelta(days=self.history_days))
        return ibis.union(
            entering, gone.select("customer_id", "date", day=self.out(gone.date), **taken_back)
        )

    def out(self, day: ir.DateValue) -> ir.DateValue:
        """The day on which a day falls out of the window."""
        # An interval added to a date is a timestamp in DuckDB, whatever Ibis takes it for.
        later = day.cast("timestamp") + ibis.interval(days=self.history_days)
        return cast(ir.DateValue, later.cast("date"))


def days_between(start: ir.DateValue, end: ir.DateValue) -> ir.IntegerValue:
    return cast(ir.IntegerValue, end.delta(start, unit="day"))


def one_each() -> ir.IntegerScalar:
    return ibis.literal(1, "int64")
