"""Result table of features."""

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


class CustomerFeatures(pa.DataFrameModel):
    """One row per (snapshot_date, customer_id) with a transaction in the trailing window.

    Where returns are netted, a customer may have brought back more than was bought in the window.
    """

    snapshot_date: Day = pa.Field(description="Day at whose end the snapshot was taken.")
    customer_id: Text = pa.Field(unique=True, description="CRM/ERP key of the customer.")
    purchase_total: Float = pa.Field(
        ge=-LARGEST_SUM, le=LARGEST_SUM, description="Spend in the window, currency units."
    )
    visit_frequency: Whole = pa.Field(ge=1, description="Distinct orders in the window.")
    avg_ticket: Float = pa.Field(
        ge=-LARGEST_SUM,
        le=LARGEST_SUM,
        description="purchase_total / visit_frequency, half up, currency units.",
    )
    product_diversity: Whole = pa.Field(ge=0, description="Distinct products in the window.")
    loyalty_score: Float = pa.Field(
        ge=0, le=1, description="Latest score delivered for the customer, 0..1; 0.0 if none was."
    )
    recency_days: SmallWhole = pa.Field(ge=0, description="Days since the latest order.")

    class Config:
        strict = True
        ordered = True


CUSTOMER_FEATURES = Table("customer_features", CustomerFeatures, "snapshot_date", ("customer_id",))
