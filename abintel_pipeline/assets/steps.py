"""What a step is, and how it becomes partitioned assets.

A step writes one or two tables per day. A run over a range makes its days in one call, each its
own partition with its own file and metadata.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import dagster as dg

from abintel_pipeline.contract import Table
from abintel_pipeline.metadata import Metadata, table_spec
from abintel_pipeline.naming import Names
from abintel_pipeline.partitions import daily_partitions, days_of
from abintel_pipeline.resources import RULES, Progress, step_context
from abintel_pipeline.retries import transient_faults_retried
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import StepContext

ENGINE_POOL = "engine"
"""Runs that compute: an instance may limit how many do so at a time, each with its own engine."""

DayMetadata = dict[str, Metadata]
"""What is to be told of one day, per table."""


@dataclass(frozen=True)
class Step:
    """One step of the chain: the tables it writes, what they are made from, and how."""

    name: str
    group: str
    tables: tuple[Table, ...]
    deps: tuple[str, ...]
    make: Callable[[StepContext, list[date]], Iterator[tuple[date, DayMetadata]]]
    """Makes the days given, in order; yields each when its files are published."""


def step_assets(
    step: Step, settings: Settings, names: Names, progress: Progress
) -> dg.AssetsDefinition:
    """One asset per table of the step, partitioned by day, made together."""
    rules = names.name(RULES)

    @dg.multi_asset(
        name=names.name(step.name),
        specs=[
            table_spec(t, settings, names, group=step.group, deps=step.deps) for t in step.tables
        ],
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={rules},
        pool=ENGINE_POOL,
    )
    def made(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        with (
            transient_faults_retried(context.retry_number),
            step_context(settings, getattr(context.resources, rules)) as opened,
        ):
            make_days(context, step, opened, names, progress)
        yield from (dg.MaterializeResult(asset_key=names.key(t.name)) for t in step.tables)

    return made


def make_days(
    context: dg.AssetExecutionContext,
    step: Step,
    opened: StepContext,
    names: Names,
    progress: Progress,
) -> None:
    """Make each day of the run and put its metadata on its partition.

    Dagster marks the partitions of a range when its step ends. If the step fails half way, the
    days published by then are marked here: what the store holds and what the UI shows stay one.
    """
    done: dict[date, DayMetadata] = {}
    try:
        for day, told in step.make(opened, days_of(context)):
            done[day] = told
            progress(step.name, day)
    except BaseException:
        for day, table, metadata in _each(done):
            context.log_event(
                dg.AssetMaterialization(
                    names.key(table), partition=day.isoformat(), metadata=metadata
                )
            )
        raise
    for day, table, metadata in _each(done):
        context.add_asset_metadata(metadata, names.key(table), partition_key=day.isoformat())


def _each(done: dict[date, DayMetadata]) -> list[tuple[date, str, Metadata]]:
    return [
        (day, table, metadata) for day, tables in done.items() for table, metadata in tables.items()
    ]
