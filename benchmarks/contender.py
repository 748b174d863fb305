"""One contender in a process of its own: `python -m benchmarks.contender NAME JOB`.

Prints one line of JSON: see timed.py.
"""

import sys
from importlib import import_module

from benchmarks.timed import measured

WORK = {
    "pipeline": ("in_pipeline", "run", "ChainJob"),
    "formulas and store": ("in_formulas", "run", "ChainJob"),
    "pipeline, a day": ("in_pipeline", "run", "ChainJob"),
    "hand-written SQL": ("hand_written", "run", "ChainJob"),
    "Polars": ("in_polars", "run", "ChainJob"),
    "pandas": ("in_pandas", "run", "ChainJob"),
    "writing floor": ("writing_floor", "run", "FloorJob"),
    "intake": ("in_pipeline", "take_in", "IntakeJob"),
    "DuckDB COPY": ("duckdb_copy", "take_in", "IntakeJob"),
    "one range run": ("in_dagster", "one_run", "JourneyJob"),
    "run in process": ("in_dagster", "timed_run", "JourneyJob"),
    "launched run": ("launched", "launched_run", "JourneyJob"),
    "launched run, a process per step": ("launched", "run_per_step", "JourneyJob"),
    "a run per day": ("in_dagster", "run_per_day", "JourneyJob"),
    "a process per day": ("in_dagster", "one_run", "JourneyJob"),
}
"""Module, function and kind of job.

Imported when it runs, so that no contender carries another's libraries.
"""


def main(name: str, text: str) -> None:
    module, function, kind = WORK[name]
    job = getattr(import_module("benchmarks.job"), kind).from_json(text)
    work = getattr(import_module(f"benchmarks.{module}"), function)
    print(measured(lambda: work(job)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
