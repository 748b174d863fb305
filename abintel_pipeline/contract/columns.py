"""Column types of the contract, and what can be read off a Pandera model.

The models are the one source of truth: the Arrow schema a file is written with is derived here,
the column schema shown in the Dagster UI in `metadata`, and neither is written anywhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import pandas as pd
import pandera.pandas as pa
import pyarrow

Text = Annotated[pd.ArrowDtype, pyarrow.string()]
Texts = Annotated[pd.ArrowDtype, pyarrow.list_(pyarrow.string())]
Day = Annotated[pd.ArrowDtype, pyarrow.date32()]
Money = Annotated[pd.ArrowDtype, pyarrow.decimal128(18, 2)]
Flag = Annotated[pd.ArrowDtype, pyarrow.bool_()]
Float = Annotated[pd.ArrowDtype, pyarrow.float64()]
Whole = Annotated[pd.ArrowDtype, pyarrow.int64()]
SmallWhole = Annotated[pd.ArrowDtype, pyarrow.int32()]

MONEY_DIGITS = 18
"""Digits of a delivered amount: at the default two decimals, 16 before the point."""

LARGEST_SUM = 1e38
"""No sum of amounts is larger, as a sum has 38 digits; no number at all, such as NaN, is within."""


NOT_BLANK = "a text that isn't blank"
"""What `not_blank` wants. `error` of a check says what is wrong, `description` what is wanted."""


def not_blank(texts: Any) -> Any:
    """True where a text holds more than white space."""
    return texts.str.strip().str.len() > 0


@dataclass(frozen=True)
class Table:
    """One published table: its model, the column its folders are named after, and its row order."""

    name: str
    model: type[pa.DataFrameModel]
    partition_column: str
    order: tuple[str, ...]
    version: int = 1
    added: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Columns that files of earlier versions don't have, and the value of all of their rows."""

    @cached_property
    def schema(self) -> pyarrow.Schema:
        """Arrow schema of the table's rows, partition column included, in the model's order."""
        return arrow_schema(self.model.to_schema())

    @property
    def description(self) -> str:
        return (self.model.__doc__ or "").strip()


def arrow_schema(schema: pa.DataFrameSchema) -> pyarrow.Schema:
    """Arrow schema of a Pandera schema whose columns all have Arrow types."""
    return pyarrow.schema(
        [
            pyarrow.field(name, column.dtype.type.pyarrow_dtype, nullable=column.nullable)
            for name, column in schema.columns.items()
        ]
    )
