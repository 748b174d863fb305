"""How the days of a run are made, and told of: a materialization each, and their checks."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from abintel_pipeline.contract.findings import Finding, VerificationFailed
from abintel_pipeline.orchestration.asset_page.checks import Checks
from abintel_pipeline.orchestration.asset_page.lineage import column_lineage
from abintel_pipeline.orchestration.asset_page.metadata import Metadata
from abintel_pipeline.orchestration.asset_page.unevaluated import unevaluated
from abintel_pipeline.orchestration.assets.step import Made, Step
from abintel_pipeline.orchestration.partitions import days_of
from abintel_pipeline.orchestration.private_dagster.check_targets import newest_materializations
from abintel_pipeline.orchestration.resources import Progress
from abintel_pipeline.snapshots import StepContext

DAYS_AT_A_TIME = 50
"""Days of a range whose checks are evaluated together: one query each for all of them."""


def make_days(
    context: dg.AssetExecutionContext,
    step: Step,
    checks: Checks,
    opened: StepContext,
    progress: Progress,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Make each day of the run; its materialization follows its files, its checks come after.

    Whatever ends the step, what the store holds and what the UI shows are one. Where nobody can be
    told any more, as of a run that is killed, the next run of the step tells it.
    """
    days = days_of(context)
    waiting: list[Made] = []

    def evaluate(*more: Finding) -> Iterator[dg.AssetCheckEvaluation]:
        found = [finding for one in waiting for finding in one.findings]
        if waiting:
            found += step.warn(opened, [one.day for one in waiting], days[-1])
        waiting.clear()
        yield from checks.evaluations(context.instance, [*found, *more])

    try:
        for one in step.make(opened, days):
            more = newest_only(context, step, checks, opened, one) if one.day == days[-1] else {}
            for table, metadata in one.metadata.items():
                yield dg.AssetMaterialization(
                    checks.keys[table],
                    partition=one.day.isoformat(),
                    metadata=metadata | more.get(table, {}),
                )
            waiting.append(one)
            progress(step.name, one.day)
            if len(waiting) == DAYS_AT_A_TIME:
                yield from evaluate()
    except VerificationFailed as failed:
        yield from evaluate(*failed.findings)
        raise
    except GeneratorExit:  # nobody takes events any more
        raise
    except BaseException:  # an interrupt is no Exception
        yield from evaluate()
        raise
    yield from evaluate()
    yield from left_out(context, step, checks, opened)


def newest_only(
    context: dg.AssetExecutionContext, step: Step, checks: Checks, opened: StepContext, one: Made
) -> dict[str, Metadata]:
    """Per table, what is told of a run's newest day alone: the columns' lineage, and pictures.

    Its files are published: a picture that can't be drawn is left out with a warning.
    """
    try:
        pictures = step.draw(opened, one.day)
    except Exception as fault:
        context.log.warning(f"the pictures of {one.day} could not be drawn: {_told(fault)}")
        pictures = {}
    return {
        table: column_lineage(table, checks.keys[table]) | pictures.get(table, {})
        for table in one.metadata
    }


def left_out(
    context: dg.AssetExecutionContext, step: Step, checks: Checks, opened: StepContext
) -> list[dg.AssetCheckEvaluation]:
    """Evaluations of published days that an earlier run ended without. They cost no run."""
    try:
        lacking = unevaluated(context.instance, checks)
        days = sorted(set().union(*lacking.values()))
        if not days:
            return []
        made = newest_materializations(context.instance, checks.keys[checks.first], days)
        found = step.look(opened, {day: _metadata(made[day]) for day in days if day in made})
        found += step.warn(opened, sorted({one.day for one in found}), None)
        wanted = [one for one in found if one.day in lacking.get(checks.place(one), ())]
        evaluations = list(checks.evaluations(context.instance, wanted, late=True))
    except Exception as fault:
        context.log.warning(f"checks of days made before could not be evaluated: {_told(fault)}")
        return []
    context.log.info(f"evaluated checks that earlier runs had left out, of {len(days)} days")
    return evaluations


def _metadata(record: dg.EventLogRecord) -> dict[str, Any]:
    made = record.asset_materialization
    return {name: value.value for name, value in made.metadata.items()} if made else {}


def _told(fault: Exception) -> str:
    return f"{type(fault).__name__}: {fault}"
