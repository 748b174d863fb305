"""`abintel run`: takes in deliveries and publishes snapshots."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from abintel_pipeline.cli.console import bar, out, parse_day, some, told_settings
from abintel_pipeline.cli.showing import REQUEST_TABLES, rows_taken_in
from abintel_pipeline.contract import RAW_TRANSACTIONS
from abintel_pipeline.intake.landing import misplaced_files
from abintel_pipeline.orchestration.partitions import days_between, newest_day
from abintel_pipeline.orchestration.running import GROUPS, Selection, run_days
from abintel_pipeline.settings import ENV_PREFIX, Settings
from abintel_pipeline.store.deleted import deleted_deliveries, told_deleted
from abintel_pipeline.store.snapshot_store import open_store

SHOWN_FILES = 10


def run(
    start: Annotated[
        Any, typer.Argument(parser=parse_day, metavar="FROM", help="First day, YYYY-MM-DD.")
    ],
    end: Annotated[
        Any,
        typer.Argument(parser=parse_day, metavar="[TO]", help="Last day; left out: FROM alone."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help=f"Only these steps: {' or '.join(GROUPS)}.", metavar="GROUP")
    ] = None,
) -> None:
    """Take in the deliveries of the days FROM to TO and publish their snapshots, in one run."""
    last = end or start
    if last < start:
        raise typer.BadParameter(f"TO ({last}) is before FROM ({start})")
    if only is not None and only not in GROUPS:
        raise typer.BadParameter(f"--only {only}: choose {' or '.join(GROUPS)}")
    with told_settings() as settings:
        _within_partitions(settings, start, last)
        run_with_bar(settings, start, last, Selection(only))
        if only != "snapshots":
            _print_intakes(settings, start, last)
            _print_misplaced(settings)
        _print_undelivered(settings, start, last)
        out.print(f"Published under {settings.store}")


def _within_partitions(settings: Settings, start: date, end: date) -> None:
    """Only days that Dagster knows as partitions: from the first day to yesterday."""
    newest = newest_day(settings, datetime.now(UTC))
    if end > newest:
        raise typer.BadParameter(
            f"{end} is not over in {settings.timezone}: the newest day is {newest}"
        )
    if start < settings.first_day:
        raise typer.BadParameter(
            f"{start} is before the first day {settings.first_day}: set {ENV_PREFIX}FIRST_DAY"
        )


def run_with_bar(settings: Settings, start: date, end: date, selection: Selection) -> None:
    days = (end - start).days + 1
    with bar() as shown:
        tasks = {name: shown.add_task(name, total=days) for name in selection.steps}
        run_days(
            settings,
            start,
            end,
            selection=selection,
            progress=lambda name, _: shown.advance(tasks[name]),
        )


def _print_undelivered(settings: Settings, start: date, end: date) -> None:
    """Name the days without a delivery: a landing folder that is set wrongly looks like that."""
    store = open_store(settings)
    deleted = deleted_deliveries(store, start, end)
    known = {*store.days(RAW_TRANSACTIONS, start, end), *deleted.get(RAW_TRANSACTIONS, [])}
    missing = [day for day in days_between(start, end) if day not in known]
    if missing:
        out.print(
            f"No delivery of transactions: {some(missing)}. Looked for in {settings.landing}",
        )
    for raw, days in deleted.items():
        out.print(f"Deleted: {told_deleted(store, raw, days)}", style="red")


def _print_intakes(settings: Settings, start: date, end: date) -> None:
    """What became of the rows, where not all were accepted, and how to see those rejected."""
    store = open_store(settings)
    for table in REQUEST_TABLES:
        rows, rejected_on = rows_taken_in(store, table, start, end)
        if rows.rejected or rows.left_out:
            hint = f" (abintel rejected {some(rejected_on)})" if rejected_on else ""
            out.print(
                f"{table.name}: {rows.received:,} rows received, {rows.accepted:,} accepted,"
                f" {rows.rejected:,} rejected{hint}, {rows.left_out:,} left out",
            )


def _print_misplaced(settings: Settings) -> None:
    """The files that nobody takes in."""
    found = misplaced_files(settings.landing)
    for one in found[:SHOWN_FILES]:
        out.print(f"Belongs to no day: {one.name} ({one.why})")
    if len(found) > SHOWN_FILES:
        out.print(f"… and {len(found) - SHOWN_FILES:,} more files that belong to no day")
