"""Holds a request's values against the Pandera models of the pipeline's request tables.

A column that a call's document doesn't have is left out of its model; every other rule is the
model's own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from abintel_pipeline.contract import CUSTOMER_FEATURES
from abintel_pipeline.contract.columns import MONEY_DIGITS
from abintel_pipeline.service.calls import breaches, typing_numbers
from abintel_pipeline.service.calls.breaches import Breaches
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
    too_large: typing_numbers.Rows


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
        typed, too_large = typing_numbers.amounts(self._request, chunk, self._decimals)
        place = chunk.rows.column_names.index("amount")
        return Lines(chunk.rows.set_column(place, "amount", typed), too_large)

    def held(self, chunk: Chunk, lines: Lines) -> list[Located]:
        """What breaks the models in the chunk's typed transactions and in its customers."""
        rows = lines.rows
        model = breaches.lines_model(self._decimals, tuple(rows.column_names))
        today = pa.repeat(pa.scalar(self.today, pa.date32()), rows.num_rows)
        broken = breaches.in_rows(lines.too_large, "amount", _digits(self._decimals))
        broken += breaches.against(model, rows.append_column("delivered_on", today), self.today)
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
                columns[name], wrong = typing_numbers.money(chunk, name, self._decimals)
                wanted = _digits(self._decimals)
            else:
                columns[name], wrong = typing_numbers.whole_numbers(chunk, name, kind)
                wanted = f"a whole number below {typing_numbers.largest(kind):,}"
            broken += breaches.in_rows(wrong, name, wanted)
        rows = pa.table(columns)
        model = breaches.features_model(tuple(columns))
        broken += breaches.against(model, rows, self.today)
        found = self._located(chunk, broken, _of_features)
        self.tell(found + self._in_customers(chunk, ("features",)))
        return rows

    def _in_customers(self, chunk: Chunk, scores_in: Path) -> list[Located]:
        """Ids and scores, by the model of the customers' request table; each id once."""
        columns = {"customer_id": pa.array(chunk.customer_ids, pa.string())}
        scores = pa.array(chunk.loyalty_scores, pa.float64())
        if scores.null_count < len(scores):  # optional: without any there is nothing to hold
            columns["loyalty_score"] = scores
        model = breaches.customers_model(tuple(columns))
        broken = breaches.against(model, pa.table(columns), self.today)
        broken += self._repeated_ids(chunk.customer_ids)

        def path_of(chunk: Chunk, number: int, column: str) -> Path:
            inside = scores_in if column == "loyalty_score" else ()
            return (chunk.first + number, *inside, column)

        return self._located(chunk, broken, path_of)

    def _repeated_ids(self, ids: list[str]) -> Breaches:
        again = []
        if not self._seen.isdisjoint(ids) or len(set(ids)) < len(ids):
            seen = set(self._seen)
            for number, customer_id in enumerate(ids):
                if customer_id in seen:
                    again.append(number)
                seen.add(customer_id)
        self._seen.update(ids)
        rows = np.array(again, dtype=np.intp)
        return breaches.in_rows(rows, "customer_id", "an id once, it stands twice")

    def _located(self, chunk: Chunk, broken: Breaches, path_of: PathOf) -> list[Located]:
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
