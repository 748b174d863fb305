"""The job that makes a day's whole chain, and its nightly schedule."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from abintel_pipeline.contract import TABLES
from abintel_pipeline.intake.landing import landed_files
from abintel_pipeline.intake.request_tables import TRANSACTIONS
from abintel_pipeline.metrics.in_force import window_start
from abintel_pipeline.orchestration.automation.retries import NO_RETRY_OF_FAILED_STEPS
from abintel_pipeline.orchestration.automation.runs import run_that_read
from abintel_pipeline.orchestration.naming import Names
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import open_store

JOB_NAME = "customer_snapshots"
SCHEDULE_NAME = "nightly_customer_snapshots"


def snapshots_job(names: Names) -> Any:
    """Everything from the day's delivery to RFM, for one day or a range of days, in one process."""
    return dg.define_asset_job(
        names.name(JOB_NAME),
        selection=dg.AssetSelection.assets(*names.keys(TABLES)),
        description="Take in the day's delivery and publish the snapshot of every customer.",
        executor_def=dg.in_process_executor,
        tags=NO_RETRY_OF_FAILED_STEPS,
    )


def schedule_status(settings: Settings) -> dg.DefaultScheduleStatus:
    """Whether a schedule is on, until somebody changes it in the UI."""
    if settings.automatic:
        return dg.DefaultScheduleStatus.RUNNING
    return dg.DefaultScheduleStatus.STOPPED


def nightly_schedule(settings: Settings, job: Any, names: Names) -> dg.ScheduleDefinition:
    """Runs the job at `nightly_hour` for the day that has just ended, in the time zone set.

    When clocks go forward over that hour it runs right after it; when they go back, once.
    """

    @dg.schedule(
        cron_schedule=f"0 {settings.nightly_hour} * * *",
        job=job,
        name=names.name(SCHEDULE_NAME),
        description="Every night: the snapshot of the day that has just ended.",
        execution_timezone=settings.timezone,
        default_status=schedule_status(settings),
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        zone = ZoneInfo(settings.timezone)
        day = context.scheduled_execution_time.astimezone(zone).date() - timedelta(days=1)
        if reason := _nothing_to_do(context, settings, job.name, day):
            return dg.SkipReason(reason)
        return dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat())

    return nightly


def _nothing_to_do(
    context: dg.ScheduleEvaluationContext, settings: Settings, job: str, day: date
) -> str | None:
    if day < settings.first_day:
        return f"{day} is before the first day {settings.first_day}"
    if not has_something_to_make(settings, day):
        return f"nothing was delivered in the {settings.history_days} days up to {day}"
    landed = [file.changed for file in landed_files(settings.landing) if file.day == day]
    if landed and (run := run_that_read(context.instance, job, day, max(landed))):
        return f"run {run.run_id} makes {day} from everything that has been delivered for it"
    return None


def has_something_to_make(settings: Settings, day: date) -> bool:
    """Whether anything was delivered in the window of the day's snapshot, taken in or not.

    Always true where lines come from a database: only a query would tell.
    """
    return bool(days_with_something_to_make(settings, [day]))


def days_with_something_to_make(settings: Settings, days: list[date]) -> list[date]:
    """Those of the days that have something, with one look at store and landing folder."""
    if not days or TRANSACTIONS.query(settings) is not None:
        return days
    delivered = set(open_store(settings).days(TRANSACTIONS.raw))
    delivered |= {file.day for file in landed_files(settings.landing)}
    starts = {day: window_start(day, settings.history_days) for day in days}
    return [day for day in days if any(starts[day] <= one <= day for one in delivered)]
