"""The days' deliveries, of transactions and of customers: rows accepted, and rejected with reasons.

Two steps, because a correction of the one leaves the other alone.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import partial

from abintel_pipeline.contract import (
    RAW_CUSTOMERS,
    RAW_TRANSACTIONS,
    REJECTED_CUSTOMERS,
    REJECTED_TRANSACTIONS,
    Table,
)
from abintel_pipeline.contract.findings import Finding
from abintel_pipeline.intake import take_in_customers, take_in_transactions
from abintel_pipeline.orchestration.asset_page.metadata import Metadata, intakes_metadata, picture
from abintel_pipeline.orchestration.asset_page.pictures import rejected_by_reason
from abintel_pipeline.orchestration.assets.step import Published, daily_step
from abintel_pipeline.quality.blocking import Received, reconciled_again
from abintel_pipeline.quality.warnings import delivery_warnings
from abintel_pipeline.snapshots import StepContext, take_in_days


def rejected_pictures(rejected: Table, context: StepContext, day: date) -> dict[str, Metadata]:
    """The rejected rows by reason, if there are any."""
    drawn = rejected_by_reason(context, rejected, day)
    return {rejected.name: {"reasons_drawn": picture(drawn)}} if drawn else {}


def reconcile_again(
    context: StepContext, tables: tuple[Table, ...], told: Mapping[date, Metadata]
) -> list[Finding]:
    """Whether the files have as many rows as the day's metadata says were received."""
    raw, rejected = tables
    received = {
        day: None
        if one.get("delivery") in ("missing", "deleted")
        else Received(one["received"], one.get("left_out", 0))
        for day, one in told.items()
        if "received" in one
    }
    return reconciled_again(context.store, raw, rejected, received)


@daily_step(
    tables=(RAW_TRANSACTIONS, REJECTED_TRANSACTIONS),
    group="deliveries",
    warnings=delivery_warnings(RAW_TRANSACTIONS),
    warning_checks={
        RAW_TRANSACTIONS.name: (
            "rejected_share",
            "delivery_volume",
            "repeated_lines",
            "misplaced_files",
        )
    },
    verify_again=reconcile_again,
    pictures=partial(rejected_pictures, REJECTED_TRANSACTIONS),
)
def raw_transactions(context: StepContext, days: list[date]) -> Iterator[Published]:
    """Ingest the days' deliveries of transactions."""
    taken = take_in_days(context, days, take_in_transactions)
    for told in intakes_metadata(context.store, (RAW_TRANSACTIONS, REJECTED_TRANSACTIONS), taken):
        yield Published(*told)


@daily_step(
    tables=(RAW_CUSTOMERS, REJECTED_CUSTOMERS),
    group="deliveries",
    warnings=delivery_warnings(RAW_CUSTOMERS),
    warning_checks={RAW_CUSTOMERS.name: ("rejected_share",)},
    verify_again=reconcile_again,
    pictures=partial(rejected_pictures, REJECTED_CUSTOMERS),
)
def raw_customers(context: StepContext, days: list[date]) -> Iterator[Published]:
    """Ingest the days' deliveries of customers."""
    taken = take_in_days(context, days, take_in_customers)
    for told in intakes_metadata(context.store, (RAW_CUSTOMERS, REJECTED_CUSTOMERS), taken):
        yield Published(*told)
