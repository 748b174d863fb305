"""Many snapshots in one range: the pipeline in one pass, hand-written SQL once per day, the floor.

Of the SQL's days a sample is timed, spread evenly over the range, and its mean is taken for all of
them. After the first round the sample's days are compared, to the last bit. The pipeline is also
run over the sample's days one by one: what a range cost before it took one pass.
"""

from datetime import date, timedelta
from math import nan
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.comparing import compare, own_store, remove_stores
from benchmarks.generate import Retailer
from benchmarks.job import ChainJob, FloorJob
from benchmarks.measuring import Case, Entry, Run, cases, figures, rounds, step_seconds
from benchmarks.plan import Plan
from benchmarks.results import (
    COLUMNS,
    Measured,
    Section,
    at_least,
    cells,
    ratio,
    seconds,
    table,
)

LINES = 20_000_000
LENGTHS = (7, 30, 90, 365)
RANGE = "pipeline"
ALONE = "pipeline, a day"
SQL = "hand-written SQL"
FLOOR = "writing floor"


def sample(last: date, days: int, most: int = 5) -> list[date]:
    """The middle days of equal parts of a range: five for a long one, one for a short one.

    >>> [str(day) for day in sample(date(2025, 1, 10), 10, most=2)]
    ['2025-01-04']
    >>> len(sample(date(2025, 12, 31), 365))
    5
    """
    number = min(most, 1 + days // 60)
    first = last - timedelta(days=days - 1)
    return [first + timedelta(days=int((part + 0.5) * days / number)) for part in range(number)]


def measure(plan: Plan) -> Measured:
    """Two retailers: one whose windows are full all along, and one with so many lines in all."""
    lengths = plan.days(LENGTHS)
    longest = lengths[-1]
    full, in_all = plan.retailer(LINES, more_days=longest - 1), plan.retailer(LINES)
    entries = [
        *(entry for days in lengths for entry in _entries(plan, *full, days)),
        *_entries(plan, *in_all, longest),
    ]
    try:
        runs = rounds(entries, plan.rounds, after_first=lambda: _must_agree(entries))
    finally:
        remove_stores(entries)
    retailers = [
        {"what": what, "lines": retailer.lines, "customers": retailer.customers}
        for what, (retailer, _) in (
            (f"{plan.lines(LINES):,} lines in each window", full),
            (f"{plan.lines(LINES):,} lines in all", in_all),
        )
    ]
    return Measured(runs, {"retailers": retailers, "memory_limit": plan.memory_limit})


def _entries(plan: Plan, retailer: Retailer, folder: Path, days: int) -> list[Entry]:
    """The range, the sample's days by the SQL and by the pipeline, and the floor of the range."""
    last, limit = retailer.last_day, plan.memory_limit
    case: Case = {"days": days, "lines": retailer.lines}
    store = own_store(folder, f"range of {days} days")
    entries = [Entry(RANGE, ChainJob(store, last, limit, plan.late, days), case)]
    for day in sample(last, days):
        for contender in (SQL, ALONE):
            own = own_store(folder, f"{contender} {day} of {days}")
            job = ChainJob(own, day, limit, plan.late)
            entries.append(Entry(contender, job, {**case, "day": str(day)}))
    return [*entries, Entry(FLOOR, FloorJob(store, last, limit, days=days), case)]


def _must_agree(entries: list[Entry]) -> None:
    """Every day that was made alone equals that day of its range."""
    ranges = {tuple(e.case.items()): e.job.place for e in entries if e.contender == RANGE}
    for entry in entries:
        if entry.contender in (SQL, ALONE):
            case = {name: value for name, value in entry.case.items() if name != "day"}
            compare(ranges[tuple(case.items())], entry.job.place, entry.job.day)


def extrapolated(
    runs: list[Run], contender: str, days: int, what: str = "seconds", **case: int
) -> float:
    """Seconds of all days of a range, one by one: the mean of the timed days' medians for each."""
    timed = _timed(runs, contender, days, **case)
    each = [figures(timed, day=day) for day in cases(timed, "day")]
    return days * mean(getattr(one, what) for one in each) if each else float("nan")


def extrapolated_steps(runs: list[Run], contender: str, days: int, **case: int) -> dict[str, float]:
    """`extrapolated` of each step."""
    timed = _timed(runs, contender, days, **case)
    each = [step_seconds(timed, contender, day=day) for day in cases(timed, "day")]
    return {step: days * mean(one[step] for one in each) for step in (each[0] if each else ())}


def _timed(runs: list[Run], contender: str, days: int, **case: int) -> list[Run]:
    wanted = {"days": days, **case}
    return [r for r in runs if r.contender == contender and wanted.items() <= r.case.items()]


def tell(results: dict[str, Measured]) -> Section:
    measured = results["range"]
    lines, targets = [], []
    for retailer in measured.about["retailers"]:
        runs = [run for run in measured.runs if run.case["lines"] == retailer["lines"]]
        lengths = [int(days) for days in cases(runs, "days")]
        lines += _of_retailer(runs, retailer, lengths, measured.limit)
        faster = (
            extrapolated(runs, SQL, lengths[-1]) / figures(runs, RANGE, days=lengths[-1]).seconds
        )
        what = f"{lengths[-1]} snapshots against the SQL once a day, {retailer['what']}"
        targets.append(at_least(what, 8, faster))
    return Section(f"{lengths[-1]} snapshots in one range", lines, targets)


def _of_retailer(
    runs: list[Run], retailer: dict[str, Any], lengths: list[int], limit: str
) -> list[str]:
    rows, longest = [], lengths[-1]
    for days in lengths:
        own, floor = figures(runs, RANGE, days=days), figures(runs, FLOOR, days=days)
        one_by_one = extrapolated(runs, SQL, days)
        row = [f"{days:,}", *cells(own), seconds(one_by_one), ratio(one_by_one / own.seconds)]
        rows.append([*row, seconds(floor.seconds), ratio(own.seconds / floor.seconds)])
    timed = {days: len(cases(_timed(runs, SQL, days), "day")) for days in lengths}
    steps = step_seconds(runs, RANGE, days=longest)
    before = extrapolated_steps(runs, ALONE, longest)
    profile = [
        [step, seconds(before.get(step, nan)), seconds(taken)] for step, taken in steps.items()
    ]
    return [
        f"### {retailer['what'][0].upper()}{retailer['what'][1:]}",
        "",
        f"A retailer of {retailer['lines']:,} lines and {retailer['customers']:,} customers, all"
        f" five tables written, DuckDB limited to {limit}. The SQL's time is extrapolated from its"
        " mean over a sample of days spread evenly over the range (days timed: "
        + ", ".join(f"{number} of {days}" for days, number in timed.items())
        + "); their tables equal the range's to the last bit. The floor is DuckDB alone copying"
        " the rows of those files into new ones.",
        "",
        *table(["days", *COLUMNS, "SQL once a day s", "× faster", "floor s", "× floor"], rows),
        "",
        f"Where the time of {longest} days goes; day by day is extrapolated from the same sample:",
        "",
        *table(["step", "day by day s", "one range s"], profile),
        "",
    ]
