"""abintel inspect: what a file is, and the settings that make it a delivery."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from abintel_pipeline.cli.console import err, out, told_settings
from abintel_pipeline.inspecting import CannotInspect, as_json, as_text
from abintel_pipeline.inspecting.encodings import Progress as Told
from abintel_pipeline.inspecting.inspection import Call, Inspection, inspect_file

TABLES = ("transactions", "customers")
LARGE = 20_000_000
"""Bytes of a file from which on a bar shows how far it is."""


def inspect(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="An export: .csv, .csv.gz, .xlsx, .parquet or .jsonl."),
    ],
    day: Annotated[
        str | None,
        typer.Option(
            metavar="YYYY-MM-DD",
            help="Day of delivery; left out: the one in the file's name, else the newest in"
            " the file.",
        ),
    ] = None,
    table: Annotated[
        str, typer.Option(help="transactions or customers.", metavar="TABLE")
    ] = "transactions",
    as_document: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON, for scripts.")
    ] = False,
) -> None:
    """Say what FILE is, which settings make it a delivery, and what is then accepted.

    The whole file is read, nothing is changed. The lines that it prints go into .env; what it
    can't tell is a line to choose from. Settings that are in force already are kept.

    Examples: abintel inspect orders.xlsx, abintel inspect export.csv --day 2025-12-24

    Exit codes: 0 it can be delivered, 1 something must be decided first, 2 the call is wrong.
    """
    wanted = _day(day)
    if table not in TABLES:
        raise typer.BadParameter(f"--table {table}: choose {' or '.join(TABLES)}")
    with told_settings() as settings:
        today = datetime.now(ZoneInfo(settings.timezone)).date()
        seen = _inspected(Call(file, settings, table, today, wanted))
        _print(seen, as_document)
        raise typer.Exit(0 if seen.ready else 1)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"--day {text!r} is no date: write YYYY-MM-DD") from error


def _inspected(call: Call) -> Inspection:
    try:
        with _progress(call.path) as progress:
            return inspect_file(call, progress)
    except CannotInspect as error:
        err.print(str(error), style="red")
        raise typer.Exit(1) from None


def _print(seen: Inspection, as_document: bool) -> None:
    if as_document:
        typer.echo(as_json.findings(seen))
        return
    for line in as_text.told(seen):
        out.print(line)


@contextmanager
def _progress(path: Path) -> Iterator[Told]:
    """A bar for large files, on the standard error; nothing for small ones."""
    if not path.is_file() or path.stat().st_size < LARGE:
        yield lambda *_: None
        return
    columns = (TextColumn("{task.description:<10}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def told(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step)
            bar.update(tasks[step], completed=done, total=total or None)

        yield told
