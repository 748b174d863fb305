"""The pipeline as a contender: the step functions that the Dagster assets call."""

import time
from pathlib import Path
from typing import Any

from abintel_pipeline.engine.connection import engine
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import (
    StepContext,
    features_snapshots,
    loyalty_snapshots,
    rfm_snapshots,
    transactions_intake,
)
from benchmarks.job import ChainJob, IntakeJob


def run(job: ChainJob) -> dict[str, float]:
    """Compute and publish the five tables of the job's days; the seconds of each step."""
    own = settings(job)
    taken = {}
    with engine(own) as connection:
        step = StepContext(connection, own, own.rules)
        for snapshots in (features_snapshots, loyalty_snapshots, rfm_snapshots):
            before = time.perf_counter()
            for _ in snapshots(step, job.range):
                pass
            taken[snapshots.__name__.removesuffix("_snapshots")] = time.perf_counter() - before
    return taken


def settings(job: ChainJob) -> Settings:
    """The defaults, in the job's store."""
    return Settings(
        _env_file=None,
        store_dir=job.store,
        spill_dir=job.spill,
        memory_limit=job.memory_limit,
    )


def take_in(job: IntakeJob) -> None:
    """Read, screen, enforce and publish the job's delivery."""
    settings = _intake_settings(job.data, job.memory_limit, job.changes)
    with engine(settings) as connection:
        intake = transactions_intake(StepContext(connection, settings, settings.rules), job.day)
    if intake is None:
        raise FileNotFoundError(job.delivery)
    print(f"received {intake.received}, accepted {intake.accepted}, rejected {intake.rejected}")


def _intake_settings(data: Path, memory_limit: str, changes: dict[str, Any]) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=data,
        spill_dir=data / "spill",
        memory_limit=memory_limit,
        **changes,
    )
