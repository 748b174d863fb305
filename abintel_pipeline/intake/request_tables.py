"""The two request tables as intake sees them: where rows come from, what identifies one."""

from dataclasses import dataclass
from functools import cached_property

import pandera.pandas as pa
import pyarrow

from abintel_pipeline.contract import Table
from abintel_pipeline.contract.customers import (
    CUSTOMER_IDENTITY,
    RAW_CUSTOMERS,
    REJECTED_CUSTOMERS,
    RawCustomers,
)
from abintel_pipeline.contract.transactions import (
    LINE_POSITION,
    RAW_TRANSACTIONS,
    REJECTED_TRANSACTIONS,
    transactions_schema,
)
from abintel_pipeline.settings import Settings


@dataclass(frozen=True)
class RequestTable:
    """One request table; everything about its columns is read off its Pandera model.

    `identity` says where a row stands; rows there are alike if their `values` are.
    """

    folder: str
    raw: Table
    rejected: Table
    identity: tuple[str, ...]
    values: tuple[str, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The contract's columns that a source can bring, in the model's order."""
        return tuple(name for name in self.raw.schema.names if name != self.raw.partition_column)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The columns that are text, ids all of them."""
        return tuple(c for c in self.columns if pyarrow.types.is_string(self.kind(c)))

    @property
    def identity_label(self) -> str:
        return ", ".join(self.identity)

    def kind(self, column: str) -> pyarrow.DataType:
        return self.raw.schema.field(column).type

    def schema(self, settings: Settings) -> pa.DataFrameSchema:
        """The Pandera schema in force."""
        if self.raw is not RAW_TRANSACTIONS:
            return RawCustomers.to_schema()
        absent = [name for name, source in settings.transaction_columns.items() if source is None]
        return transactions_schema(
            settings.currency_decimals, returns=settings.returns == "net", absent=absent
        )

    def query(self, settings: Settings) -> str | None:
        """The query that brings the table from a SQL database, where one is set."""
        if settings.sql_url is None:
            return None
        return getattr(settings, f"{self.folder}_query")  # type: ignore[no-any-return]


TRANSACTIONS = RequestTable(
    "transactions",
    RAW_TRANSACTIONS,
    REJECTED_TRANSACTIONS,
    LINE_POSITION,
    ("amount", "cancelled"),
)
CUSTOMERS = RequestTable(
    "customers", RAW_CUSTOMERS, REJECTED_CUSTOMERS, CUSTOMER_IDENTITY, ("loyalty_score",)
)
