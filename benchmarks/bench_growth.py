"""Growth with the lines of one snapshot, and with the days of a range, against a straight line."""

from benchmarks.bench_range import ALONE, RANGE
from benchmarks.comparing import own_store, remove_stores
from benchmarks.job import ChainJob
from benchmarks.measuring import Entry, Figures, cases, figures, rounds
from benchmarks.plan import Plan
from benchmarks.results import COLUMNS, Measured, Section, cells, ratio, seconds, table

LINES = (1_000_000, 5_000_000, 20_000_000, 50_000_000, 100_000_000)
BASE = 20_000_000
Growth = dict[int, Figures]


def measure(plan: Plan) -> Measured:
    entries = []
    for lines in LINES:
        retailer, folder = plan.retailer(lines)
        store = own_store(folder, "growth")
        job = ChainJob(store, retailer.last_day, plan.memory_limit, plan.late)
        entries.append(Entry("pipeline", job, {"lines": retailer.lines}))
    runs = rounds(entries, plan.rounds)
    remove_stores(entries)
    about = {"base": plan.lines(BASE), "memory_limit": plan.memory_limit}
    return Measured(runs, about)


def by_lines(results: dict[str, Measured]) -> Growth:
    """The figures of one snapshot for each number of lines."""
    runs = results["growth"].runs
    return {int(lines): figures(runs, lines=lines) for lines in cases(runs, "lines")}


def by_days(results: dict[str, Measured]) -> Growth:
    """The figures of a range for each number of days, and of its sample of days, each alone."""
    if "range" not in results:
        return {1: figures(results["growth"].runs, lines=results["growth"].about["base"])}
    runs = results["range"].runs
    lengths = sorted(int(days) for days in cases(runs, "days"))
    return {1: figures(runs, ALONE)} | {days: figures(runs, RANGE, days=days) for days in lengths}


def tell(results: dict[str, Measured]) -> Section:
    measured = results["growth"]
    lines = [
        "![Seconds by days and by lines, each against a straight line](growth.png)",
        "",
        f"The straight line goes from zero through the smallest case; DuckDB is limited to"
        f" {measured.limit}.",
        "",
        *_table("lines, one snapshot", by_lines(results)),
        "",
        *_table(f"days, {measured.about['base']:,} lines in each window", by_days(results)),
    ]
    return Section("Growth", lines, [])


def _table(what: str, growth: Growth) -> list[str]:
    smallest, first = next(iter(growth.items()))
    rows = []
    for size, own in growth.items():
        straight = first.seconds * size / smallest
        rows.append([f"{size:,}", *cells(own), seconds(straight), ratio(own.seconds / straight)])
    return table([what, *COLUMNS, "straight line s", "× straight line"], rows)
