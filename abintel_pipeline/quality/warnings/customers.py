"""A warning about one customer with a large part of all orders: guests under one id, perhaps."""

import json
from datetime import date
from typing import NamedTuple

from abintel_pipeline.contract import CUSTOMER_FEATURES
from abintel_pipeline.contract.findings import Finding, warning
from abintel_pipeline.engine.connection import native
from abintel_pipeline.quality.blocking.files import files
from abintel_pipeline.store.snapshot_store import DAY_OF_FILE
from abintel_pipeline.store.step_context import StepContext

FEWEST_CUSTOMERS = 20
"""Of fewer, each has a large part of the orders."""


class Largest(NamedTuple):
    """A snapshot's customers and orders, and which customer has most of them."""

    customers: int
    orders: int
    customer: str
    most: int


NOBODY = Largest(0, 0, "", 0)


def customer_share(context: StepContext, days: list[date]) -> list[Finding]:
    """`customer_share`: the largest part of a snapshot's orders that one customer has."""
    found = _largest(context, days)
    return [_customer_share(context, day, found.get(day, NOBODY)) for day in days]


def _largest(context: StepContext, days: list[date]) -> dict[date, Largest]:
    rows = native(context.connection).execute(
        f"SELECT {DAY_OF_FILE}, count(*), sum(visit_frequency)::BIGINT,"
        " min_by(customer_id, (-visit_frequency, customer_id)), max(visit_frequency)"
        f" FROM {files(context.store.paths(CUSTOMER_FEATURES, days))} GROUP BY 1"
    )
    return {day: Largest(*told) for day, *told in rows.fetchall()}


def _customer_share(context: StepContext, day: date, found: Largest) -> Finding:
    limit, name = context.settings.warn_customer_share, CUSTOMER_FEATURES.name
    customers, orders = found.customers, found.orders
    if customers < FEWEST_CUSTOMERS or not orders:
        sentence = f"{customers} customers with {orders:,} orders are too few to compare"
        return warning(name, day, "customer_share", True, sentence, customers=customers)
    share = found.most / orders
    sentence = (
        f"customer {found.customer} has {found.most:,} of {orders:,} orders, {share:.1%}, and no"
        f" other has more; up to {limit:.1%} is usual"
    )
    if share > limit:
        nobody = json.dumps([found.customer], ensure_ascii=False)
        sentence += f". Guests under one id? ABINTEL_NOBODY_IDS='{nobody}' leaves them out"
    numbers = {"customers": customers, "orders": orders, "share": share, "limit": limit}
    return warning(name, day, "customer_share", share <= limit, sentence, **numbers)
