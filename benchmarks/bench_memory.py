"""One snapshot of many lines under a low memory limit: it has to finish and stay small."""

from dataclasses import replace

from benchmarks.comparing import own_store, remove_stores
from benchmarks.job import ChainJob
from benchmarks.measuring import Entry, figures, rounds
from benchmarks.plan import Plan
from benchmarks.results import COLUMNS, Measured, Section, Target, at_most_mb, cells, table

LINES = 100_000_000
LIMIT = "3GB"
MOST_MB = 4_000


def measure(plan: Plan) -> Measured:
    retailer, folder = replace(plan, memory_limit=LIMIT).retailer(LINES)
    store = own_store(folder, "low memory")
    entry = Entry("pipeline", ChainJob(store, retailer.last_day, LIMIT, plan.late))
    runs = rounds([entry], plan.rounds)
    remove_stores([entry])
    about = {"lines": retailer.lines, "customers": retailer.customers, "memory_limit": LIMIT}
    return Measured(runs, about)


def tell(results: dict[str, Measured]) -> Section:
    measured = results["memory"]
    own = figures(measured.runs)
    lines = [
        f"{measured.about['lines']:,} lines of {measured.about['customers']:,} customers, one"
        f" snapshot, DuckDB limited to {measured.limit}.",
        "",
        *table(["contender", *COLUMNS], [["pipeline", *cells(own)]]),
    ]
    failed = [run for run in measured.runs if run.error]
    what = f"{measured.about['lines']:,} lines under {measured.limit}"
    targets = [
        Target(f"{what}: finishes", "every run", f"{own.runs} of {len(measured.runs)}", not failed),
        at_most_mb(f"{what}: peak memory", MOST_MB, own.peak_mb),
    ]
    return Section("Many lines in little memory", lines, targets)
