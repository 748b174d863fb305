"""Watches the landing folder and asks for the runs that new, late and corrected deliveries need."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any

import dagster as dg

from abintel_pipeline.contract import RAW_CUSTOMERS, RAW_TRANSACTIONS, TABLES
from abintel_pipeline.intake.landing import (
    LandedFile,
    landed_files,
    misplaced_files,
    told,
)
from abintel_pipeline.orchestration.assets import STEPS
from abintel_pipeline.orchestration.automation.arrivals import (
    Arrival,
    RunPlan,
    Watch,
    fingerprint,
    moment,
    new_arrivals,
    plan_runs,
    table_of,
)
from abintel_pipeline.orchestration.automation.follow_up import intake_outcome, snapshots_to_follow
from abintel_pipeline.orchestration.automation.runs import (
    days_rejected,
    run_that_read,
    unfinished_run,
)
from abintel_pipeline.orchestration.naming import Names
from abintel_pipeline.orchestration.partitions import newest_day, range_tags
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import SnapshotStore, open_store
from abintel_pipeline.store.windows import runs_of_days

SENSOR_NAME = "deliveries_in_the_landing_folder"
EVERY_SECONDS = 30
REASON_TAG, DELIVERIES_TAG, FILES_TAG = "abintel/reason", "abintel/deliveries", "abintel/files"
SHOWN_DAYS = 10


def landing_sensor(
    settings: Settings, job: Any, names: Names, clock: Callable[[], float] = time.time
) -> dg.SensorDefinition:
    """Requests a run for each delivery once its files are complete; the run's tags say why.

    `clock` gives seconds since 1970.
    """

    @dg.sensor(
        job=job,
        name=names.name(SENSOR_NAME),
        minimum_interval_seconds=EVERY_SECONDS,
        description="Takes in what arrives, and renews the snapshots that it affects.",
        default_status=dg.DefaultSensorStatus.RUNNING
        if settings.automatic
        else dg.DefaultSensorStatus.STOPPED,
    )
    def deliveries(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return evaluate(context, settings, job.name, names, clock())

    return deliveries


def evaluate(
    context: dg.SensorEvaluationContext, settings: Settings, job: str, names: Names, now: float
) -> dg.SensorResult:
    """One look at the landing folder: the runs to request, or why there are none."""
    watch = Watch.model_validate_json(context.cursor) if context.cursor else Watch()
    requests: list[dg.RunRequest] = []
    keys = names.keys(TABLES)
    since = min((one.asked_at for one in watch.awaited.values()), default=now)
    busy = unfinished_run(context.instance, job, keys, now, since) if watch.awaited else None
    if watch.awaited and not busy:
        rejected = days_rejected(context.instance, job, keys, since)
        follow, watch = _follow(settings, watch, rejected, names)
        requests += follow
    files = landed_files(settings.landing)
    newest = newest_day(settings, moment(now))
    arrivals, watch = new_arrivals(settings, watch, files, newest, now)
    arrivals = [a for a in arrivals if a.day != newest or not _made(context.instance, job, a)]
    if arrivals:
        in_flight = busy or unfinished_run(context.instance, job, keys, now, since=now)
        asked = plan_runs(
            settings, arrivals, now, busy=bool(watch.awaited or requests or in_flight)
        )
        why = _why(context.instance, open_store(settings), names, arrivals)
        key = fingerprint(*((f.name, f.mark, f.changed) for a in arrivals for f in a.files))
        requests += _ranges(asked.chains, why, names, None, key)
        requests += _ranges(asked.intakes, why, names, "deliveries", key)
        watch = _awaiting(watch, asked, why)
    skipped = _skipped(context, settings, _waiting(settings, watch, busy), bool(requests))
    return dg.SensorResult(requests, skip_reason=skipped, cursor=watch.model_dump_json())


def _follow(
    settings: Settings, watch: Watch, rejected: set[date], names: Names
) -> tuple[list[dg.RunRequest], Watch]:
    """The requests once no run is left: the lost intakes again, or else the snapshots."""
    known = watch.awaited
    found = intake_outcome(settings, known, rejected)
    key = sorted((day, one.asked_at, one.tries) for day, one in known.items())
    if found.lost:
        kept = {d: known[d] for d in found.done} | {
            d: known[d].model_copy(update={"tries": known[d].tries + 1}) for d in found.lost
        }
        again = _ranges(runs_of_days(found.lost), watch.why, names, "deliveries", fingerprint(key))
        return list(again), watch.model_copy(update={"awaited": kept})
    days = runs_of_days(snapshots_to_follow(settings, known, found.done))
    asked = _ranges(days, watch.why, names, "snapshots", fingerprint(key))
    return list(asked), watch.model_copy(update={"awaited": {}, "why": {}})


def _made(instance: dg.DagsterInstance, job: str, arrival: Arrival) -> bool:
    """Whether a run makes the day from these files already: the nightly schedule may be first."""
    changed = max(file.changed for file in arrival.files)
    return run_that_read(instance, job, arrival.day, changed) is not None


def _ranges(
    ranges: Iterable[tuple[date, date]],
    why: dict[str, str],
    names: Names,
    group: str | None,
    key: object,
) -> Iterator[dg.RunRequest]:
    """One run per range of days: of one group of assets, or of all.

    With the same `run_key` Dagster launches a run once, even if the daemon dies before it has
    stored the sensor's cursor.
    """
    tables = [t.name for step in STEPS if step.group == group for t in step.tables]
    for first, last in ranges:
        yield dg.RunRequest(
            run_key=f"{names.name(group or 'chain')}:{first}:{last}:{key}",
            tags=why | (range_tags(first, last) if first != last else {}),
            partition_key=None if first != last else first.isoformat(),
            asset_selection=names.keys(tables) or None,
        )


def _why(
    instance: dg.DagsterInstance, store: SnapshotStore, names: Names, arrivals: list[Arrival]
) -> dict[str, str]:
    """A run's tags: its deliveries, their number of files, and whether those are new or changed."""
    reasons = {reason for a in arrivals for reason in _reasons(instance, store, names, a)}
    days = [str(arrival.day) for arrival in arrivals]
    more = f" and {len(days) - SHOWN_DAYS} more" if len(days) > SHOWN_DAYS else ""
    return {
        REASON_TAG: ", ".join(sorted(reasons)),
        DELIVERIES_TAG: ", ".join(days[:SHOWN_DAYS]) + more,
        FILES_TAG: str(sum(len(arrival.files) for arrival in arrivals)),
    }


def _reasons(
    instance: dg.DagsterInstance, store: SnapshotStore, names: Names, arrival: Arrival
) -> set[str]:
    known = _files_taken_in(instance, names, arrival.day)

    def reason(file: LandedFile) -> str:
        if not store.path(TABLES[table_of(file)], arrival.day).is_file():
            return "new delivery"
        return "changed file" if file.name in known else "late file"

    return {reason(file) for file in arrival.files}


def _files_taken_in(instance: dg.DagsterInstance, names: Names, day: date) -> set[str]:
    """The names of the files that the day's newest intake read."""
    found: set[str] = set()
    for key in names.keys([RAW_TRANSACTIONS.name, RAW_CUSTOMERS.name]):
        of_day = dg.AssetRecordsFilter(key, asset_partitions=[day.isoformat()])
        for record in instance.fetch_materializations(of_day, limit=1).records:
            event = record.asset_materialization
            files = event.metadata.get("files") if event else None
            found |= set(files.value or []) if isinstance(files, dg.JsonMetadataValue) else set()
    return found


def _awaiting(watch: Watch, asked: RunPlan, why: dict[str, str]) -> Watch:
    """The watch, with the intakes just requested added to those awaited."""
    return watch.model_copy(
        update={
            "awaited": watch.awaited | asked.awaited,
            "why": _both(watch.why, why),
        }
    )


def _both(before: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    """The tags of two looks merged into one set."""
    if not before:
        return now
    joined = {
        tag: ", ".join(dict.fromkeys(f"{before[tag]}, {now[tag]}".split(", "))) for tag in now
    }
    return joined | {FILES_TAG: str(int(before[FILES_TAG]) + int(now[FILES_TAG]))}


def _skipped(
    context: dg.SensorEvaluationContext, settings: Settings, waiting: str, asked: bool
) -> str | None:
    """Why there is no run. Every tick also names the files that will never be taken in."""
    lost = told(misplaced_files(settings.landing))
    if asked:
        if lost:
            context.log.warning(lost)
        return None
    return f"{waiting}; {lost}" if lost else waiting


def _waiting(settings: Settings, watch: Watch, busy: str | None) -> str:
    if busy:
        return f"the snapshots of {_days(watch)} follow when run {busy} is over"
    if watch.awaited:
        return f"the snapshots of {_days(watch)} follow"
    if watch.waiting:
        files = watch.waiting
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        return f"{files[0]}{more} must settle, or the day be over, first"
    return f"nothing new in {settings.landing}"


def _days(watch: Watch) -> str:
    return ", ".join(str(day) for day in sorted(watch.awaited)[:SHOWN_DAYS])
