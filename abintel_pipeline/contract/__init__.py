"""The tables of the contract: request tables and result tables, each one Pandera model."""

from abintel_pipeline.contract.columns import Table
from abintel_pipeline.contract.customers import RAW_CUSTOMERS, REJECTED_CUSTOMERS
from abintel_pipeline.contract.features import CUSTOMER_FEATURES
from abintel_pipeline.contract.loyalty import CUSTOMER_LOYALTY, LOYALTY_SUMMARY
from abintel_pipeline.contract.rfm import CUSTOMER_RFM, RFM_THRESHOLDS
from abintel_pipeline.contract.transactions import RAW_TRANSACTIONS, REJECTED_TRANSACTIONS

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        RAW_TRANSACTIONS,
        REJECTED_TRANSACTIONS,
        RAW_CUSTOMERS,
        REJECTED_CUSTOMERS,
        CUSTOMER_FEATURES,
        CUSTOMER_LOYALTY,
        LOYALTY_SUMMARY,
        CUSTOMER_RFM,
        RFM_THRESHOLDS,
    )
}
"""Every table the pipeline publishes, by name, in the order in which a day's run makes them."""

REJECTED_OF: dict[str, Table] = {
    RAW_TRANSACTIONS.name: REJECTED_TRANSACTIONS,
    RAW_CUSTOMERS.name: REJECTED_CUSTOMERS,
}
"""{raw table: where the rejected rows of its deliveries are}. Each delivery has a file in both."""

MADE_FROM: dict[Table, tuple[Table, ...]] = {
    CUSTOMER_FEATURES: (),
    CUSTOMER_LOYALTY: (CUSTOMER_FEATURES,),
    CUSTOMER_RFM: (CUSTOMER_FEATURES, CUSTOMER_LOYALTY),
}
"""The snapshots of the same day that each is computed from, customer by customer."""

_WINDOW = ("history_days", "currency_decimals")
_SCORES = (*_WINDOW, "weights", "segment_thresholds", "bounds")

DECIDED_BY: dict[Table, tuple[str, ...]] = {
    RAW_TRANSACTIONS: ("currency_decimals",),
    REJECTED_TRANSACTIONS: ("currency_decimals",),
    RAW_CUSTOMERS: (),
    REJECTED_CUSTOMERS: (),
    CUSTOMER_FEATURES: _WINDOW,
    CUSTOMER_LOYALTY: _SCORES,
    LOYALTY_SUMMARY: _SCORES,
    CUSTOMER_RFM: (*_SCORES, "bins"),
    RFM_THRESHOLDS: (*_WINDOW, "bins"),
}
"""The rules that decide a table's values."""

__all__ = [
    "CUSTOMER_FEATURES",
    "CUSTOMER_LOYALTY",
    "CUSTOMER_RFM",
    "DECIDED_BY",
    "LOYALTY_SUMMARY",
    "MADE_FROM",
    "RAW_CUSTOMERS",
    "RAW_TRANSACTIONS",
    "REJECTED_CUSTOMERS",
    "REJECTED_OF",
    "REJECTED_TRANSACTIONS",
    "RFM_THRESHOLDS",
    "TABLES",
    "Table",
]
