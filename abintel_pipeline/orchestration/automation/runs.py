"""Finds runs in Dagster's history: unfinished, with a delivery read, with one rejected."""

from collections.abc import Collection
from datetime import UTC, date, datetime

import dagster as dg

from abintel_pipeline.contract import CUSTOMER_RFM, RAW_CUSTOMERS, RAW_TRANSACTIONS
from abintel_pipeline.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG, days_between

IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
READING = [status for status in IN_PROGRESS if status is not dg.DagsterRunStatus.CANCELING]
TO_BE_RETRIED = {"dagster/will_retry": "true"}
RETRIED_BY = "dagster/auto_retry_run_id"
PARTITION = "dagster/partition"
LONGEST_RUN_SECONDS = 24 * 3600
CHAIN_ENDS = {RAW_TRANSACTIONS.name, RAW_CUSTOMERS.name, CUSTOMER_RFM.name}
"""The first and the last tables of the chain: a run of these is taken to make all."""


def unfinished_run(
    instance: dg.DagsterInstance,
    job: str,
    keys: Collection[dg.AssetKey],
    now: float,
    since: float,
) -> str | None:
    """The id of a run that isn't over, or that was lost `since` then and will be retried.

    Runs of the job count, and those of any job that make one of the assets `keys`: runs and
    backfills that the UI starts from selected assets belong to a job of Dagster's own. A run that
    began more than a day ago doesn't count: a killed run can be shown as started for ever.
    `now` and `since` are in seconds since 1970.
    """
    alive = dg.RunsFilter(statuses=IN_PROGRESS, created_after=_moment(now - LONGEST_RUN_SECONDS))
    lost = dg.RunsFilter(tags=TO_BE_RETRIED, created_after=_moment(since))
    found = [
        *instance.get_runs(alive),
        *(run for run in instance.get_runs(lost) if RETRIED_BY not in run.tags),
    ]
    return next((run.run_id for run in found if _is_ours(run, job, keys)), None)


def _is_ours(run: dg.DagsterRun, job: str, keys: Collection[dg.AssetKey]) -> bool:
    return run.job_name == job or not (run.asset_selection or frozenset()).isdisjoint(keys)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def run_that_read(
    instance: dg.DagsterInstance, job: str, day: date, changed: float
) -> dg.DagsterRun | None:
    """A run of the whole chain for that day alone, in progress or done, that reads all its files.

    It began after they last `changed` (seconds since 1970), or has yet to begin.
    """
    of_day = dg.RunsFilter(
        job_name=job,
        statuses=[*READING, dg.DagsterRunStatus.SUCCESS],
        tags={PARTITION: day.isoformat()},
    )
    for record in instance.get_run_records(of_day, limit=5):
        began_after = record.start_time is None or record.start_time > changed
        if began_after and _makes_the_whole_chain(record.dagster_run):
            return record.dagster_run
    return None


def _makes_the_whole_chain(run: dg.DagsterRun) -> bool:
    """A run without a selection makes every asset of its job."""
    selected = {key.path[-1] for key in run.asset_selection or ()}
    return not selected or selected >= CHAIN_ENDS


def days_rejected(
    instance: dg.DagsterInstance, job: str, keys: Collection[dg.AssetKey], since: float
) -> set[date]:
    """The days of runs begun `since` then that failed for good: their data or rules are wrong.

    A run that was lost or cancelled, or whose fault passes by itself, rejected nothing.
    """
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], created_after=_moment(since))
    found: set[date] = set()
    for run in instance.get_runs(failed):
        if _is_ours(run, job, keys) and _gave_up_for_good(instance, run):
            found |= _days_of(run)
    return found


def _gave_up_for_good(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    failures = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    events = (entry.dagster_event for entry in failures)
    return any(event and event.step_failure_data.user_failure_data for event in events)


def _days_of(run: dg.DagsterRun) -> set[date]:
    one = run.tags.get(PARTITION)
    first, last = run.tags.get(RANGE_START_TAG, one), run.tags.get(RANGE_END_TAG, one)
    if first is None or last is None:
        return set()
    return set(days_between(date.fromisoformat(first), date.fromisoformat(last)))
