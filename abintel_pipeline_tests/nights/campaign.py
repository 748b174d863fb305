"""Many seeds over all cores, and real runs killed by signal."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed

from abintel_pipeline.cli.console import bar
from abintel_pipeline_tests.nights.figures import Figures
from abintel_pipeline_tests.nights.ledger import Wrong
from abintel_pipeline_tests.nights.plan import CAMPAIGN, drawn
from abintel_pipeline_tests.nights.real_kills import KILLS_OF_A_STORE, kill_runs
from abintel_pipeline_tests.nights.seeds import Seeds

SEEDS = 20_000
PORTION = 50
"""Seeds of one story that a process runs with the same answers."""


def campaign(seeds: int, kills: int) -> Figures:
    """Run the seeds from 0 on, and kill about as many real runs."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), spawn) as pool, bar() as shown:
        seeds_shown = shown.add_task("seeds", total=seeds)
        kills_shown = shown.add_task("real kills", total=kills)
        figures = Figures()
        for work in as_completed(_work(pool, seeds, kills)):
            found = work.result()
            shown.advance(seeds_shown, found.seeds)
            shown.advance(kills_shown, sum(found.killed.values()))
            figures += found
    return figures


def _work(pool: Executor, seeds: int, kills: int) -> Iterator["Future[Figures]"]:
    for begin in range(0, seeds, PORTION):
        yield pool.submit(run_portion, range(begin, min(begin + PORTION, seeds)))
    for number in range(-(-kills // KILLS_OF_A_STORE)):
        yield pool.submit(run_kills, number)


def run_portion(seeds: range) -> Figures:
    """The figures of some seeds."""
    figures = Figures(seeds=len(seeds))
    with Seeds.open() as opened:
        for seed in seeds:
            plan = drawn(seed, CAMPAIGN)
            try:
                told = opened.run(plan)
            except Wrong as wrong:
                figures.failed.append(f"seed {seed}: {wrong}")
                figures.in_failed.update(plan.kinds)
                figures.tried.update(plan.kinds)
                continue
            figures.tried.update(told.met)
            figures.ended.update(told.ended)
            figures.operations += told.operations
            figures.publications += told.publications
            figures.half += told.half
    return figures


def run_kills(number: int) -> Figures:
    """The figures of the real kills over one store."""
    found = kill_runs(number)
    wrong = [f"`{found.command}`, {found.wrong}"] if found.wrong else []
    return Figures(failed=wrong, killed=Counter({found.command: found.kills}))
