"""Checks of published days that an earlier run ended without, evaluated by the step's next run.

A killed run reports nothing: its days look complete to Dagster, and nothing that looks for missing
partitions finds them. The history knows which they are: their newest materialization has no
evaluation.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from abintel_pipeline.orchestration.asset_page.checks import Checks, Place
from abintel_pipeline.orchestration.assets.step import Step
from abintel_pipeline.orchestration.automation.runs import IN_PROGRESS, LONGEST_RUN_SECONDS
from abintel_pipeline.orchestration.private_dagster.check_states import (
    CheckState,
    CheckStatus,
    check_states,
    materialized_days,
)
from abintel_pipeline.orchestration.private_dagster.check_targets import newest_materializations
from abintel_pipeline.snapshots import StepContext

MOST_DAYS = 100
"""Days that one run evaluates late, the newest: history without any checks takes a few nights."""


def late_evaluations(
    context: dg.AssetExecutionContext, step: Step, checks: Checks, opened: StepContext
) -> list[dg.AssetCheckEvaluation]:
    """The evaluations that published days lack. A fault here costs a warning, not the run."""
    try:
        lacking = days_without_checks(context.instance, checks)
        days = sorted(set().union(*lacking.values()))
        if not days:
            return []
        made = newest_materializations(context.instance, checks.keys[checks.first], days)
        told = {day: _metadata(made[day]) for day in days if day in made}
        found = step.verify_again(opened, step.tables, told)
        found += step.warnings(opened, sorted({one.day for one in found}), None)
        wanted = [one for one in found if one.day in lacking.get(checks.place(one), ())]
        evaluations = list(checks.evaluations(context.instance, wanted, late=True))
    except Exception as fault:
        context.log.warning(
            f"checks of days made before could not be evaluated: {type(fault).__name__}: {fault}"
        )
        return []
    context.log.info(f"evaluated checks that earlier runs had left out, of {len(days)} days")
    return evaluations


def _metadata(record: dg.EventLogRecord) -> dict[str, Any]:
    made = record.asset_materialization
    return {name: value.value for name, value in made.metadata.items()} if made else {}


def days_without_checks(instance: dg.DagsterInstance, checks: Checks) -> dict[Place, set[date]]:
    """{check: its days without an evaluation}. One query per table and one per check.

    A day that a run in progress will evaluate is left to that run.
    """
    made = {table: materialized_days(instance, checks.keys[table]) for table in checks.names}
    keys = {
        dg.AssetCheckKey(checks.keys[table], name): (table, name)
        for table, names in checks.names.items()
        for name in names
    }
    known = {
        (keys[one.check_key], one.partition_key): one for one in check_states(instance, list(keys))
    }
    alive = _in_progress(instance, known.values())
    found = {
        place: {day for day in made[place[0]] if _lacks(known.get((place, day)), alive)}
        for place in keys.values()
    }
    return _newest(found, checks.partitions)


def _lacks(known: CheckState | None, alive: set[str]) -> bool:
    if known is None:
        return True
    if known.latest_execution_status is CheckStatus.PLANNED:
        return known.latest_planned_run_id not in alive
    return not known.is_current


def _in_progress(instance: dg.DagsterInstance, known: Iterable[CheckState]) -> set[str]:
    """The runs that will evaluate some of it; one begun over a day ago is taken to be killed."""
    planned = {
        one.latest_planned_run_id
        for one in known
        if one.latest_execution_status is CheckStatus.PLANNED
    }
    if not planned:
        return set()
    since = datetime.now(UTC) - timedelta(seconds=LONGEST_RUN_SECONDS)
    wanted = dg.RunsFilter(run_ids=list(planned), statuses=IN_PROGRESS, created_after=since)
    return {run.run_id for run in instance.get_runs(wanted)}


def _newest(
    found: dict[Place, set[str]], partitions: dg.PartitionsDefinition
) -> dict[Place, set[date]]:
    """The newest of these days that still are partitions."""
    newest: set[str] = set()
    for day in sorted(set().union(*found.values()), reverse=True):
        if len(newest) < MOST_DAYS and partitions.has_partition_key(day):
            newest.add(day)
    return {
        place: {date.fromisoformat(day) for day in days & newest}
        for place, days in found.items()
        if days & newest
    }
