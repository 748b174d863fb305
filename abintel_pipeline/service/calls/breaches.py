"""What breaks the rules in a chunk: how many values, and the first of them.

All are counted, but only as many become objects as can be listed: a body may break a rule in every
value.
"""

import copy
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pandera.errors import SchemaError, SchemaErrors

from abintel_pipeline.contract.customers import RawCustomers
from abintel_pipeline.contract.features import CustomerFeatures
from abintel_pipeline.contract.transactions import transactions_schema
from abintel_pipeline.intake.rejected.verdicts import BREACHES, breaches_of
from abintel_pipeline.service.calls.faults import LISTED

LEAST = {"purchase_total": 0, "avg_ticket": 0, "product_diversity": 1}
"""The least of the document's features, where the published ones may be less."""


class Breach(NamedTuple):
    """One value of a chunk: its row, its column, and what is wanted there."""

    row: int
    column: str
    wanted: str


@dataclass(frozen=True)
class Breaches:
    """Values that break rules: how many, and at least the first LISTED of them, in no order."""

    first: list[Breach]
    total: int

    def __add__(self, other: "Breaches") -> Self:
        return type(self)(self.first + other.first, self.total + other.total)


def in_rows(rows: np.ndarray[Any, np.dtype[np.intp]], column: str, wanted: str) -> Breaches:
    """A breach in each of the rows, which are in rising order."""
    return Breaches([Breach(row, column, wanted) for row in rows[:LISTED].tolist()], len(rows))


def against(model: pandera.DataFrameSchema, rows: pa.Table, today: date) -> Breaches:
    """What breaks one of the models below, and what it wants instead; `today` is delivered_on."""
    told, total = first_held(model, frame(rows))
    said = {check.error: _wanted(check, today) for check in _checks(model)}
    first = [Breach(*one.values()) for one in told.to_pylist()]
    return Breaches([one._replace(wanted=said.get(one.wanted, one.wanted)) for one in first], total)


def _wanted(check: pandera.Check, today: date) -> str:
    """What a rule wants, by the model's own words, or by its bound."""
    if check.description:
        return str(check.description).replace("delivered_on", str(today))
    return f"a number >= {(check.statistics or {})['min_value']}"


def first_held(schema: pandera.DataFrameSchema, frame: pd.DataFrame) -> tuple[pa.Table, int]:
    """(row, column, reason) of what a model below tells of a frame, and how many cells break it.

    Pandera makes Python objects of every case that it tells, some 700 bytes and 7 us of each; the
    rest is only counted, in the checks' own masks.
    """
    try:
        schema.validate(frame, lazy=True, inplace=True)  # no model changes a frame: no copy
    except SchemaErrors as error:
        told = breaches_of(schema, error.failure_cases, 0)
        return told, sum(map(_failing, error.schema_errors))
    return BREACHES.empty_table(), 0


def _failing(error: SchemaError) -> int:
    """Rows that a check failed."""
    passed: pd.Series = error.check_output
    return len(passed) - int(passed.sum())


def frame(rows: pa.Table) -> pd.DataFrame:
    made: pd.DataFrame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    return made


@lru_cache
def lines_model(decimals: int, columns: tuple[str, ...]) -> pandera.DataFrameSchema:
    """The model of the request table of transactions, less what the document doesn't have."""
    return _of_request(transactions_schema(decimals), (*columns, "delivered_on"))


@lru_cache
def customers_model(columns: tuple[str, ...]) -> pandera.DataFrameSchema:
    """The model of the request table of customers, less what the document doesn't have."""
    return _of_request(RawCustomers.to_schema(), columns)


@lru_cache
def features_model(columns: tuple[str, ...]) -> pandera.DataFrameSchema:
    """The model of the features, less what the document doesn't have, and stricter.

    What a snapshot may have, where returns are netted or a source has no products, no request has.
    """
    stricter = {name: {"checks": [pandera.Check.ge(least)]} for name, least in LEAST.items()}
    return _of_request(CustomerFeatures.to_schema().update_columns(stricter), columns)


def _of_request(
    model: pandera.DataFrameSchema, columns: tuple[str, ...]
) -> pandera.DataFrameSchema:
    """A model that tells of each check the first LISTED rows at most."""
    limited = copy.deepcopy(model.remove_columns([n for n in model.columns if n not in columns]))
    for check in _checks(limited):
        check.n_failure_cases = LISTED
    return limited


def _checks(model: pandera.DataFrameSchema) -> list[pandera.Check]:
    of_columns = (check for column in model.columns.values() for check in column.checks)
    return [*model.checks, *of_columns]
