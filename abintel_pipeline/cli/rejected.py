"""`abintel rejected`: the rejected rows of a day's deliveries, and why they were rejected."""

from datetime import date
from typing import Annotated

import typer

from abintel_pipeline.cli.console import Day, out, told_settings
from abintel_pipeline.cli.showing import (
    NothingTakenIn,
    Rejection,
    Rejections,
    rejected_deliveries,
    rejected_rows,
    rejections,
)
from abintel_pipeline.engine.connection import engine
from abintel_pipeline.intake.rejected.advice import advice
from abintel_pipeline.intake.rejected.files import RejectedDelivery
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import open_store

SHOWN_REJECTIONS = 50
SHOWN_LETTERS = 300


def rejected(
    day: Day,
    limit: Annotated[int, typer.Option(help="How many rows to show.", min=1)] = SHOWN_REJECTIONS,
) -> None:
    """Show the rows that were rejected in the deliveries of DATE, with every reason.

    Those of a delivery that was rejected as a whole come first.
    """
    with told_settings() as settings:
        store = open_store(settings)
        with engine(settings) as connection:
            whole = rejected_deliveries(connection, store, day)
            rows = [rejected_rows(connection, store, one, limit) for one in whole]
            found = rejections(connection, store, day, limit)
        if found is None and not whole:
            raise NothingTakenIn(day)
        for one, first in zip(whole, rows, strict=True):
            _print_whole(settings, one, first)
        if whole:
            out.print(f"Published of {day} is {'an' if found else 'no'} earlier delivery")
        if found:
            _print_published(day, found)


def _print_whole(settings: Settings, one: RejectedDelivery, rows: list[Rejection]) -> None:
    """The rejected rows of a delivery of which nothing was published, why, and what may help."""
    out.print(f"{one}.", style="red")
    out.print("The delivery was rejected as a whole; what was published before stays.")
    _print_rows(rows, one.rejected)
    out.print("The commonest reasons:")
    for reason in one.reasons:
        first = reason.examples[0]
        out.print(f"  {reason.rows:>8,}  {reason.name}, as {first.file}, row {first.row}:")
        out.print(f"            {first.raw[:SHOWN_LETTERS]}", style="dim")
    out.print("What may help:")
    for told in advice(one, settings.landing):
        out.print(f"  {told}")


def _print_published(day: date, found: Rejections) -> None:
    _print_rows(found.rows, found.total)
    noun = "row" if found.total == 1 else "rows"
    out.print(f"{found.total:,} {noun} rejected on {day}")
    for reason, count in found.reasons.items():
        out.print(f"  {count:>8,}  {reason}")


def _print_rows(rows: list[Rejection], total: int) -> None:
    for row in rows:
        out.print(f"{row.file}, row {row.row}: {'; '.join(row.reasons)}")
        out.print(f"    {row.raw}", style="dim")
    if total > len(rows):
        out.print(f"… and {total - len(rows):,} more (--limit)")
