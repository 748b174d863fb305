"""Result tables of the RFM step."""

import pandera.pandas as pa

from abintel_pipeline.contract.columns import (
    LARGEST_SUM,
    Day,
    Float,
    SmallWhole,
    Table,
    Text,
    Whole,
)

TIERS = {
    "Champion": "Champions – recent, frequent and high-value",
    "Loyal": "Loyal – regular buyers of above-average value",
    "Potential": "Potential – active, with room to grow",
    "Promising": "Promising – some activity, worth encouraging",
    "At-Risk": "At-Risk – infrequent, low recent activity",
}
"""Every lifecycle tier, from the best to the worst, and its plain-language interpretation."""

RFM_METRICS = ("recency", "frequency", "monetary")


class CustomerRfm(pa.DataFrameModel):
    """One row per (snapshot_date, customer_id), loyalty joined in: one table serves an export."""

    snapshot_date: Day = pa.Field(description="Day at whose end the snapshot was taken.")
    customer_id: Text = pa.Field(unique=True, description="CRM/ERP key of the customer.")
    recency_days: SmallWhole = pa.Field(ge=0, description="Days since the latest order.")
    frequency: Whole = pa.Field(ge=1, description="Distinct orders in the window.")
    monetary_total: Float = pa.Field(
        ge=-LARGEST_SUM, le=LARGEST_SUM, description="Spend in the window, currency units."
    )
    recency_score: SmallWhole = pa.Field(ge=1, le=10, description="1..bins, bins = most recent.")
    frequency_score: SmallWhole = pa.Field(ge=1, le=10, description="1..bins, bins = most often.")
    monetary_score: SmallWhole = pa.Field(ge=1, le=10, description="1..bins, bins = most spent.")
    rfm_class: Text = pa.Field(
        str_matches=r"^\d\d\d$|^\d+-\d+-\d+$",
        description="The three scores written together; with '-' between them when bins = 10.",
    )
    rfm_total: SmallWhole = pa.Field(ge=3, le=30, description="Sum of the three scores.")
    rfm_tier: Text = pa.Field(isin=list(TIERS), description="Lifecycle tier.")
    interpretation: Text = pa.Field(
        isin=list(TIERS.values()), description="The tier in plain language, for business users."
    )
    loyalty_score: Float = pa.Field(ge=0, le=1, description="Loyalty score of the same snapshot.")
    segment: Text = pa.Field(description="Loyalty segment of the same snapshot.")

    class Config:
        strict = True
        ordered = True


class RfmThresholds(pa.DataFrameModel):
    """One row per (snapshot_date, metric, cut): the cuts that the scores and tiers come from."""

    snapshot_date: Day = pa.Field(description="Day at whose end the snapshot was taken.")
    metric: Text = pa.Field(
        isin=[*RFM_METRICS, "rfm_total"], description="recency, frequency, monetary or rfm_total."
    )
    position: SmallWhole = pa.Field(ge=1, description="The cut's place in the documents' order.")
    cut: Text = pa.Field(
        description="k/bins for a metric; champion, p70, p45 or p20 for rfm_total."
    )
    threshold: Float = pa.Field(
        description="Linear-interpolated quantile, six decimals, in the metric's unit."
    )

    class Config:
        strict = True
        ordered = True


CUSTOMER_RFM = Table("customer_rfm", CustomerRfm, "snapshot_date", ("customer_id",))
RFM_THRESHOLDS = Table("rfm_thresholds", RfmThresholds, "snapshot_date", ("metric", "position"))
