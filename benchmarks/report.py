"""RESULTS.md and growth.png, from the parts' figures that lie beside them."""

from pathlib import Path
from typing import Any

from benchmarks import (
    bench_growth,
    bench_intake,
    bench_journey,
    bench_memory,
    bench_overhead,
    bench_range,
    bench_service,
    bench_snapshot,
)
from benchmarks.plotting import plot
from benchmarks.results import Measured, Part, Section, kept, table

PARTS = {
    name: Part(module.measure, module.tell)
    for name, module in {
        "snapshot": bench_snapshot,
        "range": bench_range,
        "journey": bench_journey,
        "overhead": bench_overhead,
        "growth": bench_growth,
        "memory": bench_memory,
        "intake": bench_intake,
        "service": bench_service,
    }.items()
}
VERDICTS = {True: "yes", False: "**no**", None: "not measured"}


def write_report(folder: Path) -> Path:
    """Write the report of the parts that have been measured; the path of RESULTS.md."""
    results = kept(folder)
    sections = {name: part.tell(results) for name, part in PARTS.items() if name in results}
    if "growth" in results:
        lines, days = bench_growth.by_lines(results), bench_growth.by_days(results)
        plot(folder / "growth.png", lines, days)
    path = folder / "RESULTS.md"
    path.write_text("\n".join(_page(sections, results)) + "\n")
    return path


def _page(sections: dict[str, Section], results: dict[str, Measured]) -> list[str]:
    targets = [target for section in sections.values() for target in section.targets]
    rows = [[t.what, t.wanted, t.measured, VERDICTS[t.met]] for t in targets]
    page = [
        "# Benchmarks",
        "",
        "Written by `make bench` (`python -m benchmarks`); the figures of every run lie in"
        " `results/`, and `python -m benchmarks --report` makes this page from them again.",
        "",
        "Each contender runs in a process of its own, in turns (A B A B …). Seconds are medians of"
        " the work, imports excluded; CPU seconds are of all cores; memory is the largest resident"
        " size of the whole process in any run, in MB of 10⁶ bytes. Parts run on different days and"
        " beside other work: ratios hold within a part, seconds of two parts are not compared.",
        "",
        *table(["target", "asked", "measured", "met"], rows),
        "",
        *_machines(results),
    ]
    for name, section in sections.items():
        origin = results[name].origin
        page += [
            "",
            f"## {section.title}",
            "",
            f"`{origin['command']}`, {origin['when']}, load of the machine at its end"
            f" {' '.join(map(str, origin['load']))}",
            "",
            *section.lines,
        ]
    return page


def _machines(results: dict[str, Measured]) -> list[str]:
    """The machines and versions: one line each, where all parts ran on one machine one in all."""
    told = dict.fromkeys(_machine(measured.origin) for measured in results.values())
    return ["Machine and versions:", "", *(f"- {line}" for line in told)]


def _machine(origin: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in origin["versions"].items())
    return (
        f"{origin['system']}, {origin['processor']}, {origin['cores']} cores,"
        f" {origin['memory_gb']} GB; {versions}"
    )
