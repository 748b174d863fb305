"""Whether the published files are still what they say: a check per table, and a weekly look at all.

Every step proves the files that it reads, and fails where one isn't what it says. The checks tell
in the UI, table by table, what a run read; on Sundays they look at every day that is published.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from abintel_pipeline.contract import RAW_CUSTOMERS, RAW_TRANSACTIONS, TABLES, Table
from abintel_pipeline.engine.connection import engine
from abintel_pipeline.metrics.in_force import window_start
from abintel_pipeline.orchestration.automation.jobs import schedule_status
from abintel_pipeline.orchestration.naming import Names
from abintel_pipeline.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots.verifying import Flaw, Report, published_files, verify
from abintel_pipeline.store.snapshot_store import open_store

CHECK_NAME = "as_published"
JOB_NAME = "verify_published_files"
SCHEDULE_NAME = "weekly_verification"
PARTITION_TAG = "dagster/partition"
SUNDAY_AT_FIVE = "0 5 * * 0"
SHOWN_FLAWS = 20


def verification_checks(settings: Settings, names: Names) -> dg.AssetChecksDefinition:
    """A check of each table, without partitions: part of every run that makes the table.

    It looks at the days that the run reads; in a run without days, at all of them.
    """
    specs = {
        table: dg.AssetCheckSpec(
            CHECK_NAME,
            asset=names.key(table.name),
            description="The files are what was published, and made from what is published now.",
        )
        for table in TABLES.values()
    }

    @dg.multi_asset_check(
        name=names.name("as_published"), specs=list(specs.values()), can_subset=True
    )
    def as_published(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        first, last = _days_of_run(context)
        wanted = set(context.selected_asset_check_keys)
        with engine(settings) as connection:
            for table, spec in specs.items():
                if spec.key in wanted:
                    begin = _begin(settings, table, first)
                    files = published_files(open_store(settings), begin, last, table)
                    yield _result(spec, verify(settings, connection, files))

    return as_published


def _days_of_run(context: dg.AssetCheckExecutionContext) -> tuple[date, date]:
    tags = context.run.tags
    one = tags.get(PARTITION_TAG)
    first, last = tags.get(RANGE_START_TAG, one), tags.get(RANGE_END_TAG, one)
    if first is None or last is None:
        return date.min, date.max
    return date.fromisoformat(first), date.fromisoformat(last)


def _begin(settings: Settings, table: Table, first: date) -> date:
    """The first day of a table that snapshots from that day on read."""
    if first == date.min or table is RAW_CUSTOMERS:
        return date.min
    if table is RAW_TRANSACTIONS:
        return window_start(first, settings.history_days)
    return first


def _result(spec: dg.AssetCheckSpec, report: Report) -> dg.AssetCheckResult:
    """Damaged and missing files are errors; stale ones are true to their day, and a warning."""
    flaws = report.flaws
    told = f"{report.files:,} files are what was published" if not flaws else str(flaws[0])
    if len(flaws) > 1:
        told += f"; and {len(flaws) - 1:,} more flaws"
    metadata: dict[str, Any] = {"files": report.files, "flaws": len(flaws)}
    if report.unproved:
        metadata["of_versions_without_proof"] = report.unproved
    if flaws:
        metadata["told"] = dg.MetadataValue.md("\n".join(map(_line, flaws[:SHOWN_FLAWS])))
    only_stale = all(flaw.kind == "stale" for flaw in flaws)
    return dg.AssetCheckResult(
        passed=not flaws,
        check_name=spec.name,
        asset_key=spec.asset_key,
        severity=dg.AssetCheckSeverity.WARN if only_stale else dg.AssetCheckSeverity.ERROR,
        description=told,
        metadata=metadata,
    )


def _line(flaw: Flaw) -> str:
    return f"- {flaw}. {flaw.advice}"


def weekly_schedule(
    settings: Settings, names: Names, checks: dg.AssetChecksDefinition
) -> dg.ScheduleDefinition:
    """Looks at every published file on Sundays at five."""
    job = dg.define_asset_job(
        names.name(JOB_NAME),
        selection=dg.AssetSelection.checks(checks),
        description="Look whether every published file is still what was published.",
        executor_def=dg.in_process_executor,
    )
    return dg.ScheduleDefinition(
        name=names.name(SCHEDULE_NAME),
        job=job,
        cron_schedule=SUNDAY_AT_FIVE,
        execution_timezone=settings.timezone,
        description="Every Sunday: is every published file still what was published?",
        default_status=schedule_status(settings),
    )
