"""Processes that open one new history at the same moment, and each make a small run in it."""

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import dagster as dg

from abintel_pipeline.orchestration.running import QUIET, instance
from abintel_pipeline_tests.shop import shop_settings

START_SECONDS = 120


@dg.asset
def one() -> None: ...


def open_and_run(data: Path, together: Barrier) -> None:
    together.wait(START_SECONDS)
    with instance(shop_settings(data)) as opened:
        assert dg.materialize([one], instance=opened, run_config=QUIET).success


def failures(data: Path, processes: int) -> list[Any]:
    """The exit codes of the processes that failed. Dagster is imported once for all of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    together = context.Barrier(processes)
    started = [
        context.Process(target=open_and_run, args=(data, together)) for _ in range(processes)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return [process.exitcode for process in started if process.exitcode]


def runs(data: Path) -> int:
    """How many successful runs the history has."""
    with instance(shop_settings(data)) as opened:
        return opened.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
