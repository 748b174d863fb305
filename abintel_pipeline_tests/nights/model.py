"""The model: what the store must hold, in plain Python.

Deliveries are judged line by line with `split`; the tables are the oracle's. Nothing here calls the
package, except for its rules' defaults.
"""

import gzip
import zlib
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal

from abintel_pipeline.rules import Rules
from abintel_pipeline_tests import oracle
from abintel_pipeline_tests.nights.world import MOST_REJECTED, NOBODY, Files

Frozen = tuple[tuple[str, bytes], ...]
"""Files that can be a key: (name, content), sorted."""
Rows = list[dict[str, Any]]


def frozen(files: Files) -> Frozen:
    return tuple(sorted(files.items()))


@dataclass(frozen=True)
class Judgement:
    """What must become of a delivery. `rejected` are (file, line in it)."""

    verdict: Literal["nothing", "damaged", "too many", "taken in"]
    accepted: tuple[tuple[Any, ...], ...] = ()
    """Rows: (customer, order, date, amount, product, cancelled)."""
    rejected: tuple[tuple[str, int], ...] = ()
    left_out: int = 0

    @property
    def received(self) -> int:
        return len(self.accepted) + len(self.rejected) + self.left_out


@cache
def judged(day: date, files: Frozen) -> Judgement:
    """A delivery of transactions, line by line."""
    if not files:
        return Judgement("nothing")
    accepted, rejected, left_out = [], [], 0
    for name, content in files:
        try:
            text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
        except (EOFError, zlib.error):
            return Judgement("damaged")
        for number, line in enumerate(text.splitlines()[1:], start=2):
            customer, order, on, amount, product, cancelled = line.split(",")
            if customer == NOBODY:
                left_out += 1
            elif not _is_number(amount) or date.fromisoformat(on) > day:
                rejected.append((f"transactions/{name}", number))
            else:
                when = date.fromisoformat(on)
                flag = cancelled == "true"
                accepted.append((customer, order, when, Decimal(amount), product, flag))
    whole = Judgement("taken in", tuple(accepted), tuple(rejected), left_out)
    too_many = len(rejected) > MOST_REJECTED * whole.received
    return Judgement("too many", rejected=whole.rejected) if too_many else whole


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


@cache
def scores(files: Frozen) -> tuple[tuple[str, float], ...]:
    """A delivery of customers, line by line."""
    lines = [line for _, content in files for line in content.decode().splitlines()[1:]]
    return tuple((line.split(",")[0], float(line.split(",")[1])) for line in lines)


@dataclass(frozen=True)
class Deliveries:
    """The deliveries that a snapshot is made from: (day, files) of each table, by day."""

    transactions: tuple[tuple[date, Frozen], ...]
    customers: tuple[tuple[date, Frozen], ...]


def first_read(day: date, history_days: int) -> date:
    """The first delivery day that a snapshot reads."""
    return day - timedelta(days=history_days - 1)


class Model:
    """The result tables of some deliveries, by the oracle; each is worked out once."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    @cache  # noqa: B019 - a model lives as long as the process
    def features(self, day: date, made_from: Deliveries) -> Rows:
        """`customer_features`, worked out from the lines as they were delivered."""
        names = ("customer_id", "transaction_id", "date", "amount", "product_id", "cancelled")
        lines = [
            dict(zip(names, row, strict=True)) | {"line_id": None, "delivered_on": on}
            for on, files in made_from.transactions
            for row in judged(on, files).accepted
        ]
        told = [
            {"customer_id": name, "loyalty_score": score, "delivered_on": on}
            for on, files in made_from.customers
            for name, score in scores(files)
        ]
        return oracle.features(lines, told, day, self._rules)

    @cache  # noqa: B019
    def loyalty(self, day: date, made_from: Deliveries) -> Rows:
        return oracle.loyalty(self.features(day, made_from), self._rules)

    def summary(self, day: date, made_from: Deliveries) -> Rows:
        cohort = self.features(day, made_from)
        scored = self.loyalty(day, made_from)
        return [oracle.summary(cohort, scored, self._rules)] if cohort else []

    def rfm(self, day: date, featured: Deliveries, scored: Deliveries) -> Rows:
        """`customer_rfm` of features and loyalty, which two runs may have made."""
        cohort = self.features(day, featured)
        return oracle.rfm(cohort, self.loyalty(day, scored), self._rules)

    def thresholds(self, day: date, featured: Deliveries, scored: Deliveries) -> Rows:
        cohort = self.features(day, featured)
        loyalty = self.loyalty(day, scored)
        return oracle.thresholds(cohort, loyalty, self._rules) if cohort else []
