"""A check that turns red by itself when a night brought no snapshot.

Dagster's `FreshnessPolicy` looks at the asset's newest event, so a backfill of last year turns it
green. This check looks for the one snapshot that is due, and for holes in the `late_days` before.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from abintel_pipeline.contract import CUSTOMER_RFM
from abintel_pipeline.orchestration.automation.jobs import (
    days_with_something_to_make,
    has_something_to_make,
    schedule_status,
)
from abintel_pipeline.orchestration.naming import Names
from abintel_pipeline.orchestration.partitions import days_between
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import open_store

CHECK_NAME = "newest_expected_snapshot_exists"
MISSED_NIGHT_JOB = "check_newest_snapshot"
SHOWN_HOLES = 10

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def expected_day(settings: Settings, now: datetime) -> date:
    """The newest day whose snapshot is due: from `snapshot_deadline_hour` on, the day before.

    The hour is local time, in the settings' time zone.
    """
    local = now.astimezone(ZoneInfo(settings.timezone))
    nights = 1 if local.hour >= settings.snapshot_deadline_hour else 2
    return local.date() - timedelta(days=nights)


def missed_night_check(
    settings: Settings, names: Names, clock: Clock = utc_now
) -> dg.AssetChecksDefinition:
    """A check of the newest snapshot, without partitions, part of every run that makes RFM."""

    @dg.asset_check(
        asset=names.key(CUSTOMER_RFM.name),
        name=CHECK_NAME,
        description=(
            f"From {settings.snapshot_deadline_hour}:00 {settings.timezone} on, the snapshot of the"
            f" day before is there, and none of the {settings.late_days} days before it is missing."
        ),
    )
    def newest_expected_snapshot_exists() -> dg.AssetCheckResult:
        return night_result(settings, clock())

    return newest_expected_snapshot_exists


def night_result(settings: Settings, now: datetime) -> dg.AssetCheckResult:
    """Failed when the newest snapshot that is due is missing, or one of the days before it.

    No snapshot is due before the first day, or when nothing was delivered in its window.
    """
    day = expected_day(settings, now)
    published = open_store(settings).days(CUSTOMER_RFM)
    newest = published[-1] if published else None
    missing = day not in published
    due = day >= settings.first_day and has_something_to_make(settings, day)
    behind = (day - newest).days if newest else None
    holes = missing_before(settings, day, published)
    told = f"the snapshot of {day} is {'missing' if missing else 'there'}"
    if missing and newest:
        told += f"; the newest is that of {newest}"
    if missing and not due:
        told += ", and not due: nothing was delivered to make it from"
    named = ", ".join(map(str, holes[:SHOWN_HOLES])) + (", …" if len(holes) > SHOWN_HOLES else "")
    if holes:
        told += f"; missing before it: {named}"
    numbers: dict[str, str | int] = {
        "expected": day.isoformat(),
        "newest": newest.isoformat() if newest else "none",
        "days_behind": max(behind or 0, 0),
    }
    if holes:
        numbers["holes"] = len(holes)
    return dg.AssetCheckResult(
        passed=not (due and missing) and not holes, description=told, metadata=numbers
    )


def missing_before(settings: Settings, day: date, published: list[date]) -> list[date]:
    """The days of the `late_days` before that day whose snapshot is due and missing.

    Days before the first published snapshot are not due.
    """
    if not published:
        return []
    oldest = max(published[0], settings.first_day, day - timedelta(days=settings.late_days))
    have = set(published)
    days = [d for d in days_between(oldest, day - timedelta(days=1)) if d not in have]
    return days_with_something_to_make(settings, days)


def missed_night_schedule(settings: Settings, names: Names, check: Any) -> dg.ScheduleDefinition:
    """Evaluates the check at `snapshot_deadline_hour`, so that it turns red though nothing runs."""
    job = dg.define_asset_job(
        names.name(MISSED_NIGHT_JOB),
        selection=dg.AssetSelection.checks(check),
        description="Look whether the newest snapshot is there.",
        executor_def=dg.in_process_executor,
    )
    return dg.ScheduleDefinition(
        name=names.name("missed_night"),
        job=job,
        cron_schedule=f"0 {settings.snapshot_deadline_hour} * * *",
        execution_timezone=settings.timezone,
        description="Every morning: is the snapshot of the day before there?",
        default_status=schedule_status(settings),
    )
