"""One piece of work, measured: wall and CPU seconds (imports excluded), peak memory of the process.

Standard library alone: it also runs in the environments of the libraries that are measured.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path


def measured(work: Callable[[], object]) -> str:
    """Do the work; one line of JSON with its figures.

    What the work returns, if it is a dict, are the seconds of its steps.
    """
    before, cpu_before = time.perf_counter(), sum(os.times()[:2])
    steps = work()
    seconds, cpu = time.perf_counter() - before, sum(os.times()[:2]) - cpu_before
    figures = {"seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak_megabytes()}
    return json.dumps(figures | ({"steps": steps} if isinstance(steps, dict) else {}))


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
