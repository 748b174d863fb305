"""A CSV delivery, side by side: the pipeline's whole intake, DuckDB's own copy of it into Parquet.

The intake reads, screens, enforces the contract and writes what is accepted and what is rejected.
DuckDB's copy knows the types and nothing else. The same lines are delivered clean, with shares of
rejected values and of lines with too few or too many fields, and in other dialects.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.comparing import Different
from benchmarks.generate import Retailer, write_csv
from benchmarks.job import IntakeJob
from benchmarks.measuring import Entry, cases, contenders, figures, megabytes, rounds
from benchmarks.plan import Plan
from benchmarks.results import COLUMNS, Measured, Section, at_most, at_most_mb, cells, ratio, table

LINES = 10_000_000
LINES_PER_CUSTOMER = 20
AGAINST = "DuckDB COPY"
CLEAN = "clean"
MOST_AGAINST_COPY, MOST_AGAINST_CLEAN = 3, 1.5
ABOVE_LIMIT_MB = 500
SHARES = {"0.001 %": 100_000, "1 %": 100, "5 %": 20}
WITH_TARGET = ("1 %", "decimal comma", "cp1252", "product")
CUSTOMER, ORDER, DAY, AMOUNT, PRODUCT = range(5)
REJECTED = ((AMOUNT, "abc"), (CUSTOMER, ""), (DAY, "2025-02-30"), (AMOUNT, "1e309"), (AMOUNT, "-1"))


@dataclass(frozen=True)
class Delivery:
    """How lines are changed, how many of them (every n-th) are then rejected, and the settings."""

    turned: Callable[[Iterable[str]], Iterable[str]]
    every: int = 0
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def encoding(self) -> str:
        return str(self.changes.get("encoding", "utf-8"))

    def rejected(self, lines: int) -> int:
        return lines // self.every if self.every else 0


def measure(plan: Plan) -> Measured:
    lines = plan.lines(LINES)
    retailer = Retailer(lines=lines, customers=lines // LINES_PER_CUSTOMER, days=1)
    entries, sizes = [], {}
    for name, delivery in DELIVERIES.items():
        data = plan.folder / f"intake-{retailer.name}" / name.replace(" ", "-")
        rejected = delivery.rejected(lines)
        job = IntakeJob(data, retailer.first_day, plan.memory_limit, rejected, delivery.changes)
        deliver(retailer, delivery, job.delivery)
        sizes[name] = round(job.delivery.stat().st_size / 1e6)
        entries.append(Entry("intake", job, {"delivery": name}))
        if name == CLEAN:
            entries.append(Entry(AGAINST, job, {"delivery": name}))
    print("  one run of each, not counted, whose files must hold the lines that were delivered")
    failed = [run.error for run in rounds(entries, 1) if run.error]
    if failed or not all(right_rows(entry.job, lines) for entry in entries):
        raise Different(f"nothing timed: {failed or 'different rows'}")
    runs = rounds(entries, plan.rounds)
    return Measured(runs, {"lines": lines, "megabytes": sizes, "memory_limit": plan.memory_limit})


def tell(results: dict[str, Measured]) -> Section:
    measured = results["intake"]
    clean = figures(measured.runs, "intake", delivery=CLEAN).seconds
    copy = figures(measured.runs, AGAINST, delivery=CLEAN).seconds
    what = f"intake of {measured.about['lines']:,} CSV lines"
    targets = [at_most(f"{what}, against DuckDB's copy", MOST_AGAINST_COPY, clean / copy)]
    rows = []
    for delivery in cases(measured.runs, "delivery"):
        for name in contenders(measured.runs):
            own = figures(measured.runs, name, delivery=delivery)
            if own.runs or own.error != "not run":
                rows.append([f"{delivery}: {name}", *cells(own), ratio(own.seconds / clean)])
        if str(delivery).endswith(WITH_TARGET):
            own = figures(measured.runs, "intake", delivery=delivery)
            told = f"{what}, {delivery}, against the clean one"
            targets.append(at_most(told, MOST_AGAINST_CLEAN, own.seconds / clean))
    kept_below = megabytes(measured.limit) + ABOVE_LIMIT_MB
    peak = figures(measured.runs, "intake").peak_mb
    targets.append(at_most_mb("intake: peak memory", kept_below, peak))
    sizes = ", ".join(f"{name} {size} MB" for name, size in measured.about["megabytes"].items())
    lines = [
        f"{measured.about['lines']:,} lines ({sizes}), DuckDB limited to {measured.limit}. The copy"
        " knows the types alone. Rejected values and ragged lines, with a field too few or too"
        " many, come in shares of the lines.",
        "",
        *table(["delivery", *COLUMNS, "× clean intake"], rows),
        "",
        "What rejected values cost: the parts of the file that hold one are read again to say in"
        " which line each stands, and the accepted rows are written once more, in the delivery's"
        " order and without them.",
    ]
    return Section("Intake of a CSV delivery", lines, targets)


def deliver(retailer: Retailer, delivery: Delivery, path: Path) -> None:
    """Write the delivery, unless it already lies there."""
    if path.is_file():
        return
    part, turned = path.with_suffix(".part"), path.with_suffix(".turned")
    write_csv(retailer, part)
    with part.open() as lines, turned.open("w", encoding=delivery.encoding) as output:
        output.writelines(delivery.turned(lines))
    part.unlink()
    turned.replace(path)


def rejected(lines: Iterable[str], every: int) -> Iterator[str]:
    """The lines, every n-th with one value that must be rejected."""
    for number, line in enumerate(lines):
        if number and number % every == 0:
            values = line.rstrip("\n").split(",")
            column, value = REJECTED[number // every % len(REJECTED)]
            values[column] = value
            yield ",".join(values) + "\n"
        else:
            yield line


def ragged(lines: Iterable[str], every: int) -> Iterator[str]:
    """The lines, every n-th with one field too few or too many."""
    for number, line in enumerate(lines):
        if number and number % every == 0:
            odd = number // every % 2
            yield line.rpartition(",")[0] + "\n" if odd else line.rstrip("\n") + ",extra\n"
        else:
            yield line


def with_comma(lines: Iterable[str]) -> Iterator[str]:
    """The lines as a German Excel writes them."""
    return (line.replace(",", ";").replace(".", ",") for line in lines)


def with_accents(lines: Iterable[str]) -> Iterator[str]:
    """The lines with a letter that isn't ASCII in every product."""
    return (line.replace("P-", "Pé") for line in lines)


def with_product(lines: Iterable[str]) -> Iterator[str]:
    """The lines with a quantity and a price in place of the amount."""
    for number, line in enumerate(lines):
        before, amount, product = line.rsplit(",", 2)
        pair = f"{number % 7 + 1},{amount}" if number else "quantity,price"
        yield f"{before},{pair},{product}"


SPOILT = {"ragged lines": ragged, "rejected values": rejected}
DELIVERIES = {
    CLEAN: Delivery(lambda lines: lines),
    **{
        f"{name} {share}": Delivery(partial(spoil, every=every), every, {"max_rejected_share": 1})
        for name, spoil in SPOILT.items()
        for share, every in SHARES.items()
    },
    "decimal comma": Delivery(with_comma, 0, {"decimal_mark": ","}),
    "cp1252": Delivery(with_accents, 0, {"encoding": "cp1252"}),
    "product": Delivery(with_product, 0, {"transaction_columns": {"amount": "quantity * price"}}),
}


def right_rows(job: IntakeJob, lines: int) -> bool:
    """Whether all lines but those to be rejected were accepted; clean ones as DuckDB has them."""
    accepted = pq.ParquetFile(job.accepted)
    if accepted.metadata.num_rows != lines - job.rejected:
        return False
    if job.rejected or job.changes:
        return True
    copied = pq.ParquetFile(job.copied)
    return all(
        accepted.read([name]).equals(copied.read([name])) for name in copied.schema_arrow.names
    )
