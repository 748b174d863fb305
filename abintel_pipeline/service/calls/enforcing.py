"""Holds a request's values against the Pandera models of the pipeline's request tables.

A column that a call's document doesn't have is left out of its model; every other rule is the
model's own.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pandera.errors import SchemaError, SchemaErrors

from abintel_pipeline.contract import CUSTOMER_FEATURES
from abintel_pipeline.contract.columns import MONEY_DIGITS
from abintel_pipeline.contract.customers import RawCustomers
from abintel_pipeline.contract.features import CustomerFeatures
from abintel_pipeline.contract.transactions import transactions_schema
from abintel_pipeline.intake.rejected.verdicts import BREACHES, breaches_of
from abintel_pipeline.service.calls import exact_numbers
from abintel_pipeline.service.calls.decoding import Chunk, DecodedRequest
from abintel_pipeline.service.calls.documents import Fault
from abintel_pipeline.service.calls.faults import LISTED, Faulty, Path, place_of

MONEY = ("purchase_total", "avg_ticket")
WHOLE = ("visit_frequency", "product_diversity", "recency_days")

Located = tuple[Path, str]
"""(path, what is wanted)."""

PathOf = Callable[[Chunk, int, str], Path]
"""Where a row's column stands below `customers`."""


@dataclass(frozen=True)
class Lines:
    """A chunk's transactions, typed, and the rows whose amount is too large to be."""

    rows: pa.Table
    too_large: exact_numbers.Rows


class Enforcement:
    """The faults of value in one request, gathered chunk by chunk."""

    def __init__(self, request: DecodedRequest, today: date, decimals: int) -> None:
        self.today = today
        self._request, self._decimals = request, decimals
        self._seen: set[str] = set()
        self._listed: list[Fault] = []
        self._total = 0

    @property
    def clean(self) -> bool:
        """Whether nothing has been found so far."""
        return self._total == 0

    def settle(self) -> None:
        """Raises Faulty with everything that was found."""
        if self._total:
            raise Faulty(self._listed, self._total)

    def add(self, faults: Iterable[Fault]) -> None:
        """Faults found elsewhere, such as those of options."""
        for fault in faults:
            self._total += 1
            if len(self._listed) < LISTED:
                self._listed.append(fault)

    def typed(self, chunk: Chunk) -> Lines:
        """The chunk's transactions, typed: nothing is held against anything yet."""
        typed, too_large = exact_numbers.amounts(self._request, chunk, self._decimals)
        place = chunk.rows.column_names.index("amount")
        return Lines(chunk.rows.set_column(place, "amount", typed), too_large)

    def held(self, chunk: Chunk, lines: Lines) -> list[Located]:
        """What breaks the models in the chunk's typed transactions and in its customers."""
        rows = lines.rows
        model = lines_model(self._decimals, tuple(rows.column_names))
        today = pa.repeat(pa.scalar(self.today, pa.date32()), rows.num_rows)
        broken = in_rows(lines.too_large, "amount", _digits(self._decimals))
        broken += against(model, rows.append_column("delivered_on", today), self.today)
        found = self._located(chunk, broken, _of_transaction)
        return found + self._in_customers(chunk, ())

    def tell(self, located: list[Located]) -> None:
        """List what was found in a chunk in the order of the document, until enough is listed."""
        for path, wanted in sorted(located)[: LISTED - len(self._listed)]:
            self._listed.append(Fault(place_of(path), wanted, self._request.found(path)))

    def features(self, chunk: Chunk) -> pa.Table:
        """The chunk's given features, typed, one row per customer in its order."""
        schema = CUSTOMER_FEATURES.schema
        columns: dict[str, pa.Array] = {}
        broken = Breaches([], 0)
        for name in chunk.rows.column_names:
            kind = schema.field(name).type
            if name in MONEY:
                columns[name], wrong = exact_numbers.money(chunk, name, self._decimals)
                wanted = _digits(self._decimals)
            else:
                columns[name], wrong = exact_numbers.whole_numbers(chunk, name, kind)
                wanted = f"a whole number below {exact_numbers.largest(kind):,}"
            broken += in_rows(wrong, name, wanted)
        rows = pa.table(columns)
        model = features_model(tuple(columns))
        broken += against(model, rows, self.today)
        found = self._located(chunk, broken, _of_features)
        self.tell(found + self._in_customers(chunk, ("features",)))
        return rows

    def _in_customers(self, chunk: Chunk, scores_in: Path) -> list[Located]:
        """Ids and scores, by the model of the customers' request table; each id once."""
        columns = {"customer_id": pa.array(chunk.customer_ids, pa.string())}
        scores = pa.array(chunk.loyalty_scores, pa.float64())
        if scores.null_count < len(scores):  # optional: without any there is nothing to hold
            columns["loyalty_score"] = scores
        model = customers_model(tuple(columns))
        broken = against(model, pa.table(columns), self.today)
        broken += self._repeated_ids(chunk.customer_ids)

        def path_of(chunk: Chunk, number: int, column: str) -> Path:
            inside = scores_in if column == "loyalty_score" else ()
            return (chunk.first + number, *inside, column)

        return self._located(chunk, broken, path_of)

    def _repeated_ids(self, ids: list[str]) -> "Breaches":
        again = []
        if not self._seen.isdisjoint(ids) or len(set(ids)) < len(ids):
            seen = set(self._seen)
            for number, customer_id in enumerate(ids):
                if customer_id in seen:
                    again.append(number)
                seen.add(customer_id)
        self._seen.update(ids)
        rows = np.array(again, dtype=np.intp)
        return in_rows(rows, "customer_id", "an id once, it stands twice")

    def _located(self, chunk: Chunk, broken: "Breaches", path_of: PathOf) -> list[Located]:
        """Count breaches; the first of them with their places."""
        self._total += broken.total
        first = sorted(broken.first)[: LISTED - len(self._listed)]
        return [(("customers", *path_of(chunk, row, name)), wanted) for row, name, wanted in first]


def _of_transaction(chunk: Chunk, row: int, column: str) -> Path:
    customer, number = chunk.place(row)
    return (customer, "transactions", number, column)


def _of_features(chunk: Chunk, row: int, column: str) -> Path:
    return (chunk.first + row, "features", column)


def _digits(decimals: int) -> str:
    return f"at most {MONEY_DIGITS - decimals} digits before the point"


# ── what breaks a model: all is counted, as much becomes objects as can be listed ─

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
    if not total:
        return Breaches([], 0)
    said = {check.error: _wanted(check, today) for check in _checks(model)}
    first = [Breach(*one.values()) for one in told.to_pylist()]
    return Breaches([one._replace(wanted=said.get(one.wanted, one.wanted)) for one in first], total)


def _wanted(check: pandera.Check, today: date) -> str:
    """What a rule wants, by the model's own words, or by its bound."""
    if check.description:
        return str(check.description).replace("delivered_on", str(today))
    least = (check.statistics or {}).get("min_value")
    return str(check.error) if least is None else f"a number >= {least}"


def first_held(schema: pandera.DataFrameSchema, frame: pd.DataFrame) -> tuple[pa.Table, int]:
    """(row, column, reason) of what a model below tells of a frame, and how many cells break it.

    Pandera makes Python objects of every case that it tells, some 700 bytes and 7 us of each; the
    rest is only counted, in the checks' own masks.
    """
    try:
        schema.validate(frame, lazy=True, inplace=True)  # no model changes a frame: no copy
    except SchemaErrors as error:
        told = breaches_of(schema, error.failure_cases)
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
