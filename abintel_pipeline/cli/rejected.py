"""`abintel rejected`: the refused rows of a day's deliveries, and why they were refused."""

from datetime import date
from typing import Annotated

import typer

from abintel_pipeline.cli.console import Day, out, told_settings
from abintel_pipeline.cli.showing import (
    NothingTakenIn,
    Refusal,
    Refusals,
    refusals,
    refused_deliveries,
    refused_rows,
)
from abintel_pipeline.engine.connection import engine
from abintel_pipeline.intake.rejected.advice import advice
from abintel_pipeline.intake.rejected.files import RefusedDelivery
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import SnapshotStore

SHOWN_REFUSALS = 50
SHOWN_LETTERS = 300


def rejected(
    day: Day,
    limit: Annotated[int, typer.Option(help="How many rows to show.", min=1)] = SHOWN_REFUSALS,
) -> None:
    """Show the rows that were refused in the deliveries of DATE, with every reason.

    Those of a delivery that was refused as a whole come first.
    """
    with told_settings() as settings:
        store = SnapshotStore(settings.store)
        with engine(settings) as connection:
            whole = refused_deliveries(connection, store, day)
            rows = [refused_rows(connection, store, one, limit) for one in whole]
            found = refusals(connection, store, day, limit)
        if found is None and not whole:
            raise NothingTakenIn(day)
        for one, first in zip(whole, rows, strict=True):
            _print_whole(settings, one, first)
        if whole:
            out.print(f"Published of {day} is {'an' if found else 'no'} earlier delivery")
        if found:
            _print_published(day, found)


def _print_whole(settings: Settings, one: RefusedDelivery, rows: list[Refusal]) -> None:
    """The refused rows of a delivery of which nothing was published, why, and what may help."""
    out.print(f"{one}.", style="red")
    out.print("The delivery was refused as a whole; what was published before stays.")
    _print_rows(rows, one.refused)
    out.print("The commonest reasons:")
    for reason in one.reasons:
        first = reason.examples[0]
        out.print(f"  {reason.rows:>8,}  {reason.name}, as {first.file}, row {first.row}:")
        out.print(f"            {first.raw[:SHOWN_LETTERS]}", style="dim")
    out.print("What may help:")
    for told in advice(one, settings.landing):
        out.print(f"  {told}")


def _print_published(day: date, found: Refusals) -> None:
    _print_rows(found.rows, found.total)
    noun = "row" if found.total == 1 else "rows"
    out.print(f"{found.total:,} {noun} refused on {day}")
    for reason, count in found.reasons.items():
        out.print(f"  {count:>8,}  {reason}")


def _print_rows(rows: list[Refusal], total: int) -> None:
    for row in rows:
        out.print(f"{row.file}, row {row.row}: {'; '.join(row.reasons)}")
        out.print(f"    {row.raw}", style="dim")
    if total > len(rows):
        out.print(f"… and {total - len(rows):,} more (--limit)")
