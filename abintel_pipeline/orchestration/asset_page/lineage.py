"""Which columns a column is computed from, as the Dagster UI draws it."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from abintel_pipeline.contract import (
    CUSTOMER_FEATURES,
    CUSTOMER_LOYALTY,
    CUSTOMER_RFM,
    LOYALTY_SUMMARY,
    RAW_CUSTOMERS,
    RAW_TRANSACTIONS,
    RFM_THRESHOLDS,
)
from abintel_pipeline.rules import METRICS

TRANSACTIONS, CUSTOMERS = RAW_TRANSACTIONS.name, RAW_CUSTOMERS.name
FEATURES, LOYALTY = CUSTOMER_FEATURES.name, CUSTOMER_LOYALTY.name
Sources = Mapping[str, Mapping[str, tuple[str, ...]]]

_ORDERS = {TRANSACTIONS: ("customer_id", "transaction_id", "date")}
_SPEND = {TRANSACTIONS: ("customer_id", "amount")}
_SCORED = {FEATURES: METRICS}
_RFM = {
    "recency": {FEATURES: ("recency_days",)},
    "frequency": {FEATURES: ("visit_frequency",)},
    "monetary": {FEATURES: ("purchase_total",)},
}
_TOTAL = {FEATURES: ("recency_days", "visit_frequency", "purchase_total")}

LINEAGE: Mapping[str, Sources] = {
    FEATURES: {
        "customer_id": {TRANSACTIONS: ("customer_id",)},
        "purchase_total": _SPEND,
        "visit_frequency": _ORDERS,
        "avg_ticket": {TRANSACTIONS: ("customer_id", "transaction_id", "date", "amount")},
        "product_diversity": {TRANSACTIONS: ("customer_id", "product_id")},
        "loyalty_score": {CUSTOMERS: ("customer_id", "loyalty_score")},
        "recency_days": {TRANSACTIONS: ("customer_id", "date")},
    },
    LOYALTY: {
        "customer_id": {FEATURES: ("customer_id",)},
        "loyalty_score": _SCORED,
        "segment": _SCORED,
    },
    LOYALTY_SUMMARY.name: {
        "customers": {FEATURES: ("customer_id",)},
        **dict.fromkeys(
            ("mean_score", "median_score", "top_decile_threshold", "segment_counts"), _SCORED
        ),
        **{
            f"{what}_{metric}": {FEATURES: (metric,)}
            for what in ("weight", "lower", "upper")
            for metric in METRICS
        },
    },
    CUSTOMER_RFM.name: {
        "customer_id": {FEATURES: ("customer_id",)},
        "recency_days": _RFM["recency"],
        "frequency": _RFM["frequency"],
        "monetary_total": _RFM["monetary"],
        "recency_score": _RFM["recency"],
        "frequency_score": _RFM["frequency"],
        "monetary_score": _RFM["monetary"],
        **dict.fromkeys(("rfm_class", "rfm_total", "rfm_tier", "interpretation"), _TOTAL),
        "loyalty_score": {LOYALTY: ("loyalty_score",)},
        "segment": {LOYALTY: ("segment",)},
    },
    RFM_THRESHOLDS.name: {"threshold": _TOTAL},
}
"""{table: {column: {table it is read from: columns}}}. Raw tables come from no other asset."""


def column_lineage(table: str, key: dg.AssetKey) -> dict[str, Any]:
    """Metadata of a materialization: the upstream columns of each of the table's columns.

    The keys of upstream tables have the same prefix as the table's.
    """
    if table not in LINEAGE:
        return {}
    sources = {
        column: [
            dg.TableColumnDep(dg.AssetKey([*key.path[:-1], upstream]), name)
            for upstream, names in read.items()
            for name in names
        ]
        for column, read in LINEAGE[table].items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(sources)}
