"""Complete Journey's snapshots through Dagster, events and history included."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from unittest.mock import patch

import dagster as dg

from abintel_pipeline.demo import FIRST_DAY
from abintel_pipeline.running import Selection, run_days
from abintel_pipeline.settings import Settings
from benchmarks.job import JourneyJob


def one_run(job: JourneyJob) -> None:
    """All days of the job in one run."""
    run_days(settings(job), job.first, job.day, selection=Selection("snapshots"))


def timed_run(job: JourneyJob) -> dict[str, float]:
    """All days of the job in one run; seconds spent on storing events, and their number."""
    spent: list[float] = []
    with _timed(dg.DagsterInstance, "handle_new_event", spent):
        one_run(job)
    return {"storing events": sum(spent), "events": len(spent)}


@contextmanager
def _timed(owner: type, name: str, spent: list[float]) -> Iterator[None]:
    """Put down how long each call of a method takes."""
    method = getattr(owner, name)

    def timed(*arguments: object, **named: object) -> object:
        before = time.perf_counter()
        try:
            return method(*arguments, **named)
        finally:
            spent.append(time.perf_counter() - before)

    with patch.object(owner, name, timed):
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
