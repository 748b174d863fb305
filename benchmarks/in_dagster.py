"""Complete Journey's snapshots through Dagster, events and history included."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from unittest.mock import patch

import dagster as dg

from abintel_pipeline.cli.demo_data import FIRST_DAY
from abintel_pipeline.orchestration import assets, running
from abintel_pipeline.orchestration.asset_page import metadata
from abintel_pipeline.orchestration.asset_page.checks import Checks
from abintel_pipeline.orchestration.running import Selection, run_days
from abintel_pipeline.settings import Settings
from benchmarks.job import JourneyJob
from benchmarks.stopwatch import Stopwatch

COMPUTING, EVENTS, CHECKS, WARNINGS, PICTURES, PREVIEWS, BUILDING, OPENING = PARTS = (
    "computing and publishing",
    "storing events",
    "check evaluations",
    "warnings",
    "pictures",
    "previews",
    "building the definitions",
    "opening the history",
)


def one_run(job: JourneyJob) -> None:
    """All days of the job in one run."""
    run_days(settings(job), job.first, job.day, selection=Selection("snapshots"))


def timed_run(job: JourneyJob) -> dict[str, float]:
    """All days of the job in one run; the seconds of its parts, and the number of events."""
    watch = Stopwatch()
    with parts_timed(watch):
        one_run(job)
    seconds = watch.seconds
    # The first rows are read, and the pictures drawn, from what a step has published.
    seconds[COMPUTING] -= seconds[PREVIEWS]
    return {name: seconds[name] for name in PARTS} | {"events": watch.calls[EVENTS]}


@contextmanager
def parts_timed(watch: Stopwatch) -> Iterator[None]:
    """While it lasts, the parts of a run are timed; none of them but previews within another."""
    steps = [
        replace(
            step,
            publish_days=watch.timed_yields(COMPUTING, step.publish_days),
            warnings=watch.timed(WARNINGS, step.warnings),
            pictures=watch.timed(PICTURES, step.pictures),
        )
        for step in assets.STEPS
    ]
    with (
        patch.object(assets, "STEPS", tuple(steps)),
        watch.on(BUILDING, running, "build_defs"),
        watch.on(BUILDING, dg.Definitions, "resolve_job_def"),
        watch.on(OPENING, dg.DagsterInstance, "from_config"),
        watch.on(PREVIEWS, metadata, "preview"),
        watch.on(CHECKS, Checks, "evaluations", yields=True),
        watch.on(EVENTS, dg.DagsterInstance, "handle_new_event"),
    ):
        yield


def run_per_day(job: JourneyJob) -> dict[str, float]:
    """One run after the other, each of one day of the sample; seconds of each.

    The last day has had a run by then, so that what only a first run does counts for none of them.
    """
    one_run(job)
    taken = {}
    for text in job.sample:
        day, before = date.fromisoformat(text), time.perf_counter()
        run_days(settings(job), day, day, selection=Selection("snapshots"))
        taken[text] = time.perf_counter() - before
    return taken


def settings(job: JourneyJob) -> Settings:
    """The demo's, in the job's folder."""
    return Settings(
        _env_file=None,
        data_dir=job.place,
        first_day=FIRST_DAY,
        memory_limit=job.memory_limit,
    )
