"""One contender in a process of its own: `python -m benchmarks.contender NAME JOB`.

Prints one line of JSON: wall and CPU seconds of the work (imports excluded) and the peak memory of
the whole process (imports included).
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

CHAIN = ("pipeline", "hand-written SQL", "pandas")
INTAKE = ("intake", "DuckDB COPY")


def peak_megabytes() -> float:
    """Largest resident size of this process so far, in MB of 10**6 bytes.

    Linux's VmHWM: getrusage's maximum is inherited from the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


def main(name: str, text: str) -> None:
    # Imported here, so that no contender carries another one's libraries.
    if name in INTAKE:
        from benchmarks import duckdb_copy, in_pipeline
        from benchmarks.job import IntakeJob

        job = IntakeJob.from_json(text)
        work = {"intake": in_pipeline, "DuckDB COPY": duckdb_copy}[name].take_in
    else:
        from benchmarks.job import ChainJob

        job = ChainJob.from_json(text)
        if name == "pipeline":
            from benchmarks.in_pipeline import run as work
        elif name == "pandas":
            from benchmarks.in_pandas import run as work
        else:
            from benchmarks.hand_written import run as work
    before, cpu_before = time.perf_counter(), sum(os.times()[:2])
    work(job)
    seconds, cpu = time.perf_counter() - before, sum(os.times()[:2]) - cpu_before
    figures = {"seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak_megabytes()}
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
