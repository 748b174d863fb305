"""A CSV delivery, side by side: the pipeline's whole intake, DuckDB's own copy of it into Parquet.

    python -m benchmarks.bench_intake                       10 M lines
    python -m benchmarks.bench_intake --lines 100_000 --rounds 1                      a try-out

The intake reads, screens, enforces the contract and writes what is accepted and what is refused.
DuckDB's copy knows the types and nothing else. Three deliveries of the same lines: a clean one, one
with a refused value in every 100,000th line, one with too few or too many fields there.
"""

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.contender import INTAKE
from benchmarks.generate import Retailer, write_csv
from benchmarks.job import IntakeJob
from benchmarks.measuring import Run, memory_kept, rounds, table, write_results

AGAINST = "DuckDB COPY"
EVERY = 100_000
CUSTOMER, ORDER, DAY, AMOUNT, PRODUCT = range(5)
REFUSED = ((AMOUNT, "abc"), (CUSTOMER, ""), (DAY, "2025-02-30"), (AMOUNT, "1e309"), (AMOUNT, "-1"))
DELIVERIES = ("clean", "refused values", "ragged lines")


def main() -> None:
    arguments = parse()
    retailer = Retailer(lines=arguments.lines, customers=arguments.lines // 20, days=1)
    runs: dict[str, list[Run]] = {}
    for delivery in arguments.deliveries:
        data = arguments.folder / f"intake-{retailer.name}" / delivery.replace(" ", "-")
        limit, day = arguments.memory_limit, retailer.first_day
        job = IntakeJob(data, day, limit, clean=delivery == "clean")
        deliver(retailer, delivery, job.delivery)
        print(f"{delivery}: {retailer.lines:,} lines, {job.delivery.stat().st_size / 1e6:.0f} MB")
        jobs = dict.fromkeys(INTAKE, job)
        print("one run of each, not counted, whose files must hold the same rows")
        failed = [run.error for run in rounds(jobs, 1) if run.error]
        if failed or not same_rows(job):
            raise SystemExit(f"nothing timed: {failed or 'different rows'}")
        runs[delivery] = rounds(jobs, arguments.rounds)
        print(*table(runs[delivery], AGAINST), sep="\n")
        own = [run for run in runs[delivery] if run.contender != AGAINST]
        kept = all(memory_kept(run, limit) for run in own)
        print(f"limit {limit}: the intake {'stays' if kept else 'DOES NOT STAY'} in it + 500 MB")
    every = [run for some in runs.values() for run in some]
    about = {
        "what": "intake",
        "retailer": retailer,
        "memory_limit": arguments.memory_limit,
        "delivery_of_run": [delivery for delivery, some in runs.items() for _ in some],
    }
    write_results(arguments.results, about, every)
    print(f"all figures: {arguments.results}")


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


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=10_000_000)
    temporary = Path(tempfile.gettempdir()) / "abintel-benchmarks"
    parser.add_argument("--folder", type=Path, default=temporary, help="where the data lies")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-limit", default="4GB")
    parser.add_argument("--deliveries", nargs="+", default=list(DELIVERIES), choices=DELIVERIES)
    results = temporary / f"intake-{date.today()}.json"  # noqa: DTZ011
    parser.add_argument("--results", type=Path, default=results)
    return parser.parse_args()


if __name__ == "__main__":
    main()
