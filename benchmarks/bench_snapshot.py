"""One snapshot, side by side: the pipeline, hand-written SQL, Polars, pandas, two libraries.

Before anything is timed, the contenders' tables are compared: same rows in the same order, floats
equal to the last bit. The libraries compute an RFM summary alone, and write nothing.
"""

from benchmarks import libraries
from benchmarks.comparing import Different, compare, own_store, remove_stores
from benchmarks.job import ChainJob, LibraryJob
from benchmarks.measuring import (
    Entry,
    Run,
    contenders,
    figures,
    megabytes,
    rounds,
    step_seconds,
)
from benchmarks.plan import Plan
from benchmarks.results import (
    COLUMNS,
    Measured,
    Section,
    at_least,
    at_most,
    at_most_mb,
    cells,
    ratio,
    seconds,
    table,
)

LINES = 20_000_000
CHAIN = ("pipeline", "hand-written SQL", "Polars", "pandas")
AGAINST = "hand-written SQL"
ABOVE_LIMIT_MB = 500


def measure(plan: Plan) -> Measured:
    retailer, folder = plan.retailer(LINES)
    day, limit = retailer.last_day, plan.memory_limit
    chain = [
        Entry(name, ChainJob(own_store(folder, name), day, limit, plan.late)) for name in CHAIN
    ]
    print("  one run of each, not counted, whose results must be equal")
    must_agree(chain)
    installed, missing = libraries.installed(plan.folder / "libraries")
    others = [
        Entry(name, LibraryJob(own_store(folder, name), day, limit, python=installed[library]))
        for name, library in libraries.CONTENDERS.items()
        if library in installed
    ]
    try:
        runs = rounds([*chain, *others], plan.rounds)
    finally:
        remove_stores([*chain, *others])
    absent = [
        Run(name, error=f"not installed: {missing[library]}")
        for name, library in libraries.CONTENDERS.items()
        if library in missing
    ]
    about = {
        "lines": retailer.lines,
        "customers": retailer.customers,
        "memory_limit": limit,
        "libraries": {name: libraries.versions(python, name) for name, python in installed.items()},
    }
    return Measured([*runs, *absent], about)


def must_agree(chain: list[Entry]) -> None:
    """Run each contender once and hold its tables against the first one's.

    Raises Different.
    """
    if failed := [run.error for run in rounds(chain, 1) if run.error]:
        raise Different(f"nothing timed: {failed}")
    first, *others = chain
    for entry in others:
        compare(first.job.place, entry.job.place, first.job.day)


def _where_it_goes(runs: list[Run]) -> list[str]:
    """The pipeline's steps, and the one that makes what the libraries make, beside them."""
    steps = step_seconds(runs, "pipeline")
    if not steps:
        return []
    times = {
        name: figures(runs, name).seconds / steps["features"]
        for name in libraries.CONTENDERS
        if name in contenders(runs)
    }
    told = ", ".join(f"{step} {seconds(taken)} s" for step, taken in steps.items())
    beside = ", ".join(f"{ratio(value)} × {name}" for name, value in times.items())
    return [
        f"Where the pipeline's time goes: {told}. What the libraries compute is in the features,"
        " with the distinct products, exact sums and a written file besides; that step alone is"
        f" faster by {beside}. Against the whole chain the libraries are nearer, because scores,"
        " segments, thresholds, tiers, four more files and their checks are no part of what they"
        " do.",
    ]


def tell(results: dict[str, Measured]) -> Section:
    measured = results["snapshot"]
    own, base = (figures(measured.runs, name) for name in ("pipeline", AGAINST))
    rows = []
    for name in contenders(measured.runs):
        each = figures(measured.runs, name)
        times = [ratio(each.seconds / base.seconds), ratio(each.seconds / own.seconds)]
        rows.append([name, *cells(each), *times])
    about = measured.about
    lines = [
        f"{about['lines']:,} lines of {about['customers']:,} customers, DuckDB limited to"
        f" {measured.limit}. The first four write the same five tables, equal to the last bit;"
        " the libraries compute their RFM summary from the same Parquet and write nothing.",
        "",
        *table(["contender", *COLUMNS, "× SQL", "× pipeline"], rows),
        "",
        *(
            f"- {name}, in an environment of its own: "
            + ", ".join(f"{package} {version}" for package, version in versions.items())
            for name, versions in about["libraries"].items()
        ),
        "",
        *_where_it_goes(measured.runs),
    ]
    kept_below = megabytes(measured.limit) + ABOVE_LIMIT_MB
    slower = {
        name: figures(measured.runs, name).seconds / own.seconds
        for name in libraries.CONTENDERS
        if name in contenders(measured.runs)
    }
    targets = [
        at_most("one snapshot against hand-written SQL", 1.15, own.seconds / base.seconds),
        *(at_least(f"one snapshot faster than {name}", 4, value) for name, value in slower.items()),
        at_most_mb("one snapshot: peak memory", kept_below, own.peak_mb),
    ]
    return Section("One snapshot", lines, targets)
