"""A CSV delivery, side by side: the pipeline's whole intake, DuckDB's own copy of it into Parquet.

The intake reads, screens, enforces the contract and writes what is accepted and what is refused.
DuckDB's copy knows the types and nothing else. Three deliveries of the same lines: a clean one, one
with a refused value in every 100,000th line, one with too few or too many fields there.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.comparing import Different
from benchmarks.generate import Retailer, write_csv
from benchmarks.job import IntakeJob
from benchmarks.measuring import Entry, cases, contenders, figures, megabytes, rounds
from benchmarks.plan import Plan
from benchmarks.results import COLUMNS, Measured, Section, at_most, at_most_mb, cells, ratio, table

LINES = 10_000_000
LINES_PER_CUSTOMER = 20
CONTENDERS = ("intake", "DuckDB COPY")
AGAINST = "DuckDB COPY"
ABOVE_LIMIT_MB = 500
EVERY = 100_000
CUSTOMER, ORDER, DAY, AMOUNT, PRODUCT = range(5)
REFUSED = ((AMOUNT, "abc"), (CUSTOMER, ""), (DAY, "2025-02-30"), (AMOUNT, "1e309"), (AMOUNT, "-1"))
DELIVERIES = ("clean", "refused values", "ragged lines")


def measure(plan: Plan) -> Measured:
    lines = plan.lines(LINES)
    retailer = Retailer(lines=lines, customers=lines // LINES_PER_CUSTOMER, days=1)
    entries, sizes = [], {}
    for delivery in DELIVERIES:
        data = plan.folder / f"intake-{retailer.name}" / delivery.replace(" ", "-")
        job = IntakeJob(data, retailer.first_day, plan.memory_limit, clean=delivery == "clean")
        deliver(retailer, delivery, job.delivery)
        sizes[delivery] = round(job.delivery.stat().st_size / 1e6)
        entries += [Entry(name, job, {"delivery": delivery}) for name in CONTENDERS]
    print("  one run of each, not counted, whose files must hold the same rows")
    failed = [run.error for run in rounds(entries, 1) if run.error]
    if failed or not all(same_rows(entry.job) for entry in entries):
        raise Different(f"nothing timed: {failed or 'different rows'}")
    runs = rounds(entries, plan.rounds)
    return Measured(runs, {"lines": lines, "megabytes": sizes, "memory_limit": plan.memory_limit})


def tell(results: dict[str, Measured]) -> Section:
    measured = results["intake"]
    rows, targets = [], []
    for delivery in cases(measured.runs, "delivery"):
        base = figures(measured.runs, AGAINST, delivery=delivery).seconds
        for name in contenders(measured.runs):
            own = figures(measured.runs, name, delivery=delivery)
            rows.append([f"{delivery}: {name}", *cells(own), ratio(own.seconds / base)])
        own = figures(measured.runs, "intake", delivery=delivery)
        what = f"intake of {measured.about['lines']:,} CSV lines, {delivery}"
        targets.append(at_most(f"{what}, against DuckDB's copy", 3, own.seconds / base))
    kept_below = megabytes(measured.limit) + ABOVE_LIMIT_MB
    peak = figures(measured.runs, "intake").peak_mb
    targets.append(at_most_mb("intake: peak memory", kept_below, peak))
    sizes = ", ".join(f"{name} {size} MB" for name, size in measured.about["megabytes"].items())
    lines = [
        f"{measured.about['lines']:,} lines ({sizes}), DuckDB limited to {measured.limit}. The copy"
        " knows the types alone and drops what it can't read; in the second and third delivery"
        f" every {EVERY:,}th line has to be refused.",
        "",
        *table(["delivery", *COLUMNS, "× DuckDB's copy"], rows),
        "",
        "What a refused line costs: the file is walked again to say in which line each stands, and"
        " the accepted rows are written once more, in the delivery's order and without them. The"
        " copy says nothing of the lines that it drops.",
    ]
    return Section("Intake of a CSV delivery", lines, targets)


def deliver(retailer: Retailer, delivery: str, path: Path) -> None:
    """Write the delivery, unless it already lies there."""
    if path.is_file():
        return
    part = path.with_suffix(".part")
    write_csv(retailer, part)
    if delivery != "clean":
        spoil = ragged if delivery == "ragged lines" else refused
        spoilt = part.with_suffix(".spoilt")
        with part.open() as lines, spoilt.open("w") as output:
            output.writelines(spoil(lines))
        spoilt.replace(part)
    part.replace(path)


def refused(lines: Iterable[str]) -> Iterator[str]:
    """The lines, every 100,000th with one value that must be refused."""
    for number, line in enumerate(lines):
        if number and number % EVERY == 0:
            values = line.rstrip("\n").split(",")
            column, value = REFUSED[number // EVERY % len(REFUSED)]
            values[column] = value
            yield ",".join(values) + "\n"
        else:
            yield line


def ragged(lines: Iterable[str]) -> Iterator[str]:
    """The lines, every 100,000th with one field too few or too many."""
    for number, line in enumerate(lines):
        if number and number % EVERY == 0:
            odd = number // EVERY % 2
            yield line.rpartition(",")[0] + "\n" if odd else line.rstrip("\n") + ",extra\n"
        else:
            yield line


def same_rows(job: IntakeJob) -> bool:
    """Whether the intake accepted what DuckDB copied, but for what only the intake refuses."""
    accepted = pq.ParquetFile(job.accepted)
    copied = pq.ParquetFile(job.copied)
    if not job.clean:
        return accepted.metadata.num_rows <= copied.metadata.num_rows
    return all(
        accepted.read([name]).equals(copied.read([name])) for name in copied.schema_arrow.names
    )
