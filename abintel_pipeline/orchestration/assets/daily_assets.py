"""How a step becomes assets partitioned by day, and what their run does.

A run over a range makes its days in one call, each its own partition with its own file,
materialization and checks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from abintel_pipeline.contract.findings import Finding, VerificationFailed
from abintel_pipeline.orchestration.asset_page.checks import Checks
from abintel_pipeline.orchestration.asset_page.lineage import column_lineage
from abintel_pipeline.orchestration.asset_page.metadata import Metadata, table_spec
from abintel_pipeline.orchestration.assets.late_checks import late_evaluations
from abintel_pipeline.orchestration.assets.rejected import rejections_told
from abintel_pipeline.orchestration.assets.step import Published, Step
from abintel_pipeline.orchestration.automation.retries import transient_faults_retried
from abintel_pipeline.orchestration.naming import Names
from abintel_pipeline.orchestration.partitions import daily_partitions, days_of
from abintel_pipeline.orchestration.private_dagster.finished_outputs import finished_output
from abintel_pipeline.orchestration.resources import RULES, Progress, step_context
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import StepContext

ENGINE_POOL = "engine"
"""Runs that compute: an instance may limit how many do so at a time, each with its own engine."""

DAYS_AT_A_TIME = 50
"""Days of a range whose checks are evaluated together: one query each for all of them."""


def assets_of_step(
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
            table_spec(
                table,
                settings,
                names,
                group=step.group,
                deps=step.depends_on,
                made_by=step.publish_days,
            )
            for table in step.tables
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
            rejections_told(context.log),
        ):
            yield from _StepRun(context, step, checks, opened, progress).events()  # type: ignore[misc]
        yield from (finished_output(key) for key in keys.values())
        yield from (
            dg.Output(None, output_name=spec.get_python_identifier())  # type: ignore[misc]
            for spec in check_specs
        )

    return made


@dataclass(frozen=True)
class _StepRun:
    """A step within one run; `opened` is the engine that it computes with, and its store."""

    context: dg.AssetExecutionContext
    step: Step
    checks: Checks
    opened: StepContext
    progress: Progress

    def events(self) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
        """Publish each day of the run: its materialization comes with its files, its checks after.

        However the step ends, store and UI agree. Only a killed run reports nothing: the next run
        of the step evaluates the checks of its days.
        """
        days = days_of(self.context)
        unchecked: list[Published] = []
        try:
            for one in self.step.publish_days(self.opened, days):
                yield from self._materializations(one, newest=one.day == days[-1])
                unchecked.append(one)
                self.progress(self.step.name, one.day)
                if len(unchecked) == DAYS_AT_A_TIME:
                    yield from self._evaluations(unchecked)
        except VerificationFailed as failed:
            yield from self._evaluations(unchecked, *failed.findings)
            raise
        except GeneratorExit:  # nobody takes events any more
            raise
        except BaseException:  # an interrupt is no Exception
            yield from self._evaluations(unchecked)
            raise
        yield from self._evaluations(unchecked)
        yield from late_evaluations(self.context, self.step, self.checks, self.opened)

    def _materializations(
        self, one: Published, *, newest: bool
    ) -> Iterator[dg.AssetMaterialization]:
        more = self._newest_day_metadata(one) if newest else {}
        for table, metadata in one.metadata.items():
            yield dg.AssetMaterialization(
                self.checks.keys[table],
                partition=one.day.isoformat(),
                metadata=metadata | more.get(table, {}),
            )

    def _evaluations(
        self, unchecked: list[Published], *more: Finding
    ) -> Iterator[dg.AssetCheckEvaluation]:
        """The checks of the days published since the last call, which are unchecked no longer."""
        found = [finding for one in unchecked for finding in one.findings]
        if unchecked:
            newest = days_of(self.context)[-1]
            found += self.step.warnings(self.opened, [one.day for one in unchecked], newest)
        unchecked.clear()
        yield from self.checks.evaluations(self.context.instance, [*found, *more])

    def _newest_day_metadata(self, one: Published) -> dict[str, Metadata]:
        """Per table, what only a run's newest day is given: the columns' lineage, and pictures.

        Its files are published: a picture that can't be drawn is left out with a warning.
        """
        try:
            pictures = self.step.pictures(self.opened, one.day)
        except Exception as fault:
            told = f"{type(fault).__name__}: {fault}"
            self.context.log.warning(f"the pictures of {one.day} could not be drawn: {told}")
            pictures = {}
        return {
            table: column_lineage(table, self.checks.keys[table]) | pictures.get(table, {})
            for table in one.metadata
        }
