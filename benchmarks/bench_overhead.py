"""What Dagster adds to the snapshots of a small cohort, and where it goes.

Features, loyalty and RFM of Complete Journey's 2,469 households, for one day and for a range.
"""

import shutil
from pathlib import Path

from abintel_pipeline.demo import LAST_DAY
from benchmarks.bench_journey import take_in_journey
from benchmarks.comparing import compare, link_requests, remove_stores
from benchmarks.job import ChainJob, JourneyJob
from benchmarks.measuring import Entry, Run, cases, figures, rounds, step_seconds
from benchmarks.plan import Plan
from benchmarks.results import Measured, Section, seconds, table

RANGE = 365
DIRECT, IN_PROCESS, LAUNCHED = "pipeline", "run in process", "launched run"
PER_STEP = "launched run, a process per step"
TOLD = {
    DIRECT: "`snapshots.py` called directly",
    IN_PROCESS: "a run in this process (`abintel run`)",
    LAUNCHED: "a run launched from the UI, in one process",
    PER_STEP: "a run launched from the UI, a process per step",
}


def measure(plan: Plan) -> Measured:
    source = plan.folder / "complete-journey"
    take_in_journey(source, plan.memory_limit)
    entries = [
        _entry(plan, source, name, days)
        for days in plan.days([1, RANGE])
        for name in (DIRECT, IN_PROCESS, LAUNCHED, *([PER_STEP] if days == 1 else []))
    ]

    def must_agree() -> None:
        for entry in entries[1:]:
            compare(entries[0].job.store, entry.job.store, LAST_DAY)

    try:
        runs = rounds(entries, min(plan.rounds, 3), after_first=must_agree)
    finally:
        remove_stores(entries)
    return Measured(runs, {"memory_limit": plan.memory_limit})


def _entry(plan: Plan, source: Path, name: str, days: int) -> Entry:
    kind = ChainJob if name == DIRECT else JourneyJob
    place = source / "by" / f"{name.replace(' ', '-').replace(',', '')}-{days}"
    job = kind(place, LAST_DAY, plan.memory_limit, days=days)
    shutil.rmtree(place, ignore_errors=True)
    link_requests(source / "store", job.store)
    return Entry(name, job, {"days": days})


def tell(results: dict[str, Measured]) -> Section:
    runs = results["overhead"].runs
    rows = []
    for days in cases(runs, "days"):
        direct = figures(runs, DIRECT, days=days).seconds
        for name, told in TOLD.items():
            if any(run.contender == name and run.case["days"] == days for run in runs):
                whole, where = _whole(runs, name, int(days))
                rows.append([f"{days}: {told}", seconds(whole), seconds(whole - direct), where])
    lines = [
        "Features, loyalty and RFM of Complete Journey's 2,469 households, the deliveries taken in"
        " beforehand; the last day's tables are equal to the last bit. Medians. A launched run"
        " counts from the click to its last event; the servers are there already.",
        "",
        *table(["days: how", "s", "s more than directly", "where"], rows),
    ]
    return Section("What Dagster adds", lines, [])


def _whole(runs: list[Run], name: str, days: int) -> tuple[float, str]:
    """Seconds of a contender, and where they went."""
    own, steps = figures(runs, name, days=days), step_seconds(runs, name, days=days)
    if own.error:
        return own.seconds, f"failed: {own.error}"
    if name in (LAUNCHED, PER_STEP):
        return sum(steps.values()), ", ".join(f"{what} {s:.1f} s" for what, s in steps.items())
    if name == IN_PROCESS:
        stored = steps["storing events"]
        return own.seconds, f"storing {steps['events']:,.0f} events {stored:.1f} s"
    return own.seconds, ", ".join(f"{what} {s:.1f} s" for what, s in steps.items())
