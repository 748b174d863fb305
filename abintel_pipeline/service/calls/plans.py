"""Each call's formulas, compiled once per set of rules: named SQL steps over named tables.

Building and compiling the Ibis expressions of a call takes 20 to 120 ms, so that is done once for
every set of rules that is asked for. A plan knows no request: customers are numbered as they were
sent, and days are counted so that every request's `today` is the same day.
"""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from abintel_pipeline.contract import CUSTOMER_FEATURES
from abintel_pipeline.contract.columns import MONEY_DIGITS
from abintel_pipeline.contract.line_traits import ORDINARY
from abintel_pipeline.metrics.features import customer_features
from abintel_pipeline.metrics.loyalty import customer_loyalty, loyalty_bounds, loyalty_summary
from abintel_pipeline.metrics.rfm import rfm_cuts, rfm_metric_cuts, rfm_scores, rfm_thresholds
from abintel_pipeline.rules import Rules

REFERENCE_DAY = date(2000, 1, 1)
"""Every request's `today`: only differences of days count, and the compiled SQL holds the day."""

KEPT_PLANS = 256
"""Of each call, the latest that were asked for; one takes 0.1 MB, and 0.1 s to be made again."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Tables that are given, steps that each make another of them and of earlier steps, results.

    Steps and results are SQL by name.
    """

    given: dict[str, pa.Schema]
    steps: dict[str, str]
    results: dict[str, str]


class _Steps:
    """A plan in the making."""

    def __init__(self) -> None:
        self._given: dict[str, pa.Schema] = {}
        self._steps: dict[str, str] = {}

    def given(self, name: str, schema: pa.Schema) -> ir.Table:
        self._given[name] = schema
        return ibis.table(ibis.schema(schema), name=name)

    def add(self, name: str, rows: ir.Table) -> ir.Table:
        """One more step; what it returns is its table, for the steps after it."""
        self._steps[name] = ibis.duckdb.compile(rows)
        return ibis.table(rows.schema(), name=name)

    def plan(self, **results: ir.Table) -> Plan:
        compiled = {name: ibis.duckdb.compile(rows) for name, rows in results.items()}
        return Plan(self._given, self._steps, compiled)


def features_plan(rules: Rules, *, orders_only: bool = False) -> Plan:
    """`lines` and `customers` in, `features` out: by customer, as they are numbered.

    `orders_only`: an order has neither id nor products, as in the RFM call; then its row's number
    stands for both.
    """
    return _features_plan(rules.currency_decimals, orders_only)


@lru_cache
def _features_plan(currency_decimals: int, orders_only: bool) -> Plan:
    rules, steps = Rules(currency_decimals=currency_decimals), _Steps()
    text = pa.int64() if orders_only else pa.string()
    lines = {
        "customer_id": pa.int64(),
        "transaction_id": text,
        "date": pa.date32(),
        "amount": pa.decimal128(MONEY_DIGITS, currency_decimals),
        "product_id": text,
    }
    scores = {
        "customer_id": pa.int64(),
        "loyalty_score": pa.float64(),
        "delivered_on": pa.date32(),
    }
    features = customer_features(
        steps.given("lines", pa.schema(lines)),
        steps.given("customers", pa.schema(scores)),
        REFERENCE_DAY,
        rules,
        traits=ORDINARY,
    )
    return steps.plan(features=features.order_by("customer_id"))


def loyalty_plan(rules: Rules) -> Plan:
    """`features` in, `loyalty` (by customer) and `summary` out."""
    return _loyalty_plan(rules.as_json())


@lru_cache(KEPT_PLANS)
def _loyalty_plan(rules_json: str) -> Plan:
    rules, steps = Rules.model_validate_json(rules_json), _Steps()
    features = _given_features(steps)
    bounds = steps.add("bounds", loyalty_bounds(features, rules))
    loyalty = steps.add("loyalty", customer_loyalty(features, rules, bounds=bounds))
    summary = loyalty_summary(features, loyalty, rules, bounds=bounds)
    shown = ("mean_score", "median_score", "top_decile_threshold", "segment_counts")
    return steps.plan(loyalty=loyalty.order_by("customer_id"), summary=summary.select(*shown))


def rfm_plan(rules: Rules) -> Plan:
    """`features` in, `rfm` (by customer) and `thresholds` (by metric and position) out."""
    return _rfm_plan(rules.bins, rules.currency_decimals)


@lru_cache(KEPT_PLANS)
def _rfm_plan(bins: int, currency_decimals: int) -> Plan:
    rules, steps = Rules(bins=bins, currency_decimals=currency_decimals), _Steps()
    features = _given_features(steps)
    of_metrics = steps.add("metric_cuts", rfm_metric_cuts(features, rules))
    cuts = steps.add("cuts", rfm_cuts(features, rules, metric_cuts=of_metrics))
    return steps.plan(
        rfm=rfm_scores(features, rules, cuts=cuts).order_by("customer_id"),
        thresholds=rfm_thresholds(cuts, rules).order_by("metric", "position"),
    )


def _given_features(steps: _Steps) -> ir.Table:
    """The features table of the contract, with customers numbered."""
    schema = CUSTOMER_FEATURES.schema
    number = schema.get_field_index("customer_id")
    return steps.given("features", schema.set(number, pa.field("customer_id", pa.int64())))
