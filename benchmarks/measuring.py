"""Runs contenders in turns, each in its own process, and puts the figures side by side."""

import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

PACKAGES = ("duckdb", "ibis-framework", "pandas", "pyarrow")
UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
ABOVE_LIMIT_MB = 500


class Job(Protocol):
    """What a contender is told."""

    @property
    def spill(self) -> Path: ...

    @property
    def memory_limit(self) -> str: ...

    def as_json(self) -> str: ...


@dataclass(frozen=True)
class Run:
    """One run of one contender; memory in MB of 10**6 bytes, `error` where it failed."""

    contender: str
    seconds: float = float("nan")
    cpu_seconds: float = float("nan")
    peak_mb: float = float("nan")
    spilled_mb: float = 0.0
    error: str = ""


def run_once(contender: str, job: Job) -> Run:
    """Run a contender in a new process and watch how much it spills."""
    job.spill.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.contender", contender, job.as_json()]
    spilled = 0
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)
        while child.poll() is None:
            spilled = max(spilled, _size(job.spill))
            time.sleep(0.05)
        output.seek(0)
        lines = [line for line in output.read().splitlines() if line.strip()]
    if child.returncode:
        return Run(contender, spilled_mb=spilled / 1e6, error=_last_words(lines))
    figures = json.loads(next(line for line in lines if line.startswith('{"seconds"')))
    return Run(contender, **figures, spilled_mb=spilled / 1e6)


def rounds(jobs: dict[str, Job], number: int, say: Callable[[str], None] = print) -> list[Run]:
    """A B A B …: every contender once per round."""
    done = []
    for n in range(1, number + 1):
        for contender, job in jobs.items():
            one = run_once(contender, job)
            done.append(one)
            result = one.error or f"{one.seconds:.2f} s, peak {one.peak_mb:.0f} MB"
            say(f"  round {n} of {number}: {contender}: {result}")
    return done


def table(runs: list[Run], against: str) -> Iterator[str]:
    """Lines of a Markdown table: medians, and how many times the wall and CPU time of `against`."""
    yield f"| contender | runs | median s | CPU s | × {against} | × CPU | peak MB | spilled MB |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    base = medians(runs, against)
    for name in dict.fromkeys(run.contender for run in runs):
        own = medians(runs, name)
        ratios = [own[what] / base[what] for what in ("seconds", "cpu_seconds")]
        yield (
            f"| {name} | {own['runs']:.0f} | {own['seconds']:.2f} | {own['cpu_seconds']:.2f} |"
            f" {ratios[0]:.2f} | {ratios[1]:.2f} | {own['peak_mb']:.0f} | {own['spilled_mb']:.0f} |"
        )


def medians(runs: list[Run], contender: str) -> dict[str, float]:
    """Medians of a contender's times; the largest of its memory figures. NaN where all failed."""
    good = [run for run in runs if run.contender == contender and not run.error]
    if not good:
        return dict.fromkeys(("seconds", "cpu_seconds", "peak_mb", "spilled_mb"), float("nan")) | {
            "runs": 0
        }
    return {
        "runs": len(good),
        "seconds": statistics.median(run.seconds for run in good),
        "cpu_seconds": statistics.median(run.cpu_seconds for run in good),
        "peak_mb": max(run.peak_mb for run in good),
        "spilled_mb": max(run.spilled_mb for run in good),
    }


def memory_kept(run: Run, memory_limit: str) -> bool:
    """Whether the process stayed under the engine's limit plus 500 MB."""
    return not run.error and run.peak_mb <= megabytes(memory_limit) + ABOVE_LIMIT_MB


def megabytes(size: str) -> float:
    """A size such as `4GB` or `512 MiB` in MB of 10**6 bytes.

    >>> megabytes("4GB"), megabytes("1 MiB")
    (4000.0, 1.048576)
    """
    number, unit, binary = re.fullmatch(r"([\d.]+)\s*([kmgt]?)(i?)b", size.lower()).groups()
    scale = UNITS[unit] if not binary else 1024 ** list(UNITS).index(unit)
    return float(number) * scale / 1e6


def write_results(path: Path, about: dict[str, object], runs: list[Run]) -> None:
    """All figures of a benchmark as JSON, with the machine and the versions they come from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "command": " ".join(sys.argv),
        **about,
        "runs": [asdict(run) for run in runs],
    }
    path.write_text(json.dumps(whole, indent=1, default=str) + "\n")


def machine() -> dict[str, object]:
    """The machine and versions that a figure comes from."""
    import os

    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 1e9, 1),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except FileNotFoundError:  # a spill file went while we looked
        return 0


def _last_words(lines: list[str]) -> str:
    errors = [line for line in lines if "Error" in line or "Exception" in line]
    return (errors or lines or ["killed"])[-1][:200]
