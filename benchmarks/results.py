"""What a part of the benchmarks measured, kept as JSON so that a report can be made again."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import Any

from benchmarks.measuring import Figures, Run, machine
from benchmarks.plan import Plan


@dataclass(frozen=True)
class Measured:
    """The runs of one part, and what else its table tells."""

    runs: list[Run]
    about: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)

    @property
    def limit(self) -> str:
        return str(self.about.get("memory_limit", ""))


@dataclass(frozen=True)
class Target:
    """What was asked for, what was measured, and whether that is enough; None: not measured."""

    what: str
    wanted: str
    measured: str
    met: bool | None


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    title: str
    lines: list[str]
    targets: list[Target]


@dataclass(frozen=True)
class Part:
    """One part of the benchmarks: how it is measured and how it is told."""

    measure: Callable[[Plan], Measured]
    tell: Callable[[dict[str, Measured]], Section]


def keep(plan: Plan, part: str, measured: Measured) -> None:
    """Store a part's figures with the machine and the versions they come from."""
    path = plan.results / "results" / f"{part}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    options = f" {plan.options}" if plan.options else ""
    whole = {
        "origin": {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": f"python -m benchmarks --only {part}{options}",
            "scale": plan.scale,
            **machine(),
        },
        "about": measured.about,
        "runs": [_measured_fields(run) for run in measured.runs],
    }
    path.write_text(json.dumps(whole, indent=1, default=str) + "\n")


def _measured_fields(run: Run) -> dict[str, Any]:
    """The run without the figures it doesn't have: JSON knows no NaN."""
    fields = asdict(run).items()
    return {name: v for name, v in fields if not (isinstance(v, float) and isnan(v))}


def kept(folder: Path) -> dict[str, Measured]:
    """All parts' figures that lie in a results folder."""
    found = {}
    for path in sorted((folder / "results").glob("*.json")):
        whole = json.loads(path.read_text())
        runs = [Run(**run) for run in whole["runs"]]
        found[path.stem] = Measured(runs, whole["about"], whole["origin"])
    return found


# ── lines of Markdown ────────────────────────────────────────────────────────

COLUMNS = ("runs", "median s", "CPU s", "peak MB", "spilled MB")


def table(first: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table; the columns after the first are numbers."""
    rule = ["---", *("--:" for _ in first[1:])]
    return ["| " + " | ".join(row) + " |" for row in (first, rule, *rows)]


def cells(own: Figures) -> list[str]:
    """The figures under COLUMNS."""
    if not own.runs:
        return ["0", f"failed: {own.error}".replace("|", "/"), "", "", ""]
    return [
        str(own.runs),
        seconds(own.seconds),
        seconds(own.cpu_seconds),
        f"{own.peak_mb:,.0f}",
        f"{own.spilled_mb:,.0f}",
    ]


def seconds(value: float) -> str:
    """Seconds to read; empty where they weren't measured."""
    if isnan(value):
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def ratio(value: float) -> str:
    """How many times, two digits after the point; empty where it wasn't measured."""
    return "" if isnan(value) else f"{value:.2f}"


def at_least(what: str, wanted: float, value: float) -> Target:
    return _target(what, f"≥ {wanted:g} ×", value, f"{ratio(value)} ×", enough=value >= wanted)


def at_most(what: str, wanted: float, value: float) -> Target:
    return _target(what, f"≤ {wanted:g} ×", value, f"{ratio(value)} ×", enough=value <= wanted)


def at_most_mb(what: str, wanted: float, value: float) -> Target:
    return _target(what, f"≤ {wanted:,.0f} MB", value, f"{value:,.0f} MB", enough=value <= wanted)


def _target(what: str, wanted: str, value: float, measured: str, *, enough: bool) -> Target:
    if isnan(value):
        return Target(what, wanted, "", None)
    return Target(what, wanted, measured, enough)
