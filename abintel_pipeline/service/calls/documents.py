"""Requests and responses as the documents have them: names, order and types of every field.

What a number may be is not decided here but by the Pandera models: a structure is either there or
not, while every fault of value is listed. Limits that stand here as JSON schema alone describe the
models' rules to a reader of the OpenAPI page.
"""

from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from abintel_pipeline.contract.columns import MONEY_DIGITS
from abintel_pipeline.rules import METRICS, Rules

MOST_NAMED = 100
"""Weights or segments in one request: each is a branch of the formula."""

MOST_MONEY = 10 ** (MONEY_DIGITS - Rules().currency_decimals)
"""At the default two decimals."""


def _described(text: str, **schema: Any) -> Meta:
    return Meta(description=text, extra_json_schema=schema or None)


Id = Annotated[str, _described("CRM/ERP primary key, unique in the request.", minLength=1)]
Today = Annotated[
    date | UnsetType | None,
    _described("Reference date for recency; left out: today in the configured time zone."),
]
Share = Annotated[
    float | UnsetType | None,
    _described("Precomputed loyalty score, 0..1.", minimum=0, maximum=1),
]
Amount = Annotated[
    float,
    _described("Value in currency units, >= 0.", minimum=0, exclusiveMaximum=MOST_MONEY),
]
Weights = Annotated[
    dict[str, Annotated[float, _described("Weight.", minimum=0)]],
    Meta(
        max_length=MOST_NAMED,
        extra_json_schema={"propertyNames": {"enum": list(METRICS)}, "minProperties": 1},
    ),
]
SegmentThresholds = Annotated[
    dict[str, Annotated[float, _described("Lowest score.", minimum=0, maximum=1)]],
    Meta(max_length=MOST_NAMED, extra_json_schema={"minProperties": 1}),
]
OrderDate = Annotated[date, _described("Day of the order, not after `today`.")]


# ── requests ─────────────────────────────────────────────────────────────────


class Transaction(Struct, forbid_unknown_fields=True, gc=False):
    """One line of one order."""

    transaction_id: Annotated[str, _described("Order id.", minLength=1)]
    date: OrderDate
    amount: Amount
    product_id: Annotated[str, _described("SKU or category.", minLength=1)]


class FeaturesCustomer(Struct, forbid_unknown_fields=True, gc=False):
    """One customer and its transactions."""

    customer_id: Id
    transactions: Annotated[list[Transaction], Meta(min_length=1)]
    loyalty_score: Share = UNSET


class FeaturesRequest(Struct, forbid_unknown_fields=True):
    """Raw transactions per customer."""

    customers: Annotated[list[FeaturesCustomer], Meta(min_length=1)]
    today: Today = UNSET


class OrderEvent(Struct, forbid_unknown_fields=True, gc=False):
    """One order."""

    date: OrderDate
    amount: Amount


class RfmCustomer(Struct, forbid_unknown_fields=True, gc=False):
    """One customer and its orders."""

    customer_id: Id
    transactions: Annotated[list[OrderEvent], Meta(min_length=1)]


class RfmRequest(Struct, forbid_unknown_fields=True):
    """Order events per customer."""

    customers: Annotated[list[RfmCustomer], Meta(min_length=1)]
    bins: Annotated[
        int | UnsetType | None,
        _described("Number of scores per metric, 2 to 10.", minimum=2, maximum=10),
    ] = UNSET
    today: Today = UNSET


class GivenFeatures(Struct, forbid_unknown_fields=True, gc=False):
    """Behaviour of one customer, as the features call answers it."""

    purchase_total: Amount
    visit_frequency: Annotated[float, _described("Orders, whole, >= 1.", minimum=1, multipleOf=1)]
    avg_ticket: Amount
    product_diversity: Annotated[
        float, _described("Products, whole, >= 1.", minimum=1, multipleOf=1)
    ]
    recency_days: Annotated[float, _described("Days, whole, >= 0.", minimum=0, multipleOf=1)]
    loyalty_score: Share = UNSET


class LoyaltyCustomer(Struct, forbid_unknown_fields=True, gc=False):
    """One customer and its features."""

    customer_id: Id
    features: GivenFeatures


class LoyaltyRequest(Struct, forbid_unknown_fields=True):
    """A cohort's features, and the rules to score it by."""

    customers: Annotated[list[LoyaltyCustomer], Meta(min_length=1)]
    weights: Annotated[
        Weights | UnsetType | None,
        _described(f"Weight of each metric: {', '.join(METRICS)}; one not named weighs 0."),
    ] = UNSET
    segment_thresholds: Annotated[
        SegmentThresholds | UnsetType | None,
        _described("Each segment's lowest score, 0..1; the lowest segment starts at 0."),
    ] = UNSET


# ── responses ────────────────────────────────────────────────────────────────


class Features(Struct, gc=False):
    """The six features; whole numbers are written as 2.0, as the document does."""

    purchase_total: float
    visit_frequency: float
    avg_ticket: float
    product_diversity: float
    loyalty_score: float
    recency_days: float


class CustomerFeatures(Struct, gc=False):
    """One customer's features."""

    customer_id: str
    features: Features


class FeaturesResponse(Struct):
    """Customers in the order in which they were sent."""

    customers: list[CustomerFeatures]


class CustomerLoyalty(Struct, gc=False):
    """One customer's score and segment."""

    customer_id: str
    loyalty_score: float
    segment: str


class LoyaltySummary(Struct):
    """The spread of the scores; every segment is counted, in falling order."""

    mean_score: float
    median_score: float
    top_decile_threshold: float
    segment_counts: dict[str, int]


class LoyaltyResponse(Struct):
    """Customers in the order in which they were sent, and their summary."""

    customers: list[CustomerLoyalty]
    summary: LoyaltySummary


class CustomerRfm(Struct, gc=False):
    """One customer's metrics, scores and tier."""

    customer_id: str
    recency_days: int
    frequency: int
    monetary_total: float
    recency_score: int
    frequency_score: int
    monetary_score: int
    rfm_class: str
    rfm_total: int
    rfm_tier: str
    interpretation: str


class Thresholds(Struct):
    """Where the scores change; recency's in falling order, as in the document."""

    recency: list[float]
    frequency: list[float]
    monetary: list[float]


class RfmResponse(Struct):
    """Customers in the order in which they were sent, and the thresholds of their scores."""

    customers: list[CustomerRfm]
    thresholds: Thresholds


# ── errors ───────────────────────────────────────────────────────────────────


class Fault(Struct, omit_defaults=True):
    """One thing wrong with a request."""

    place: Annotated[str, Meta(description="Such as customers[3].transactions[7].amount.")]
    wanted: Annotated[str, Meta(description="What belongs there.")]
    found: Annotated[str, Meta(description="What was there, as JSON, shortened.")] = ""


class Problem(Struct, omit_defaults=True):
    """An error, as RFC 9457 has it; with `faults` where the request's content is at fault."""

    title: str
    status: int
    detail: str
    faults: list[Fault] = []
    total_faults: Annotated[int, Meta(description="All faults; at most 100 are listed.")] = 0


def value_or(value: Any, default: Any) -> Any:
    """An optional field's value; the default where it is left out or null."""
    return default if value is UNSET or value is None else value


encode = msgspec.json.Encoder().encode
