"""What a step is, and how it becomes partitioned assets.

A step writes one or two tables per day. A run over a range makes its days in one call, each its
own partition with its own file, materialization and checks.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import dagster as dg
from dagster._core.definitions.source_asset import (
    SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as ALREADY_LOGGED,
)

from abintel_pipeline.checks import VERIFIED, Checks
from abintel_pipeline.contract import Table
from abintel_pipeline.findings import Finding, VerificationFailed
from abintel_pipeline.lineage import column_lineage
from abintel_pipeline.metadata import Metadata, table_spec
from abintel_pipeline.naming import Names
from abintel_pipeline.partitions import daily_partitions, days_of
from abintel_pipeline.resources import RULES, Progress, step_context
from abintel_pipeline.retries import transient_faults_retried
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import StepContext

ENGINE_POOL = "engine"
"""Runs that compute: an instance may limit how many do so at a time, each with its own engine."""

DAYS_AT_A_TIME = 50
"""Days of a range whose checks are evaluated together: one query each for all of them."""


@dataclass(frozen=True)
class Made:
    """A day that was published: what is to be told of it per table, and what verifying it found."""

    day: date
    metadata: dict[str, Metadata]
    findings: tuple[Finding, ...]


def no_pictures(opened: StepContext, day: date) -> dict[str, Metadata]:  # noqa: ARG001
    """Of a step that has none."""
    return {}


@dataclass(frozen=True)
class Step:
    """One step of the chain: the tables it writes, what they are made from, and how."""

    name: str
    group: str
    tables: tuple[Table, ...]
    deps: tuple[str, ...]
    make: Callable[[StepContext, list[date]], Iterator[Made]]
    """Makes the days given, in order; yields each when its files are published."""
    warn: Callable[[StepContext, list[date]], list[Finding]]
    """What is worth a warning about published days."""
    warnings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names of these checks, by table."""
    draw: Callable[[StepContext, date], dict[str, Metadata]] = no_pictures
    """Pictures of a published day, by table."""

    @property
    def checks(self) -> dict[str, tuple[str, ...]]:
        """{table: names of its checks}; the first table's begin with what covers all of them."""
        first, *others = (table.name for table in self.tables)
        rest = {name: self.warnings[name] for name in others if name in self.warnings}
        return {first: (VERIFIED, *self.warnings.get(first, ())), **rest}


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
        ):
            yield from make_days(context, step, checks, opened, progress)  # type: ignore[misc]
        yield from (_output(key) for key in keys.values())
        yield from (
            dg.Output(None, output_name=spec.get_python_identifier())  # type: ignore[misc]
            for spec in check_specs
        )

    return made


def _output(key: dg.AssetKey) -> dg.MaterializeResult[None]:
    """What tells Dagster that an asset is made, so that the steps after it can begin.

    Without a second materialization of every partition: each was logged as its file was renamed,
    and its checks point at that event. Dagster 1.13 offers no other way to yield an output and log
    nothing; should the mark lose its meaning, a test finds two events per partition.
    """
    return dg.MaterializeResult(asset_key=key, metadata={ALREADY_LOGGED: True})


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
            found += step.warn(opened, [one.day for one in waiting])
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
