"""How a step becomes partitioned assets.

A run over a range makes its days in one call, each its own partition with its own file,
materialization and checks.
"""

from collections.abc import Iterator

import dagster as dg

from abintel_pipeline.orchestration.asset_page.checks import Checks
from abintel_pipeline.orchestration.asset_page.metadata import table_spec
from abintel_pipeline.orchestration.assets.making import make_days
from abintel_pipeline.orchestration.assets.refused import refusals_told
from abintel_pipeline.orchestration.assets.step import Step
from abintel_pipeline.orchestration.automation.retries import transient_faults_retried
from abintel_pipeline.orchestration.naming import Names
from abintel_pipeline.orchestration.partitions import daily_partitions
from abintel_pipeline.orchestration.private_dagster.finished_outputs import finished_output
from abintel_pipeline.orchestration.resources import RULES, Progress, step_context
from abintel_pipeline.settings import Settings

ENGINE_POOL = "engine"
"""Runs that compute: an instance may limit how many do so at a time, each with its own engine."""


def step_assets(
    step: Step, settings: Settings, names: Names, progress: Progress
) -> dg.AssetsDefinition:
    """One asset per table of the step, partitioned by day, made together."""
    rules = names.name(RULES)
    partitions = daily_partitions(settings)
    keys = {table.name: names.key(table.name) for table in step.tables}
    checks = Checks(step.checks, keys, partitions)
    check_specs = checks.specs

    @dg.multi_asset(
        name=names.name(step.name),
        specs=[
            table_spec(t, settings, names, group=step.group, deps=step.deps, made_by=step.make)
            for t in step.tables
        ],
        check_specs=check_specs,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={rules},
        pool=ENGINE_POOL,
    )
    def made(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        with (
            transient_faults_retried(context.retry_number),
            step_context(settings, getattr(context.resources, rules), rules) as opened,
            refusals_told(context.log),
        ):
            yield from make_days(context, step, checks, opened, progress)  # type: ignore[misc]
        yield from (finished_output(key) for key in keys.values())
        yield from (
            dg.Output(None, output_name=spec.get_python_identifier())  # type: ignore[misc]
            for spec in check_specs
        )

    return made
