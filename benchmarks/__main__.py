"""Measure the pipeline beside what a person could use instead, and write benchmarks/RESULTS.md.

    python -m benchmarks                          everything, at full size
    python -m benchmarks --only snapshot range    some parts; the others' figures stay
    python -m benchmarks --scale 0.01 --rounds 1  a try-out in a few minutes
    python -m benchmarks --report                 the page again, from the figures that are there

Only a run with the options as they are writes into benchmarks/; any other into the folder of the
data. A part's figures are kept as soon as it is measured.
"""

import argparse
import sys
import time
from pathlib import Path

import duckdb

from abintel_pipeline.orchestration.errors import RunFailed
from benchmarks.comparing import Different
from benchmarks.plan import Plan
from benchmarks.report import PARTS, write_report
from benchmarks.results import keep


def main(arguments: list[str] | None = None) -> None:
    options = vars(_parser().parse_args(arguments))
    only, report = options.pop("only"), options.pop("report")
    plan = Plan(**options)
    sys.stdout.reconfigure(line_buffering=True)
    stopped = []
    if not report:
        stopped = [name for name in only if not _measured(plan, name)]
    print(f"written: {write_report(plan.results)}")
    if stopped:
        raise SystemExit(f"not measured: {', '.join(stopped)}")


def _measured(plan: Plan, name: str) -> bool:
    """Measure one part and keep it; False where it can't be, which doesn't stop the others."""
    print(f"{name}:")
    before = time.perf_counter()
    try:
        keep(plan, name, PARTS[name].measure(plan))
    except (Different, RunFailed, OSError, duckdb.Error) as error:
        print(f"{name}: {error}")
        return False
    write_report(plan.results)
    print(f"{name}: done in {time.perf_counter() - before:.0f} s")
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Plan()
    parts = {"nargs": "+", "choices": PARTS, "default": list(PARTS), "metavar": "PART"}
    parser.add_argument("--only", **parts, help=f"parts to measure: {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=default.rounds, help="runs of each contender")
    parser.add_argument("--scale", type=float, default=default.scale, help="1.0: full size")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--folder", type=Path, default=default.folder, help="where the data lies")
    parser.add_argument("--memory-limit", default=default.memory_limit, help="of DuckDB")
    parser.add_argument("--late-share", type=float, default=0.0, help="orders delivered late")
    parser.add_argument("--corrected-share", type=float, default=0.0, help="lines corrected later")
    parser.add_argument("--long-ids", action="store_true", help="36-character ids")
    return parser


if __name__ == "__main__":
    main()
