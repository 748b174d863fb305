"""Runs contenders in turns, each in its own process, and takes the medians of their figures."""

import json
import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks.job import Job

ROOT = Path(__file__).parents[1]
PACKAGES = ("duckdb", "ibis-framework", "pandas", "polars", "pyarrow", "dagster", "numpy")
UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
NAN = float("nan")

Case = dict[str, str | int]


@dataclass(frozen=True)
class Entry:
    """A contender, what it is told, and what tells its runs from its other ones."""

    contender: str
    job: Job
    case: Case = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One run of one contender; memory in MB of 10**6 bytes, `error` where it failed.

    `seconds` are those of the work; `process_seconds` those of the whole process, imports included.
    """

    contender: str
    case: Case = field(default_factory=dict)
    seconds: float = NAN
    cpu_seconds: float = NAN
    process_seconds: float = NAN
    peak_mb: float = NAN
    spilled_mb: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)
    error: str = ""


def run_once(entry: Entry) -> Run:
    """Run a contender in a new process and watch how much it spills."""
    contender, job, case = entry.contender, entry.job, entry.case
    job.clear()
    os.sync()  # nobody waits for what the one before has left to write
    job.spill.mkdir(parents=True, exist_ok=True)
    spilled = 0
    with tempfile.TemporaryFile("w+") as output:
        before = time.perf_counter()
        child = subprocess.Popen(
            job.command(contender), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, text=True
        )
        try:
            while child.poll() is None:
                spilled = max(spilled, _size(job.spill))
                time.sleep(0.05)
        finally:
            child.kill()
        whole = time.perf_counter() - before
        output.seek(0)
        lines = [line for line in output.read().splitlines() if line.strip()]
    if child.returncode:
        error = _last_words(lines, child.returncode)
        return Run(contender, case, spilled_mb=spilled / 1e6, error=error)
    figures = json.loads(next(line for line in lines if line.startswith('{"seconds"')))
    return Run(contender, case, **figures, process_seconds=whole, spilled_mb=spilled / 1e6)


def rounds(
    entries: Iterable[Entry],
    number: int,
    *,
    after_first: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = print,
) -> list[Run]:
    """A B A B …: every entry once per round. An entry that failed isn't tried again."""
    done: list[Run] = []
    left = list(entries)
    for n in range(1, number + 1):
        for entry in list(left):
            one = run_once(entry)
            done.append(one)
            if one.error:
                left.remove(entry)
            what = " ".join([entry.contender, *(f"{k} {v}" for k, v in entry.case.items())])
            result = one.error or f"{one.seconds:.2f} s, peak {one.peak_mb:.0f} MB"
            say(f"  round {n} of {number}: {what}: {result}")
        if n == 1:
            after_first()
    return done


@dataclass(frozen=True)
class Figures:
    """Medians of a contender's times; the largest of its memory figures. NaN where all failed."""

    runs: int = 0
    seconds: float = NAN
    cpu_seconds: float = NAN
    process_seconds: float = NAN
    peak_mb: float = NAN
    spilled_mb: float = NAN
    error: str = ""


def figures(runs: Iterable[Run], contender: str | None = None, **case: str | int) -> Figures:
    """The figures of the runs of a contender in a case; of all that are left out, any."""
    chosen = [
        run
        for run in runs
        if contender in (None, run.contender) and case.items() <= run.case.items()
    ]
    good = [run for run in chosen if not run.error]
    if not good:
        return Figures(error=next((run.error for run in chosen), "not run"))
    times = ("seconds", "cpu_seconds", "process_seconds")
    return Figures(
        runs=len(good),
        **{name: statistics.median(getattr(run, name) for run in good) for name in times},
        peak_mb=max(run.peak_mb for run in good),
        spilled_mb=max(run.spilled_mb for run in good),
    )


def step_seconds(runs: Iterable[Run], contender: str, **case: str | int) -> dict[str, float]:
    """Median seconds of each step of a contender."""
    good = [r for r in runs if r.contender == contender and case.items() <= r.case.items()]
    names = dict.fromkeys(name for run in good for name in run.steps)
    return {name: statistics.median(run.steps[name] for run in good) for name in names}


def cases(runs: Iterable[Run], name: str) -> list[str | int]:
    """The different values of one part of the case, in the order they ran."""
    return list(dict.fromkeys(run.case[name] for run in runs if name in run.case))


def contenders(runs: Iterable[Run]) -> list[str]:
    return list(dict.fromkeys(run.contender for run in runs))


def megabytes(size: str) -> float:
    """A size such as `4GB` or `512 MiB` in MB of 10**6 bytes.

    >>> megabytes("4GB"), megabytes("1 MiB")
    (4000.0, 1.048576)
    """
    number, unit, binary = re.fullmatch(r"([\d.]+)\s*([kmgt]?)(i?)b", size.lower()).groups()
    scale = UNITS[unit] if not binary else 1024 ** list(UNITS).index(unit)
    return float(number) * scale / 1e6


def machine() -> dict[str, object]:
    """The machine and versions that a figure comes from."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 1e9, 1),
        "load": [round(x, 1) for x in os.getloadavg()],
        "versions": {"python": platform.python_version(), **{n: version(n) for n in PACKAGES}},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except FileNotFoundError:  # a spill file went while we looked
        return 0


def _last_words(lines: list[str], code: int) -> str:
    errors = [line for line in lines if "Error" in line or "Exception" in line]
    words = (errors or lines or [f"ended with {code} without a word"])[-1][:200]
    return words.replace(tempfile.gettempdir(), "…").replace(str(ROOT), "…")
