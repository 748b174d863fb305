"""`abintel verify`: whether what is published is still what was published, and still true."""

from datetime import date
from typing import Annotated, Any

import typer

from abintel_pipeline.cli.console import bar, err, out, parse_day, told_settings
from abintel_pipeline.engine.connection import engine
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots.recomputing import recompute
from abintel_pipeline.snapshots.verifying import Report, published_files
from abintel_pipeline.snapshots.verifying import verify as verify_files
from abintel_pipeline.store.snapshot_store import open_store
from abintel_pipeline.store.windows import runs_of_days


def verify(
    start: Annotated[
        Any,
        typer.Argument(
            parser=parse_day, metavar="[FROM]", help="First day, YYYY-MM-DD; left out: all days."
        ),
    ] = None,
    end: Annotated[
        Any,
        typer.Argument(parser=parse_day, metavar="[TO]", help="Last day; left out: FROM alone."),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Compute everything again, too, and compare the rows.")
    ] = False,
) -> None:
    """Verify the published files of the days FROM to TO: one line per flaw, and exit code 1.

    Each file is what it says: its bytes, its day, its columns. Each snapshot was made from what is
    published now.
    """
    first, last = start or date.min, end or start or date.max
    if last < first:
        raise typer.BadParameter(f"TO ({last}) is before FROM ({first})")
    with told_settings() as settings:
        report = _verified(settings, first, last, deep)
        _print_report(settings, report, deep)
    if report.flaws:
        raise typer.Exit(1)


def _verified(settings: Settings, first: date, last: date, deep: bool) -> Report:
    files = published_files(open_store(settings), first, last)
    with engine(settings) as connection, bar() as shown:
        task = shown.add_task("verified", total=len(files))
        report = verify_files(
            settings, connection, files, progress=lambda n: shown.advance(task, n)
        )
        if deep and not report.flaws:
            task = shown.add_task("computed again", total=len(files))
            again = recompute(
                settings, connection, files, progress=lambda n: shown.advance(task, n)
            )
            report += again
    return report


def _print_report(settings: Settings, report: Report, deep: bool) -> None:
    for flaw in report.flaws:
        err.print(str(flaw), style="red")
    if not report.files:
        out.print(f"Nothing is published under {settings.store} for these days")
        return
    unproved = f", {report.unproved:,} of versions that wrote no proof" if report.unproved else ""
    out.print(f"{report.files:,} files verified, {len(report.flaws):,} flaws{unproved}")
    if deep:
        _print_deep(report)
    for advice in dict.fromkeys(flaw.advice for flaw in report.flaws if not flaw.of_snapshot):
        out.print(advice)
    for first, last in runs_of_days(report.to_recompute):
        out.print(f"Publish again: abintel run {first} {last} --only snapshots")


def _print_deep(report: Report) -> None:
    if not report.recomputed:
        out.print("Nothing was computed again: mend the flaws first")
        return
    lacking = (
        f", {report.without_delivery:,} not: their delivery lies nowhere as it was"
        if report.without_delivery
        else ""
    )
    out.print(f"{report.recomputed:,} files computed again{lacking}")
