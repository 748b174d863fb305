"""The first step: a day's delivery of a request table, taken in and published."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path

from abintel_pipeline.contract.findings import Finding, VerificationFailed
from abintel_pipeline.engine.connection import Backend
from abintel_pipeline.intake import (
    DeliveriesFailed,
    DeliveryError,
    Intake,
    TooManyRejected,
    take_in_customers,
    take_in_transactions,
)
from abintel_pipeline.intake.landing import LandedFile, landed_files
from abintel_pipeline.intake.rejected.files import forget, keep
from abintel_pipeline.quality.blocking import reconciled
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.locks import taking_in
from abintel_pipeline.store.snapshot_store import Outdated
from abintel_pipeline.store.step_context import StepContext

READINGS = 3
"""How often a delivery is read that changes meanwhile."""

TakeIn = Callable[[Backend, Settings, date, Path], Intake | None]


def take_in(context: StepContext, day: date, how: TakeIn) -> Intake | None:
    """Take in and publish one day's delivery of one request table.

    None when nothing was delivered for that day; what was published before stays. Where the files
    change while they are read they are read again.

    Raises DeliveryError when they don't come to rest, TooManyRejected above the cap: then the
    rejected rows are kept beside what is published.
    """
    for _ in range(READINGS):
        landed = landed_files(context.settings.landing, day)

        def unchanged(day: date, landed: list[LandedFile] = landed) -> bool:
            return landed_files(context.settings.landing, day) == landed

        try:
            return _taken_in(context, day, how, unchanged)
        except Outdated:
            continue
        except DeliveryError:
            if unchanged(day):
                raise
    raise DeliveryError(
        f"the delivery of {day} changes while it is read: let names end in .part while files are"
        " being written"
    )


def _taken_in(
    context: StepContext, day: date, how: TakeIn, unchanged: Callable[[date], bool]
) -> Intake | None:
    with context.store.staging() as folder:
        try:
            intake = how(context.connection, context.settings, day, folder)
        except TooManyRejected as rejected:
            if unchanged(day):
                rejected.delivery = keep(context.store, rejected.delivery)
            raise
        if intake is not None:
            intake = reconciled(intake)
            context.store.publish(intake.rejected_rows, intake.accepted_rows, unchanged=unchanged)
            forget(context.store, intake.rejected_rows.table, day)
    return intake


def take_in_days(
    context: StepContext, days: Iterable[date], how: TakeIn
) -> Iterator[tuple[date, Intake | None]]:
    """Take in and publish one day's delivery after the other.

    A delivery that can't be taken in, or whose rows don't add up, doesn't hold up those after it.

    Raises at the end, telling of all that failed: VerificationFailed if one didn't add up, else
    DeliveriesFailed. Rejected rows of a delivery of which too many were are kept.
    """
    failed: list[DeliveryError] = []
    rejected: list[Finding] = []
    wanted = sorted(set(days))
    if not wanted:
        return
    with taking_in(context.store.root, wanted[0], wanted[-1]):
        for day in wanted:
            try:
                taken = take_in(context, day, how)
            except DeliveryError as error:
                failed.append(error)
            except VerificationFailed as error:
                rejected += error.findings
            else:
                yield day, taken
    if rejected:
        raise VerificationFailed(rejected, failed)
    if failed:
        raise DeliveriesFailed(failed)


def transactions_intake(context: StepContext, day: date) -> Intake | None:
    """`raw_transactions` and `rejected_transactions` of one delivery day."""
    return take_in(context, day, take_in_transactions)


def customers_intake(context: StepContext, day: date) -> Intake | None:
    """`raw_customers` and `rejected_customers` of one delivery day."""
    return take_in(context, day, take_in_customers)
