"""The formulas on plain rows: every step run on its own, so that each is tested on its own."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow
from hypothesis import HealthCheck, settings
from ibis.backends.duckdb import Backend

from abintel_pipeline.contract.columns import MONEY_DIGITS, Table
from abintel_pipeline.contract.customers import RAW_CUSTOMERS
from abintel_pipeline.contract.features import CUSTOMER_FEATURES
from abintel_pipeline.contract.line_traits import UNKNOWN, LineTraits
from abintel_pipeline.contract.loyalty import CUSTOMER_LOYALTY, LOYALTY_SUMMARY
from abintel_pipeline.contract.rfm import CUSTOMER_RFM, RFM_THRESHOLDS
from abintel_pipeline.contract.transactions import RAW_TRANSACTIONS
from abintel_pipeline.engine.connection import bind_day, native
from abintel_pipeline.metrics.features import customer_features
from abintel_pipeline.metrics.in_force import lines_in_force
from abintel_pipeline.metrics.loyalty import customer_loyalty, loyalty_summary
from abintel_pipeline.metrics.rfm import customer_rfm, rfm_cuts, rfm_thresholds
from abintel_pipeline.rules import Rules

Row = dict[str, Any]

DEFAULTS: Row = {
    "snapshot_date": date(2025, 4, 24),
    "purchase_total": 10.0,
    "visit_frequency": 1,
    "avg_ticket": 10.0,
    "product_diversity": 1,
    "loyalty_score": 0.0,
    "recency_days": 0,
}


PLAIN: Row = {"line_id": None, "cancelled": False}
"""What a delivered line is unless it says so."""

THOROUGH = "thorough"
"""The Hypothesis profile of `make test-slow`."""


def reproducible(max_examples: int) -> settings:
    """Hypothesis settings of a test that runs an engine: the same examples in every run.

    Compiling a formula takes most of an example's time, so the everyday suite tries a tenth of
    them.
    """
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    thorough = settings.get_current_profile_name() == THOROUGH
    return settings(
        max_examples=max_examples if thorough else -(-max_examples // 10),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=slow,
    )


def feature_row(customer_id: str, **values: Any) -> Row:
    """One row of customer_features, unremarkable but for the values given."""
    return DEFAULTS | {"customer_id": customer_id} | values


def _float(value: Any) -> Any:
    return float(value) if isinstance(value, Fraction | Decimal) else value


def traits_of(lines: list[Row]) -> LineTraits:
    """What is among the lines, and no more."""
    return LineTraits(
        late=any(line["date"] < line["delivered_on"] for line in lines),
        line_ids=any(line["line_id"] is not None for line in lines),
        cancelled=any(line["cancelled"] for line in lines),
        returns=any(line["amount"] < 0 for line in lines),
        without_order=any(line["transaction_id"] is None for line in lines),
        without_product=any(line["product_id"] is None for line in lines),
    )


def lines_schema(decimals: int) -> pyarrow.Schema:
    place = RAW_TRANSACTIONS.schema.get_field_index("amount")
    money = pyarrow.field("amount", pyarrow.decimal128(MONEY_DIGITS, decimals), nullable=False)
    return RAW_TRANSACTIONS.schema.set(place, money)


class Formulas:
    """`abintel_pipeline.metrics`, rows in, rows out; results sorted by their table's order."""

    def __init__(self, connection: Backend) -> None:
        self.connection = connection

    def in_force(
        self,
        lines: Iterable[Row],
        today: date,
        history_days: int,
        *,
        traits: LineTraits = UNKNOWN,
    ) -> list[Row]:
        result = lines_in_force(self.lines(lines, 2), today, history_days, traits=traits)
        return self.connection.to_pyarrow(result).to_pylist()

    def features(
        self,
        lines: Iterable[Row],
        customers: Iterable[Row],
        today: date,
        rules: Rules,
        *,
        traits: LineTraits = UNKNOWN,
    ) -> list[Row]:
        table = self.lines(lines, rules.currency_decimals)
        counted = lines_in_force(table, today, rules.history_days, traits=traits)
        known = self.memtable(customers, RAW_CUSTOMERS.schema)
        made = customer_features(counted, known, today, rules, traits=traits)
        return self.rows(made, CUSTOMER_FEATURES)

    def loyalty(self, cohort: Iterable[Row], rules: Rules) -> list[Row]:
        return self.rows(customer_loyalty(self._features(cohort), rules), CUSTOMER_LOYALTY)

    def summary(self, cohort: Iterable[Row], scored: Iterable[Row], rules: Rules) -> list[Row]:
        loyalty = self.memtable(scored, CUSTOMER_LOYALTY.schema)
        return self.rows(loyalty_summary(self._features(cohort), loyalty, rules), LOYALTY_SUMMARY)

    def rfm(self, cohort: Iterable[Row], scored: Iterable[Row], rules: Rules) -> list[Row]:
        loyalty = self.memtable(scored, CUSTOMER_LOYALTY.schema)
        return self.rows(customer_rfm(self._features(cohort), loyalty, rules), CUSTOMER_RFM)

    def thresholds(self, cohort: Iterable[Row], rules: Rules) -> list[Row]:
        cuts = rfm_cuts(self._features(cohort), rules)
        return self.rows(rfm_thresholds(cuts, rules), RFM_THRESHOLDS)

    def scored(self, cohort: list[Row], rules: Rules) -> list[Row]:
        """The rows of customer_rfm, loyalty computed on the way."""
        return self.rfm(cohort, self.loyalty(cohort, rules), rules)

    def lines(self, lines: Iterable[Row], decimals: int) -> ir.Table:
        full = [PLAIN | line for line in lines]
        return self.memtable(full, lines_schema(decimals), keep_decimals=True)

    def _features(self, cohort: Iterable[Row]) -> ir.Table:
        return self.memtable(cohort, CUSTOMER_FEATURES.schema)

    def memtable(
        self, rows: Iterable[Row], schema: pyarrow.Schema, *, keep_decimals: bool = False
    ) -> ir.Table:
        if not keep_decimals:
            rows = [{name: _float(value) for name, value in row.items()} for row in rows]
        return ibis.memtable(pyarrow.Table.from_pylist(list(rows), schema=schema))

    def rows(self, result: ir.Table, table: Table) -> list[Row]:
        """The result's rows, whose columns and types must be the contract's."""
        return self._of_contract(self.connection.to_pyarrow(result), table)

    def rows_of_days(self, result: ir.Table, days: Iterable[date], table: Table) -> list[Row]:
        """The rows of a query on the `bound_day`, compiled once and run for each of the days."""
        query, schema = self.connection.compile(result), result.schema().to_pyarrow()
        duckdb = native(self.connection)
        parts = []
        for day in days:
            bind_day(duckdb, day)
            parts.append(duckdb.sql(query).to_arrow_table().cast(schema))
        return self._of_contract(pyarrow.concat_tables(parts), table)

    def _of_contract(self, published: pyarrow.Table, table: Table) -> list[Row]:
        assert set(published.column_names) == set(table.schema.names), table.name
        for field in table.schema:
            assert published.schema.field(field.name).type == field.type, field.name
        by_snapshot = ("snapshot_date", *table.order)
        return sorted(
            published.to_pylist(), key=lambda row: tuple(row[name] for name in by_snapshot)
        )
