"""Published days whose newest materialization has no evaluation: their run ended before it.

A run that is killed tells nobody. Its days are materialized, so that nothing that looks for what is
missing finds them again; the history knows which they are.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from abintel_pipeline.orchestration.asset_page.checks import Checks, Place
from abintel_pipeline.orchestration.automation.runs import IN_PROGRESS, LONGEST_RUN_SECONDS
from abintel_pipeline.orchestration.private_dagster.check_states import (
    CheckState,
    CheckStatus,
    check_states,
    materialized_days,
)

MOST_DAYS = 100
"""Days that one step looks at again, the newest: history without any checks takes a few nights."""


def unevaluated(instance: dg.DagsterInstance, checks: Checks) -> dict[Place, set[date]]:
    """{check: days}, without checks that are complete. One query per table and one per check.

    Left alone is a day that a run in progress is to evaluate.
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
    """The runs that are yet to evaluate some of it. One of days ago was killed without a trace."""
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
    """The newest days among them that still are partitions."""
    newest: set[str] = set()
    for day in sorted(set().union(*found.values()), reverse=True):
        if len(newest) < MOST_DAYS and partitions.has_partition_key(day):
            newest.add(day)
    return {
        place: {date.fromisoformat(day) for day in days & newest}
        for place, days in found.items()
        if days & newest
    }
