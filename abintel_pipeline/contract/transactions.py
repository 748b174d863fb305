"""Request table of transactions, and the rows that were rejected."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow

from abintel_pipeline.contract.columns import (
    MONEY_DIGITS,
    NOT_BLANK,
    Day,
    Flag,
    Money,
    Table,
    Text,
    Texts,
    Whole,
    not_blank,
)

LINE_POSITION = ("customer_id", "transaction_id", "date", "product_id", "line_id")
"""Where a line stands: lines of one delivery at one position add up, a later delivery's replace
all of an earlier one's there. A value that a source doesn't have is null, and null is null."""


NULLABLE_IDS = ("transaction_id", "product_id")
"""Ids that a source may be without, altogether or not at all."""


class RawTransactions(pa.DataFrameModel):
    """One row per line of one order, as delivered."""

    customer_id: Text = pa.Field(description="CRM/ERP key of the customer, as text: 001 stays 001.")
    transaction_id: Text = pa.Field(
        nullable=True,
        description="Order id; unique within its date. Null where the source has none: then each"
        " line is an order of its own.",
    )
    date: Day = pa.Field(description="Day of the order, in the retailer's own calendar.")
    amount: Money = pa.Field(
        description="Value of the line in currency units, >= 0; below 0 where returns are netted."
    )
    product_id: Text = pa.Field(
        nullable=True, description="SKU or category of the line. Null where the source has none."
    )
    line_id: Text = pa.Field(
        nullable=True, description="The line's own number in its order, where the source has one."
    )
    cancelled: Flag = pa.Field(
        description="Whether the line was taken back: it replaces its position, and counts for"
        " nothing."
    )
    delivered_on: Day = pa.Field(description="Day whose delivery brought the line.")

    @pa.check(
        "customer_id",
        "transaction_id",
        "product_id",
        "line_id",
        name="blank",
        error="blank",
        description=NOT_BLANK,
    )
    @classmethod
    def _not_blank(cls, texts: Any) -> Any:
        return not_blank(texts)

    @pa.check("amount", name="negative", error="negative", description="a number >= 0")
    @classmethod
    def _not_negative(cls, amounts: Any) -> Any:
        return amounts >= 0

    @pa.dataframe_check(
        name="date", error="after delivered_on", description="a date not after delivered_on"
    )
    @classmethod
    def _not_after_delivery(cls, lines: Any) -> Any:
        missing = lines["date"].isna()  # is another check's
        return missing | (lines["date"] <= lines["delivered_on"])

    class Config:
        strict = True
        ordered = True


def transactions_schema(
    currency_decimals: int, *, returns: bool = False, absent: Iterable[str] = ()
) -> pa.DataFrameSchema:
    """`RawTransactions` with `amount` as decimal(18, currency_decimals).

    Negative amounts are allowed where there are `returns`; ids may be missing only in columns that
    the source doesn't have: `absent`.
    """
    money = pd.ArrowDtype(pyarrow.decimal128(MONEY_DIGITS, currency_decimals))
    schema = RawTransactions.to_schema().update_column("amount", dtype=money)
    if returns:
        schema = schema.update_column("amount", checks=[])
    required = {name: {"nullable": False} for name in NULLABLE_IDS if name not in set(absent)}
    return schema.update_columns(required)


class RejectedTransactions(pa.DataFrameModel):
    """One row per rejected transaction line: where it stood, why it was rejected, and its text."""

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


RAW_TRANSACTIONS = Table(
    "raw_transactions",
    RawTransactions,
    "delivered_on",
    (),
    version=2,
    added={"line_id": None, "cancelled": False},
)
REJECTED_TRANSACTIONS = Table(
    "rejected_transactions", RejectedTransactions, "delivered_on", ("file", "row")
)
