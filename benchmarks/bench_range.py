"""Many snapshots, side by side: the pipeline's range, and one run of hand-written SQL per day.

    python -m benchmarks.bench_range                        365, 30, 7 and 1 days of 20 M lines
    python -m benchmarks.bench_range --lines 200_000 --customers 5_000 --lengths 30     a try-out

The SQL of one day is timed on a sample of the range's days, spread over it, and extrapolated to the
others. On those days both contenders' tables are compared first: same rows in the same order,
floats equal to the last bit.
"""

import argparse
import dataclasses
import statistics
import tempfile
from datetime import date
from pathlib import Path

from benchmarks.bench_chain import differences, own_store
from benchmarks.generate import Retailer, add_arguments, generate, retailer_from
from benchmarks.job import ChainJob
from benchmarks.measuring import Run, memory_kept, rounds, run_once, write_results

RANGE, SQL = "pipeline", "hand-written SQL"


def main() -> None:
    arguments = parse()
    retailer = retailer_from(arguments)
    folder = arguments.folder / retailer.name
    print(f"{retailer.lines:,} lines of {retailer.customers:,} customers in {folder}")
    generate(retailer, folder)
    runs = [
        run for length in arguments.lengths for run in measured(retailer, folder, length, arguments)
    ]
    about = {"what": "range", "retailer": retailer, "memory_limit": arguments.memory_limit}
    write_results(arguments.results, about, runs)
    print(f"all figures: {arguments.results}")


def measured(
    retailer: Retailer, folder: Path, length: int, arguments: argparse.Namespace
) -> list[Run]:
    """Every round of the range of the retailer's last days, after as many days of the SQL."""
    whole = job(retailer, folder, RANGE, length, arguments)
    sample = whole.range[:: max(1, length // arguments.sample)][-arguments.sample :]
    one = job(retailer, folder, SQL, 1, arguments)
    by_hand = [run_once(SQL, dataclasses.replace(one, day=day)) for day in sample]
    made = rounds({RANGE: whole}, arguments.rounds)
    for day in sample:
        pair = {
            name: dataclasses.replace(each, day=day) for name, each in ((SQL, one), (RANGE, whole))
        }
        if wrong := differences(pair):
            raise SystemExit(f"{day}: {wrong}")
    seconds, cpu = (
        statistics.median(getattr(run, what) for run in made) for what in ("seconds", "cpu_seconds")
    )
    sql, sql_cpu = (
        statistics.median(getattr(run, what) for run in by_hand)
        for what in ("seconds", "cpu_seconds")
    )
    kept = all(memory_kept(run, arguments.memory_limit) for run in made)
    print(
        f"{length} days: {seconds:.1f} s ({cpu:.0f} s CPU), peak {max(r.peak_mb for r in made):.0f}"
        f" MB ({'within' if kept else 'NOT WITHIN'} the limit + 500 MB); one day of SQL {sql:.2f} s"
        f" ({sql_cpu:.1f} s CPU, {len(sample)} days timed), {length} of them {length * sql:.0f} s:"
        f" {length * sql / seconds:.1f} × ({length * sql_cpu / cpu:.1f} × CPU)"
    )
    return [*by_hand, *made]


def job(
    retailer: Retailer, folder: Path, name: str, length: int, arguments: argparse.Namespace
) -> ChainJob:
    late = bool(retailer.late_share or retailer.corrected_share)
    store = own_store(folder, f"{name}-range")
    return ChainJob(store, retailer.last_day, arguments.memory_limit, late, length)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    temporary = Path(tempfile.gettempdir()) / "abintel-benchmarks"
    parser.add_argument("--folder", type=Path, default=temporary, help="where the data lies")
    parser.add_argument("--lengths", type=int, nargs="+", default=[365, 30, 7, 1])
    parser.add_argument("--rounds", type=int, default=1, help="runs of each range")
    parser.add_argument("--sample", type=int, default=5, help="days of the SQL that are timed")
    parser.add_argument("--memory-limit", default="4GB")
    results = temporary / f"range-{date.today()}.json"  # noqa: DTZ011
    parser.add_argument("--results", type=Path, default=results)
    return parser.parse_args()


if __name__ == "__main__":
    main()
