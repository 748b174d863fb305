"""The documents' examples, and what is answered to them here.

Where an answer differs from the printed one, the printed one contradicts the document's own
formulas: `docs/method.md` has the arithmetic.
"""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """A call's example: the request, the answer to it, and why the printed answer is another."""

    request: Json
    response: Json
    printed: Json | None = None
    why: str = ""


_FEATURES = Example(
    request={
        "today": "2025-04-24",
        "customers": [
            {
                "customer_id": "C-1001",
                "loyalty_score": 0.97,
                "transactions": [
                    {
                        "transaction_id": "T-001",
                        "date": "2025-04-21",
                        "amount": 520.55,
                        "product_id": "P-01",
                    },
                    {
                        "transaction_id": "T-002",
                        "date": "2025-04-18",
                        "amount": 398.40,
                        "product_id": "P-02",
                    },
                ],
            },
            {
                "customer_id": "C-1002",
                "transactions": [
                    {
                        "transaction_id": "T-004",
                        "date": "2025-01-05",
                        "amount": 120.00,
                        "product_id": "P-10",
                    },
                    {
                        "transaction_id": "T-005",
                        "date": "2024-12-19",
                        "amount": 75.90,
                        "product_id": "P-11",
                    },
                ],
            },
        ],
    },
    response={
        "customers": [
            {
                "customer_id": "C-1001",
                "features": {
                    "purchase_total": 918.95,
                    "visit_frequency": 2.0,
                    "avg_ticket": 459.48,
                    "product_diversity": 2.0,
                    "loyalty_score": 0.97,
                    "recency_days": 3.0,
                },
            },
            {
                "customer_id": "C-1002",
                "features": {
                    "purchase_total": 195.9,
                    "visit_frequency": 2.0,
                    "avg_ticket": 97.95,
                    "product_diversity": 2.0,
                    "loyalty_score": 0.0,
                    "recency_days": 109.0,
                },
            },
        ]
    },
)

_LOYALTY = Example(
    request={
        "weights": {
            "purchase_total": 0.25,
            "visit_frequency": 0.30,
            "avg_ticket": 0.10,
            "product_diversity": 0.15,
            "recency_days": 0.20,
        },
        "customers": [
            {
                "customer_id": "C-1001",
                "features": {
                    "purchase_total": 17850.55,
                    "visit_frequency": 62,
                    "avg_ticket": 287.27,
                    "product_diversity": 36,
                    "recency_days": 3,
                },
            },
            {
                "customer_id": "C-1002",
                "features": {
                    "purchase_total": 2340.00,
                    "visit_frequency": 18,
                    "avg_ticket": 130.00,
                    "product_diversity": 10,
                    "recency_days": 15,
                },
            },
        ],
    },
    response={
        "customers": [
            {"customer_id": "C-1001", "loyalty_score": 1.0, "segment": "Platinum"},
            {"customer_id": "C-1002", "loyalty_score": 0.0, "segment": "At-Risk"},
        ],
        "summary": {
            "mean_score": 0.5,
            "median_score": 0.5,
            "top_decile_threshold": 0.9,
            "segment_counts": {"Platinum": 1, "Gold": 0, "Silver": 0, "Bronze": 0, "At-Risk": 1},
        },
    },
    printed={
        "customers": [
            {"customer_id": "C-1001", "loyalty_score": 1.0, "segment": "Platinum"},
            {"customer_id": "C-1002", "loyalty_score": 0.87, "segment": "Platinum"},
        ],
        "summary": {
            "mean_score": 0.94,
            "median_score": 0.94,
            "top_decile_threshold": 0.98,
            "segment_counts": {"Platinum": 2, "Silver": 0, "At-Risk": 0},
        },
    },
    why="Of two customers the better one scores 1 and the other 0 under min-max, whatever the"
    " weights: 0.87 can't be.",
)

_RFM = Example(
    request={
        "bins": 5,
        "today": "2025-04-24",
        "customers": [
            {
                "customer_id": "C-1001",
                "transactions": [
                    {"date": "2025-04-21", "amount": 520.55},
                    {"date": "2025-03-29", "amount": 310.00},
                ],
            },
            {
                "customer_id": "C-1002",
                "transactions": [
                    {"date": "2025-01-05", "amount": 120.00},
                    {"date": "2024-12-19", "amount": 75.90},
                ],
            },
        ],
    },
    response={
        "customers": [
            {
                "customer_id": "C-1001",
                "recency_days": 3,
                "frequency": 2,
                "monetary_total": 830.55,
                "recency_score": 5,
                "frequency_score": 1,
                "monetary_score": 5,
                "rfm_class": "515",
                "rfm_total": 11,
                "rfm_tier": "Loyal",
                "interpretation": "Loyal – regular buyers of above-average value",
            },
            {
                "customer_id": "C-1002",
                "recency_days": 109,
                "frequency": 2,
                "monetary_total": 195.9,
                "recency_score": 1,
                "frequency_score": 1,
                "monetary_score": 1,
                "rfm_class": "111",
                "rfm_total": 3,
                "rfm_tier": "At-Risk",
                "interpretation": "At-Risk – infrequent, low recent activity",
            },
        ],
        "thresholds": {
            "recency": [87.8, 66.6, 45.4, 24.2],
            "frequency": [2.0, 2.0, 2.0, 2.0],
            "monetary": [322.83, 449.76, 576.69, 703.62],
        },
    },
    printed={
        "customers": [
            {
                "customer_id": "C-1001",
                "recency_days": 3,
                "frequency": 2,
                "monetary_total": 830.55,
                "recency_score": 5,
                "frequency_score": 4,
                "monetary_score": 5,
                "rfm_class": "545",
                "rfm_total": 14,
                "rfm_tier": "Champion",
                "interpretation": "Champions – recent, frequent and high-value",
            },
            {
                "customer_id": "C-1002",
                "recency_days": 109,
                "frequency": 2,
                "monetary_total": 195.9,
                "recency_score": 1,
                "frequency_score": 2,
                "monetary_score": 2,
                "rfm_class": "122",
                "rfm_total": 5,
                "rfm_tier": "At-Risk",
                "interpretation": "At-Risk – infrequent, low recent activity",
            },
        ],
        "thresholds": {
            "recency": [66.6, 24.2, 2.6, 1.8],
            "frequency": [2.4, 2.8, 3.2, 3.6],
            "monetary": [381.54, 567.18, 773.79, 1001.37],
        },
    },
    why="The printed thresholds are those of three customers with recency 1, 3 and 109, not of"
    " these two, and two customers with the same frequency can't score 4 and 2.",
)

EXAMPLES = {"customer_features": _FEATURES, "customer_loyalty": _LOYALTY, "customer_rfm": _RFM}
