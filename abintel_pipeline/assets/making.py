"""How the days of a run are made, and told of: a materialization each, and their checks."""

from collections.abc import Iterator

import dagster as dg

from abintel_pipeline.assets.step import Made, Step
from abintel_pipeline.checks import Checks
from abintel_pipeline.findings import Finding, VerificationFailed
from abintel_pipeline.lineage import column_lineage
from abintel_pipeline.partitions import days_of
from abintel_pipeline.resources import Progress
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

    Whatever ends the step, what the store holds and what the UI shows are one.
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
            newest = one.day == days[-1]
            pictures = step.draw(opened, one.day) if newest else {}
            for table, metadata in one.metadata.items():
                lineage = column_lineage(table, checks.keys[table]) if newest else {}
                told = metadata | lineage | pictures.get(table, {})
                yield dg.AssetMaterialization(
                    checks.keys[table], partition=one.day.isoformat(), metadata=told
                )
            progress(step.name, one.day)
            waiting.append(one)
            if len(waiting) == DAYS_AT_A_TIME:
                yield from evaluate()
    except VerificationFailed as failed:
        yield from evaluate(*failed.findings)
        raise
    except Exception:
        yield from evaluate()
        raise
    yield from evaluate()
