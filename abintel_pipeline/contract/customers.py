"""Request table of customers (optional loyalty metadata), and the rows that were rejected."""

from typing import Any

import pandera.pandas as pa

from abintel_pipeline.contract.columns import NOT_BLANK, Day, Float, Table, Text, not_blank
from abintel_pipeline.contract.transactions import RejectedTransactions

CUSTOMER_IDENTITY = ("customer_id",)


class RawCustomers(pa.DataFrameModel):
    """One row per customer, as delivered. Optional: a pipeline may run without any."""

    customer_id: Text = pa.Field(description="CRM/ERP key of the customer, as text.")
    loyalty_score: Float = pa.Field(
        nullable=True, description="Precomputed loyalty score, 0..1, or null."
    )
    delivered_on: Day = pa.Field(description="Day whose delivery brought the row.")

    @pa.check("customer_id", name="blank", error="blank", description=NOT_BLANK)
    @classmethod
    def _not_blank(cls, texts: Any) -> Any:
        return not_blank(texts)

    @pa.check("loyalty_score", name="range", error="not in 0..1", description="a number in 0..1")
    @classmethod
    def _share(cls, scores: Any) -> Any:
        return (scores >= 0) & (scores <= 1)

    class Config:
        strict = True
        ordered = True


class RejectedCustomers(RejectedTransactions):
    """One row per rejected customer row: where it stood, why it was rejected, and its text."""


RAW_CUSTOMERS = Table("raw_customers", RawCustomers, "delivered_on", ())
REJECTED_CUSTOMERS = Table("rejected_customers", RejectedCustomers, "delivered_on", ("file", "row"))
