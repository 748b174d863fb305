"""Many snapshots in one range: the pipeline in one pass, hand-written SQL once per day, the floor.

Of the SQL's days a sample is timed, spread evenly over the range, and its mean is taken for all of
them. After the first round the sample's days are compared, to the last bit. The pipeline is also
run over the sample's days one by one: what a range cost before it took one pass.
"""

from datetime import date, timedelta
from math import nan
from pathlib import Path
from statistics import mean

from benchmarks.comparing import compare, own_store, remove_stores
from benchmarks.generate import Retailer
from benchmarks.job import ChainJob, FloorJob
from benchmarks.measuring import Entry, Run, cases, figures, rounds, step_seconds
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
FLOOR_DAYS = 30
"""So many last days of a range are written once more, and the rest reckoned from them."""


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
    lengths = plan.days(LENGTHS)
    retailer, folder = plan.retailer(LINES, more_days=lengths[-1] - 1)
    entries = [
        entry
        for days in lengths
        for entry in _entries(plan, retailer, folder, days, whole=days == lengths[-1])
    ]
    alone, floor = (
        [entry for entry in entries if entry.contender == name] for name in (ALONE, FLOOR)
    )
    often = [entry for entry in entries if entry.contender in (RANGE, SQL)]
    try:
        runs = rounds(alone, 1)
        runs += rounds(often, plan.rounds, after_first=lambda: _must_agree(entries))
        runs += rounds(floor, 1)
    finally:
        remove_stores(entries)
    about = {"in_a_window": plan.lines(LINES), "lines": retailer.lines}
    about |= {"customers": retailer.customers, "memory_limit": plan.memory_limit}
    return Measured(runs, about)


def _entries(
    plan: Plan, retailer: Retailer, folder: Path, days: int, *, whole: bool
) -> list[Entry]:
    """The range and its sample of days by the SQL; `whole`: by the pipeline too, and the floor."""
    last, limit = retailer.last_day, plan.memory_limit
    store = own_store(folder, f"range of {days} days")
    entries = [Entry(RANGE, ChainJob(store, last, limit, plan.late, days), {"days": days})]
    for day in sample(last, days):
        for contender in (SQL, ALONE) if whole else (SQL,):
            own = own_store(folder, f"{contender} {day} of {days}")
            job = ChainJob(own, day, limit, plan.late)
            entries.append(Entry(contender, job, {"days": days, "day": str(day)}))
    floor = Entry(FLOOR, FloorJob(store, last, limit, days=min(days, FLOOR_DAYS)), {"days": days})
    return [*entries, floor] if whole else entries


def _must_agree(entries: list[Entry]) -> None:
    """Every day that was made alone equals that day of its range."""
    ranges = {e.case["days"]: e.job.place for e in entries if e.contender == RANGE}
    for entry in entries:
        if entry.contender in (SQL, ALONE):
            compare(ranges[entry.case["days"]], entry.job.place, entry.job.day)


def extrapolated(runs: list[Run], contender: str, days: int, what: str = "seconds") -> float:
    """Seconds of all days of a range, one by one: the mean of the timed days' medians for each."""
    timed = _timed(runs, contender, days)
    each = [figures(timed, day=day) for day in cases(timed, "day")]
    return days * mean(getattr(one, what) for one in each) if each else float("nan")


def extrapolated_steps(runs: list[Run], contender: str, days: int) -> dict[str, float]:
    """`extrapolated` of each step."""
    timed = _timed(runs, contender, days)
    each = [step_seconds(timed, contender, day=day) for day in cases(timed, "day")]
    return {step: days * mean(one[step] for one in each) for step in (each[0] if each else ())}


def _timed(runs: list[Run], contender: str, days: int) -> list[Run]:
    return [run for run in runs if run.contender == contender and run.case.get("days") == days]


def tell(results: dict[str, Measured]) -> Section:
    measured = results["range"]
    runs, about = measured.runs, measured.about
    lengths = sorted(int(days) for days in cases(runs, "days"))
    rows = []
    for days in lengths:
        own, one_by_one = figures(runs, RANGE, days=days), extrapolated(runs, SQL, days)
        rows.append(
            [f"{days:,}", *cells(own), seconds(one_by_one), ratio(one_by_one / own.seconds)]
        )
    longest = lengths[-1]
    own, floor = figures(runs, RANGE, days=longest), figures(runs, FLOOR, days=longest)
    floor_days = min(longest, FLOOR_DAYS)
    floor_seconds = floor.seconds * longest / floor_days
    timed = {days: len(cases(_timed(runs, SQL, days), "day")) for days in lengths}
    lines = [
        f"A retailer of {about['lines']:,} lines and {about['customers']:,} customers, of which"
        f" {about['in_a_window']:,} lines lie in the window of each day. All five tables written,"
        f" DuckDB limited to {measured.limit}. The SQL's time is extrapolated from its mean over a"
        " sample of days spread evenly over the range (days timed: "
        + ", ".join(f"{number} of {days}" for days, number in timed.items())
        + "); their tables equal the range's to the last bit.",
        "",
        *table(["days", *COLUMNS, "SQL once a day s", "× faster"], rows),
        "",
        f"Where the time of {longest} days goes, and where it went when each day was made alone"
        " (extrapolated from the same sample of days, each made once):",
        "",
        *_profile(runs, longest),
        "",
        f"The floor is {seconds(floor_seconds)} s (one run, extrapolated from the last"
        f" {floor_days} days): DuckDB alone copying the rows of those files into new ones, one"
        f" after the other. The range takes {ratio(own.seconds / floor_seconds)} times that.",
    ]
    what = f"{longest} snapshots against the SQL once a day"
    targets = [at_least(what, 8, extrapolated(runs, SQL, longest) / own.seconds)]
    return Section(f"{longest} snapshots in one range", lines, targets)


def _profile(runs: list[Run], days: int) -> list[str]:
    before = extrapolated_steps(runs, ALONE, days)
    after = step_seconds(runs, RANGE, days=days)
    rows = [[step, seconds(before.get(step, nan)), seconds(taken)] for step, taken in after.items()]
    return table(["step", "day by day s", "one range s"], rows)
