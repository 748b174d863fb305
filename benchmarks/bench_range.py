"""Many snapshots in one range: the pipeline in one pass, hand-written SQL once per day, the floor.

Of the SQL's days a sample is timed, spread evenly over the range, and its mean is taken for all of
them. After the first round the sample's days are compared, to the last bit.
"""

from datetime import date, timedelta
from statistics import mean

from benchmarks.comparing import compare, own_store, remove_stores
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
    retailer, folder = plan.retailer(LINES)
    last, limit = retailer.last_day, plan.memory_limit
    entries: list[Entry] = []
    for days in plan.days(LENGTHS):
        store = own_store(folder, f"pipeline {days} days")
        job = ChainJob(store, last, limit, plan.late, days)
        entries.append(Entry("pipeline", job, {"days": days}))
        for day in sample(last, days):
            own = own_store(folder, f"SQL {day} of {days}")
            case = {"days": days, "day": str(day)}
            entries.append(Entry(SQL, ChainJob(own, day, limit, plan.late), case))
    entries.append(Entry(FLOOR, FloorJob(store, last, limit, days=days), {"days": days}))
    try:
        runs = rounds(entries, plan.rounds, after_first=lambda: _must_agree(entries))
    finally:
        remove_stores(entries)
    about = {"lines": retailer.lines, "customers": retailer.customers, "memory_limit": limit}
    return Measured(runs, about)


def _must_agree(entries: list[Entry]) -> None:
    ranges = {e.case["days"]: e.job.place for e in entries if e.contender == "pipeline"}
    for entry in entries:
        if entry.contender == SQL:
            compare(ranges[entry.case["days"]], entry.job.place, entry.job.day)


def extrapolated(runs: list[Run], contender: str, days: int, what: str = "seconds") -> float:
    """Seconds of all days of a range, one by one: the mean of the timed days' medians for each."""
    timed = [run for run in _of(runs, days) if run.contender == contender]
    each = [figures(timed, day=day) for day in cases(timed, "day")]
    return days * mean(getattr(one, what) for one in each) if each else float("nan")


def _of(runs: list[Run], days: int) -> list[Run]:
    return [run for run in runs if run.case.get("days") == days]


def tell(results: dict[str, Measured]) -> Section:
    measured = results["range"]
    runs = measured.runs
    rows = []
    lengths = [int(days) for days in cases(runs, "days")]
    for days in lengths:
        own, one_by_one = figures(runs, "pipeline", days=days), extrapolated(runs, SQL, days)
        floor = figures(runs, FLOOR, days=days).seconds
        row = [f"{days:,}", *cells(own), seconds(one_by_one), ratio(one_by_one / own.seconds)]
        rows.append([*row, seconds(floor)])
    longest = lengths[-1]
    own, floor = figures(runs, "pipeline", days=longest), figures(runs, FLOOR, days=longest)
    timed = {
        days: len(cases([r for r in runs if r.case["days"] == days], "day")) for days in lengths
    }
    steps = step_seconds(runs, "pipeline", days=longest).items()
    lines = [
        f"{measured.about['lines']:,} lines of {measured.about['customers']:,} customers, all five"
        f" tables written, DuckDB limited to {measured.limit}. The SQL's time is extrapolated from"
        " its mean over a sample of days spread evenly over the range (days timed: "
        + ", ".join(f"{number} of {days}" for days, number in timed.items())
        + "); their tables equal the range's to the last bit.",
        "",
        *table(["days", *COLUMNS, "SQL once a day s", "× faster", FLOOR + " s"], rows),
        "",
        f"Where the {seconds(own.seconds)} s of {longest} days go: "
        + ", ".join(f"{name} {seconds(taken)} s" for name, taken in steps)
        + f". The floor is {seconds(floor.seconds)} s (median of {floor.runs}): DuckDB alone"
        " copying the rows of those files into new ones; the range takes"
        f" {ratio(own.seconds / floor.seconds)} times that.",
    ]
    faster = extrapolated(runs, SQL, longest) / own.seconds
    target = at_least(f"{longest} snapshots against the SQL once a day", 8, faster)
    return Section(f"{longest} snapshots in one range", lines, [target])
