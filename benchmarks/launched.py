"""A run launched as the UI does it: code server, webserver and daemon, and a process for the run.

The servers are those of the tests, so that they are started in one way only.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from abintel_pipeline.cli.demo_data import FIRST_DAY
from abintel_pipeline.orchestration.running import Selection, instance
from abintel_pipeline_tests.backfills import launch_run, run_over
from abintel_pipeline_tests.servers import Servers
from benchmarks.in_dagster import settings
from benchmarks.job import JourneyJob

Kind = dg.DagsterEventType
RUN = (Kind.RUN_STARTING, Kind.RUN_START, Kind.RUN_SUCCESS)


def launched_run(job: JourneyJob) -> dict[str, float]:
    """Seconds of the parts of one launched run over the job's days, from the click on."""
    return _launched(job, "abintel_pipeline.definitions")


def run_per_step(job: JourneyJob) -> dict[str, float]:
    """The same with Dagster's default executor: a process for each step."""
    return _launched(job, "benchmarks.per_step")


def _launched(job: JourneyJob, module: str) -> dict[str, float]:
    own = settings(job)
    with instance(own):
        pass
    assets = [key.to_user_string() for key in Selection("snapshots").assets]
    with _servers(job, module) as servers:
        run, clicked = launch_run(servers, str(job.first), str(job.day), assets)
        ended = run_over(servers, run)
    if ended != "SUCCESS":
        raise OSError(f"run {run}: {ended}")
    with instance(own) as opened:
        events = [e for e in opened.all_logs(run) if e.dagster_event]
    moments = {(e.dagster_event.event_type, e.step_key): e.timestamp for e in events}
    return parts_of(moments, clicked)


def parts_of(
    moments: dict[tuple[dg.DagsterEventType, str | None], float], clicked: float
) -> dict[str, float]:
    """Seconds from the click to the end of a run, part by part.

    `moments` has the time of each event by type and step. The steps follow each other; what is left
    of the run lies before, between and after them.
    """
    starting, began, ended = (moments[kind, None] for kind in RUN)
    steps = {
        step: moments[Kind.STEP_SUCCESS, step] - start
        for (kind, step), start in moments.items()
        if kind == Kind.STEP_START
    }
    return {
        "in the queue": starting - clicked,
        "start of its process": began - starting,
        **steps,
        "around its steps": ended - began - sum(steps.values()),
    }


@contextmanager
def _servers(job: JourneyJob, module: str) -> Iterator[Servers]:
    servers = Servers(
        settings(job).history,
        module=module,
        ABINTEL_DATA_DIR=str(job.place),
        ABINTEL_FIRST_DAY=str(FIRST_DAY),
        ABINTEL_MEMORY_LIMIT=job.memory_limit,
    )
    try:
        servers.start_all()
        yield servers
    finally:
        servers.stop()
