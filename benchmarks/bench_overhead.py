"""What Dagster adds to the snapshots of a small cohort, and where it goes.

Features, loyalty and RFM of Complete Journey's 2,469 households, for one day and for a range.
"""

import shutil
from pathlib import Path

from abintel_pipeline.cli.demo_data import LAST_DAY
from benchmarks.bench_journey import take_in_journey
from benchmarks.comparing import compare, link_requests, remove_stores
from benchmarks.job import ChainJob, JourneyJob
from benchmarks.measuring import Entry, Run, cases, figures, rounds, step_seconds
from benchmarks.plan import Plan
from benchmarks.results import Measured, Section, seconds, table

RANGE = 365
FORMULAS, DIRECT = "formulas and store", "pipeline"
IN_PROCESS, LAUNCHED = "run in process", "launched run"
PER_STEP = "launched run, a process per step"
TOLD = {
    FORMULAS: "`metrics` and the store called directly, nothing verified",
    DIRECT: "`snapshots` called directly: the same, verified before it is published",
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
        for name in (FORMULAS, DIRECT, IN_PROCESS, LAUNCHED, *([PER_STEP] if days == 1 else []))
    ]

    def must_agree() -> None:
        for entry in entries[1:]:
            compare(entries[0].job.store, entry.job.store, LAST_DAY)

    slow = [entry for entry in entries if _is_slow(entry)]
    often = [entry for entry in entries if entry not in slow]
    try:
        runs = rounds(slow, 1)
        runs += rounds(often, plan.rounds, after_first=must_agree)
    finally:
        remove_stores(entries)
    return Measured(runs, {"memory_limit": plan.memory_limit})


def _is_slow(entry: Entry) -> bool:
    """Takes most of a minute, and differs from the others by far more than its runs do."""
    return entry.contender == PER_STEP or entry.job.days > 1


def _entry(plan: Plan, source: Path, name: str, days: int) -> Entry:
    kind = ChainJob if name in (FORMULAS, DIRECT) else JourneyJob
    place = source / "by" / f"{name.replace(' ', '-').replace(',', '')}-{days}"
    job = kind(place, LAST_DAY, plan.memory_limit, days=days)
    shutil.rmtree(place, ignore_errors=True)
    link_requests(source / "store", job.store)
    return Entry(name, job, {"days": days})


def tell(results: dict[str, Measured]) -> Section:
    runs = results["overhead"].runs
    rows = []
    for days in cases(runs, "days"):
        formulas, direct = (figures(runs, name, days=days).seconds for name in (FORMULAS, DIRECT))
        for name, told in TOLD.items():
            if any(run.contender == name and run.case["days"] == days for run in runs):
                whole, where = _whole(runs, name, int(days))
                more = [seconds(whole - less) for less in (formulas, direct)]
                number = str(figures(runs, name, days=days).runs)
                rows.append([f"{days}: {told}", number, seconds(whole), *more, where])
    lines = [
        "Features, loyalty and RFM of Complete Journey's 2,469 households, the deliveries taken in"
        " beforehand; the last day's tables are equal to the last bit. Medians. A launched run"
        " counts from the click to its last event; the servers are there already. Ranges, and a"
        " process per step, have one run each: they take most of a minute, and what is read off"
        " them is larger than their spread.",
        "",
        *table(
            [
                "days: how",
                "runs",
                "s",
                "s more than the formulas",
                "s more than `snapshots`",
                "where",
            ],
            rows,
        ),
    ]
    return Section("What Dagster adds", lines, [])


def _whole(runs: list[Run], name: str, days: int) -> tuple[float, str]:
    """Seconds of a contender, and where they went."""
    own, parts = figures(runs, name, days=days), step_seconds(runs, name, days=days)
    if own.error:
        return own.seconds, f"failed: {own.error}"
    if name in (LAUNCHED, PER_STEP):
        return sum(parts.values()), _told(parts)
    if name == IN_PROCESS:
        events = parts.pop("events")
        parts |= {"the rest": own.seconds - sum(parts.values())}
        return own.seconds, f"{_told(parts)}; {events:,.0f} events"
    return own.seconds, _told(parts)


def _told(parts: dict[str, float]) -> str:
    return ", ".join(f"{what} {s:.2f} s" for what, s in parts.items())
