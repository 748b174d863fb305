"""A year of snapshots of Complete Journey through Dagster, events included: one run against many.

The deliveries are taken in beforehand. Of the days that have a run of their own a sample is timed
and its mean is taken for all of them; in one process, and in a fresh process each, which is what
Dagster's default launcher starts for every run.
"""

import shutil
from datetime import date
from pathlib import Path
from statistics import mean

from abintel_pipeline.cli.demo_data import FIRST_DAY, LAST_DAY, write_deliveries
from abintel_pipeline.orchestration.running import Selection, run_days
from benchmarks.bench_range import extrapolated, sample
from benchmarks.comparing import compare, link_requests, remove_stores
from benchmarks.in_dagster import settings
from benchmarks.job import JourneyJob
from benchmarks.measuring import Entry, cases, figures, rounds, step_seconds
from benchmarks.plan import Plan
from benchmarks.results import COLUMNS, Measured, Section, at_least, cells, ratio, seconds, table

DAYS = 365
RANGE, DAILY, FRESH = "one range run", "a run per day", "a process per day"


def measure(plan: Plan) -> Measured:
    source = plan.folder / "complete-journey"
    take_in_journey(source, plan.memory_limit)
    (days,) = plan.days([DAYS])
    timed = sample(LAST_DAY, days, most=5)

    def job(name: str, day: date = LAST_DAY, **more: object) -> JourneyJob:
        place = source / "by" / name.replace(" ", "-")
        shutil.rmtree(place, ignore_errors=True)
        link_requests(source / "store", place / "store")
        return JourneyJob(place, day, plan.memory_limit, **more)

    whole = Entry(RANGE, job(RANGE, days=days), {"days": days})
    daily = Entry(DAILY, job(DAILY, sample=tuple(map(str, timed))), {"days": days})
    fresh = [
        Entry(FRESH, job(f"{FRESH} {day}", day), {"days": days, "day": str(day)}) for day in timed
    ]

    def must_agree() -> None:
        for day in timed:
            compare(whole.job.store, daily.job.store, day)

    try:
        runs = rounds([whole, daily, *fresh], plan.rounds, after_first=must_agree)
    finally:
        remove_stores([whole, daily, *fresh])
    return Measured(runs, {"days": days, "timed": len(timed), "memory_limit": plan.memory_limit})


def take_in_journey(source: Path, memory_limit: str) -> None:
    """Complete Journey's deliveries in the store, unless they already are."""
    done = source / "taken-in"
    if done.is_file():
        return
    print("  taking in Complete Journey's deliveries, once and not timed")
    shutil.rmtree(source, ignore_errors=True)
    own = settings(JourneyJob(source, LAST_DAY, memory_limit))
    write_deliveries(own.landing)
    run_days(own, FIRST_DAY, LAST_DAY, selection=Selection("deliveries"))
    done.touch()


def tell(results: dict[str, Measured]) -> Section:
    measured = results["journey"]
    runs, days, timed = measured.runs, measured.about["days"], measured.about["timed"]
    whole = figures(runs, RANGE)
    each = step_seconds(runs, DAILY).values()
    daily = days * mean(each) if each else float("nan")
    processes = extrapolated(runs, FRESH, days, "process_seconds")
    start = figures(runs, FRESH, day=cases(runs, "day")[-1])
    rows = [
        [f"{RANGE}, {days} days", *cells(whole), ""],
        [
            f"{RANGE}, {days} days, the whole process",
            str(whole.runs),
            seconds(whole.process_seconds),
            *cells(whole)[2:],
            "",
        ],
        [
            f"{DAILY}, all in one process ({timed} days timed, extrapolated to {days})",
            str(figures(runs, DAILY).runs),
            seconds(daily),
            "",
            f"{figures(runs, DAILY).peak_mb:,.0f}",
            "",
            ratio(daily / whole.seconds),
        ],
        [
            f"{FRESH}, start included ({timed} days timed, extrapolated to {days})",
            str(start.runs),
            seconds(processes),
            "",
            f"{start.peak_mb:,.0f}",
            "",
            ratio(processes / whole.process_seconds),
        ],
    ]
    lines = [
        f"Features, loyalty and RFM of {days} days, with Dagster's events and its history on disk;"
        " the deliveries were taken in beforehand. The timed days' tables equal the range's to the"
        " last bit. A fresh process per run is what Dagster's default launcher starts; in one"
        " process only its work is counted.",
        "",
        *table(["contender", *COLUMNS, "× one range run"], rows),
    ]
    what = f"{days} snapshots of Complete Journey through Dagster"
    targets = [
        at_least(f"{what}, against a run per day in one process", 20, daily / whole.seconds),
        at_least(f"{what}, against a process per day", 20, processes / whole.process_seconds),
    ]
    return Section(f"{days} snapshots of Complete Journey through Dagster", lines, targets)
