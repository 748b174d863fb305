"""One snapshot, side by side: the pipeline, hand-written DuckDB SQL, pandas.

    python -m benchmarks.bench_chain                        20 M lines of 500,000 customers
    python -m benchmarks.bench_chain --late-share 0.01 --corrected-share 0.01
    python -m benchmarks.bench_chain --lines 200_000 --customers 5_000 --rounds 1     a try-out

Before anything is timed, the contenders' tables are compared: same rows in the same order, floats
equal to the last bit. The last runs are under a low memory limit and must stay within it + 500 MB.
"""

import argparse
import shutil
import tempfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.contender import CHAIN
from benchmarks.generate import add_arguments, generate, retailer_from
from benchmarks.job import REQUEST_TABLES, RESULT_TABLES, ChainJob
from benchmarks.measuring import Run, memory_kept, rounds, table, write_results

AGAINST = "hand-written SQL"


def main() -> None:
    arguments = parse()
    retailer = retailer_from(arguments)
    folder = arguments.folder / retailer.name
    print(f"{retailer.lines:,} lines of {retailer.customers:,} customers in {folder}")
    generate(retailer, folder)
    late = bool(retailer.late_share or retailer.corrected_share)

    def jobs(names: list[str], memory_limit: str) -> dict[str, ChainJob]:
        stores = {name: own_store(folder, name) for name in names}
        day = retailer.last_day
        return {name: ChainJob(store, day, memory_limit, late) for name, store in stores.items()}

    chosen = jobs(arguments.contenders, arguments.memory_limit)
    print("one run of each, not counted, whose results must be equal")
    failed = [run for run in rounds(chosen, 1) if run.error]
    if failed or (wrong := differences(chosen)):
        raise SystemExit(f"nothing timed: {[run.error for run in failed] or wrong}")
    runs = rounds(chosen, arguments.rounds)
    print(*table(runs, AGAINST), sep="\n")
    engines = [name for name in arguments.contenders if name != "pandas"]
    low: dict[str, list[Run]] = {}
    for limit in arguments.low_memory:
        low[limit] = rounds(jobs(engines, limit), 1)
        kept = all(memory_kept(run, limit) for run in low[limit] if run.contender == "pipeline")
        print(f"limit {limit}: the pipeline {'stays' if kept else 'DOES NOT STAY'} in it + 500 MB")
        print(*table(low[limit], AGAINST), sep="\n")
    about = {"what": "chain", "retailer": retailer, "memory_limit": arguments.memory_limit}
    every = [*runs, *(run for some in low.values() for run in some)]
    limits = [arguments.memory_limit] * len(runs)
    limits += [limit for limit, some in low.items() for _ in some]
    write_results(arguments.results, about | {"memory_limit_of_run": limits}, every)
    print(f"all figures: {arguments.results}")


def own_store(folder: Path, contender: str) -> Path:
    """A store of the contender's own that shares the request tables with everybody's."""
    store = folder / "by" / contender.replace(" ", "-")
    store.mkdir(parents=True, exist_ok=True)
    for name in REQUEST_TABLES:
        if not (store / name).is_symlink():
            (store / name).symlink_to(folder / name, target_is_directory=True)
    for result in RESULT_TABLES:
        shutil.rmtree(store / result.name, ignore_errors=True)
    return store


def differences(jobs: dict[str, ChainJob]) -> list[str]:
    """The tables in which a contender's rows aren't the first contender's, bit by bit, in order."""
    first, *others = jobs.values()
    found = []
    for result in RESULT_TABLES:
        columns = [name for name in result.schema.names if name != result.partition_column]
        wanted = pq.ParquetFile(first.result(result)).read(columns)
        for job in others:
            rows = pq.ParquetFile(job.result(result)).read(columns)
            if difference := _difference(rows, wanted):
                found.append(f"{result.name} of {job.store.name}: {difference}")
    return found


def _difference(rows: pa.Table, wanted: pa.Table) -> str:
    if rows.schema.types != wanted.schema.types or rows.num_rows != wanted.num_rows:
        return f"{rows.num_rows} rows {rows.schema.types} against {wanted.num_rows}"
    columns = [name for name in wanted.column_names if not rows[name].equals(wanted[name])]
    if not columns:
        return ""
    pairs = zip(rows[columns[0]], wanted[columns[0]], strict=True)
    place = next((row for row, (own, other) in enumerate(pairs) if own != other), 0)
    both = rows.slice(place, 1).to_pylist(), wanted.slice(place, 1).to_pylist()
    return f"columns {columns}, first at row {place}: {both}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    temporary = Path(tempfile.gettempdir()) / "abintel-benchmarks"
    parser.add_argument("--folder", type=Path, default=temporary, help="where the data lies")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-limit", default="4GB")
    parser.add_argument("--low-memory", nargs="*", default=["2GB", "1GB"])
    parser.add_argument("--contenders", nargs="+", default=list(CHAIN), choices=CHAIN)
    results = temporary / f"chain-{date.today()}.json"  # noqa: DTZ011
    parser.add_argument("--results", type=Path, default=results)
    return parser.parse_args()


if __name__ == "__main__":
    main()
