"""abintel: the pipeline from the command line.

Exit codes: 0 done, 1 it couldn't be done (the message says why), 2 the call or a setting is wrong,
130 interrupted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Annotated, Any

import duckdb
import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from abintel_pipeline import cli_inspect, cli_rejected, cli_service, cli_settings
from abintel_pipeline import demo as demo_data
from abintel_pipeline.cli_rejected import Day, parse_day
from abintel_pipeline.contract import TABLES
from abintel_pipeline.engines import engine
from abintel_pipeline.intake import DeliveryError
from abintel_pipeline.intake.landed import misplaced_files
from abintel_pipeline.partitions import days_between, newest_day
from abintel_pipeline.running import GROUPS, RunFailed, Selection, run_days
from abintel_pipeline.settings import (
    ENV_FILE,
    ENV_PREFIX,
    Settings,
    faults,
    unknown_variables,
)
from abintel_pipeline.showing import NothingTakenIn, Overview, Share, overview, rows_taken_in
from abintel_pipeline.store import SnapshotMissing, SnapshotStore
from abintel_pipeline.ui import PortTaken, serve
from abintel_pipeline.windows import NothingDelivered, affected_snapshots, runs_of_days

app = typer.Typer(
    help="Raw transactions in, a daily snapshot of every customer out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


CANNOT = (
    RunFailed,
    NothingDelivered,
    DeliveryError,
    NothingTakenIn,
    SnapshotMissing,
    PortTaken,
    demo_data.DemoDataMissing,
    duckdb.Error,
    OSError,
)
"""What can keep a command from its work that the person at the keyboard can do something about."""
INTERRUPTED = 130

out = Console(soft_wrap=True, emoji=False)
err = Console(stderr=True, soft_wrap=True, emoji=False)

REQUEST_TABLES = ("raw_transactions", "raw_customers")
SHOWN_DAYS = 10
SHOWN_FILES = 10
UI_PORT = 3000


@contextmanager
def _telling() -> Iterator[Settings]:
    """The settings, and errors as sentences with their exit codes."""
    settings = _settings()
    try:
        yield settings
    except KeyboardInterrupt as error:
        err.print("interrupted: what was published by then stays", style="red")
        raise typer.Exit(INTERRUPTED) from error
    except CANNOT as error:
        err.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error


def _settings() -> Settings:
    """The settings in force; what is wrong with them is told by the variables' names."""
    try:
        wrong = unknown_variables()
        settings = Settings()
    except ValidationError as error:
        wrong = faults(error, ENV_PREFIX)
    except SettingsError as error:
        name = str(error).partition('field "')[2].partition('"')[0]
        wrong = [f"{ENV_PREFIX}{name.upper()}: lists and objects are written as JSON"]
    except UnicodeDecodeError:
        wrong = [f"{ENV_FILE} is not UTF-8: save it as UTF-8"]
    if wrong:
        for fault in wrong:
            err.print(fault, style="red", markup=False)
        raise typer.Exit(2)
    return settings


@app.command()
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
    with _telling() as settings:
        _within_partitions(settings, start, last)
        _run(settings, start, last, Selection(only))
        if only != "snapshots":
            _print_intakes(settings, start, last)
            _print_misplaced(settings)
        _print_undelivered(settings, start, last)
        out.print(f"Published under {settings.store}", markup=False)


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


def _run(settings: Settings, start: date, end: date, selection: Selection) -> None:
    days = (end - start).days + 1
    with _bar() as bar:
        tasks = {name: bar.add_task(name, total=days) for name in selection.steps}
        run_days(
            settings,
            start,
            end,
            selection=selection,
            progress=lambda name, _: bar.advance(tasks[name]),
        )


def _print_undelivered(settings: Settings, start: date, end: date) -> None:
    """Name the days without a delivery: a landing folder that is set wrongly looks like that."""
    taken_in = set(SnapshotStore(settings.store).days(TABLES["raw_transactions"], start, end))
    missing = [day for day in days_between(start, end) if day not in taken_in]
    if missing:
        out.print(
            f"No delivery of transactions: {_some(missing)}. Looked for in {settings.landing}",
            markup=False,
        )


def _print_intakes(settings: Settings, start: date, end: date) -> None:
    """What became of the rows, where not all were accepted, and how to see those refused."""
    store = SnapshotStore(settings.store)
    for table in (TABLES[name] for name in REQUEST_TABLES):
        rows, refused_on = rows_taken_in(store, table, start, end)
        if rows.refused or rows.left_out:
            hint = f" (abintel rejected {_some(refused_on)})" if refused_on else ""
            out.print(
                f"{table.name}: {rows.received:,} rows received, {rows.accepted:,} accepted,"
                f" {rows.refused:,} refused{hint}, {rows.left_out:,} left out",
                markup=False,
            )


def _print_misplaced(settings: Settings) -> None:
    """The files that nobody takes in."""
    found = misplaced_files(settings.landing)
    for one in found[:SHOWN_FILES]:
        out.print(f"Belongs to no day: {one.name} ({one.why})", markup=False)
    if len(found) > SHOWN_FILES:
        out.print(f"… and {len(found) - SHOWN_FILES:,} more files that belong to no day")


def _some(days: list[date]) -> str:
    return ", ".join(map(str, days[:SHOWN_DAYS])) + (", …" if len(days) > SHOWN_DAYS else "")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=out,
    )


@app.command()
def show(day: Day) -> None:
    """Show the snapshot of DATE: its segments and tiers, and what it was made from."""
    with _telling() as settings:
        _show(settings, day)


def _show(settings: Settings, day: date) -> None:
    with engine(settings) as connection:
        seen = overview(connection, SnapshotStore(settings.store), day)
    out.print(f"Snapshot of {day}: {seen.customers:,} customers")
    out.print(_shares_table("Segment", seen.segments))
    out.print(_shares_table("Tier", seen.tiers))
    _print_deliveries(seen)


def _shares_table(title: str, shares: list[Share]) -> Table:
    table = Table(title, show_edge=False)
    for heading in ("customers", "share", "mean spend", "mean recency"):
        table.add_column(heading, justify="right")
    for one in shares:
        spend = "–" if one.mean_spend is None else f"{one.mean_spend:,.2f}"
        recency = "–" if one.mean_recency_days is None else f"{one.mean_recency_days:.1f} days"
        table.add_row(escape(one.name), f"{one.customers:,}", f"{one.share:.1%}", spend, recency)
    return table


def _print_deliveries(seen: Overview) -> None:
    window = seen.window
    out.print(
        f"Delivery days in the window: {len(window.delivered)}"
        f" ({window.delivered[0]} to {window.delivered[-1]})"
    )
    missing = f" ({_some(window.missing)})" if window.missing else ""
    out.print(f"Missing delivery days: {len(window.missing)}{missing}")
    left_out = f", {seen.left_out:,} left out" if seen.left_out else ""
    out.print(f"Refused rows: {seen.refused:,} of {seen.received:,}{left_out}")


@app.command()
def affected(day: Day) -> None:
    """Show which published snapshots the delivery of DATE may have changed, and how to renew them.

    A snapshot of that day or later is named while its window holds a line of the delivery.
    """
    with _telling() as settings:
        store = SnapshotStore(settings.store)
        if not any(store.path(TABLES[name], day).is_file() for name in REQUEST_TABLES):
            raise NothingTakenIn(day)
        days = affected_snapshots(store, day)
        noun = "snapshot" if len(days) == 1 else "snapshots"
        out.print(f"{len(days)} published {noun} affected by the delivery of {day}")
        for first, last in runs_of_days(days):
            out.print(f"  abintel run {first} {last} --only snapshots")


@app.command()
def demo() -> None:
    """Write a year of real grocery transactions, publish December's snapshots, show the last."""
    with _telling() as settings:
        journey = settings.model_copy(update={"first_day": demo_data.FIRST_DAY})
        with _bar() as bar:
            task = bar.add_task("landing folder", total=None)
            lines = demo_data.write_deliveries(
                journey.landing, lambda done, total: bar.update(task, completed=done, total=total)
            )
        out.print(f"{lines:,} lines written to {journey.landing}", markup=False)
        _run(journey, demo_data.FIRST_DAY, demo_data.LAST_DAY, Selection("deliveries"))
        december = demo_data.LAST_DAY.replace(day=1)
        _run(journey, december, demo_data.LAST_DAY, Selection("snapshots"))
        out.print()
        _show(journey, demo_data.LAST_DAY)
        out.print(f"Parquet files: {journey.store}", markup=False)
        out.print("Now open the UI: make ui")


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on loopback.", min=1, max=65535)] = UI_PORT,
) -> None:
    """Open the Dagster UI on loopback, its history kept under the data folder."""
    with _telling() as settings:
        out.print(f"Dagster UI: http://127.0.0.1:{port} (Ctrl-C stops it)")
        if "automatic" not in settings.model_fields_set:
            out.print("Schedules and the sensor are on; ABINTEL_AUTOMATIC=false starts them off")
        raise typer.Exit(serve(settings, port))


cli_rejected.add_command(app, _telling)
cli_settings.add_command(app, _telling)
cli_service.add_commands(app, _telling)
cli_inspect.add_command(app, _telling)

if __name__ == "__main__":
    app()
