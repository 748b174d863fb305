"""Request table of transactions, and the rows that were refused."""

from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow

from abintel_pipeline.contract.columns import (
    MONEY_DIGITS,
    Day,
    Money,
    Table,
    Text,
    Texts,
    Whole,
    not_blank,
)

LINE_IDENTITY = ("customer_id", "transaction_id", "date", "product_id")
"""What makes two transaction lines the same line, whichever delivery brought them."""


class RawTransactions(pa.DataFrameModel):
    """One row per line of one order, as delivered."""

    customer_id: Text = pa.Field(description="CRM/ERP key of the customer, as text: 001 stays 001.")
    transaction_id: Text = pa.Field(description="Order id; unique within its date.")
    date: Day = pa.Field(description="Day of the order, in the retailer's own calendar.")
    amount: Money = pa.Field(description="Value of the line in currency units, >= 0.")
    product_id: Text = pa.Field(description="SKU or category of the line.")
    delivered_on: Day = pa.Field(description="Day whose delivery brought the line.")

    @pa.check("customer_id", "transaction_id", "product_id", name="blank", error="blank")
    @classmethod
    def _not_blank(cls, texts: Any) -> Any:
        return not_blank(texts)

    @pa.check("amount", name="negative", error="negative")
    @classmethod
    def _not_negative(cls, amounts: Any) -> Any:
        return amounts >= 0

    @pa.dataframe_check(name="date", error="after delivered_on")
    @classmethod
    def _not_after_delivery(cls, lines: Any) -> Any:
        return lines["date"] <= lines["delivered_on"]

    class Config:
        strict = True
        ordered = True


def transactions_schema(currency_decimals: int) -> pa.DataFrameSchema:
    """`RawTransactions` with `amount` as decimal(18, currency_decimals)."""
    money = pd.ArrowDtype(pyarrow.decimal128(MONEY_DIGITS, currency_decimals))
    return RawTransactions.to_schema().update_column("amount", dtype=money)


class RejectedTransactions(pa.DataFrameModel):
    """One row per refused transaction line: where it stood, why it was refused, and its text."""

    delivered_on: Day = pa.Field(description="Day whose delivery brought the row.")
    file: Text = pa.Field(description="File, relative to the landing folder, or `sql`.")
    row: Whole = pa.Field(
        ge=1,
        description="Line in a text file (the header is line 1), else the row's number from 1.",
    )
    reasons: Texts = pa.Field(description="Every reason, each as `column: reason`.")
    raw: Text = pa.Field(description="The row as it came, as JSON.")

    class Config:
        strict = True
        ordered = True


RAW_TRANSACTIONS = Table("raw_transactions", RawTransactions, "delivered_on", ())
REJECTED_TRANSACTIONS = Table(
    "rejected_transactions", RejectedTransactions, "delivered_on", ("file", "row")
)
