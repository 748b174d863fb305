"""Warnings about loyalty: a segment without customers, a metric that tells nobody apart."""

import json
from datetime import date
from typing import Any

from abintel_pipeline.contract import CUSTOMER_FEATURES, CUSTOMER_LOYALTY, LOYALTY_SUMMARY
from abintel_pipeline.contract.findings import Finding, warning
from abintel_pipeline.engine.connection import native
from abintel_pipeline.metrics.loyalty import customer_loyalty
from abintel_pipeline.quality.blocking.files import files
from abintel_pipeline.quality.blocking.summary import Segments, segments
from abintel_pipeline.rules import METRICS, Bounds
from abintel_pipeline.store.snapshot_store import DAY_OF_FILE
from abintel_pipeline.store.step_context import StepContext


def loyalty_warnings(
    context: StepContext, days: list[date], newest: date | None = None
) -> list[Finding]:
    """`empty_segment` and `constant_metric` of loyalty summaries.

    What percentile bounds would do to an empty segment is told of the `newest` day of a run alone:
    it costs scoring the cohort once more.
    """
    summaries = _summaries(context, days)
    empty = {day: names for day in days if (names := _empty(summaries.get(day)))}
    paths = context.store.paths(CUSTOMER_LOYALTY, empty)
    seen = segments(native(context.connection), paths) if empty else {}
    others = _by_percentiles(context, newest) if newest in empty else {}
    found = []
    for day in days:
        advice = others if day == newest else {}
        found.append(_empty_segment(day, summaries.get(day), empty.get(day, []), seen, advice))
        found.append(_constant_metric(day, summaries.get(day)))
    return found


def _summaries(context: StepContext, days: list[date]) -> dict[date, dict[str, Any]]:
    paths = context.store.paths(LOYALTY_SUMMARY, days)
    weights = ", ".join(f"weight_{metric}" for metric in METRICS)
    rows = native(context.connection).execute(
        f"SELECT {DAY_OF_FILE}, segment_counts, segment_thresholds, rules, [{weights}]"
        f" FROM {files(paths)}"
    )
    return {
        day: {
            "counts": json.loads(counts),
            "thresholds": json.loads(thresholds),
            "wanted": json.loads(rules)["weights"],
            "weights": dict(zip(METRICS, in_force, strict=True)),
        }
        for day, counts, thresholds, rules, in_force in rows.fetchall()
    }


def _empty(summary: dict[str, Any] | None) -> list[str]:
    return [name for name, count in summary["counts"].items() if not count] if summary else []


def _empty_segment(
    day: date,
    summary: dict[str, Any] | None,
    empty: list[str],
    seen: dict[date, Segments],
    others: dict[str, int],
) -> Finding:
    told, numbers = [], {}
    for name in empty:
        assert summary is not None
        start = summary["thresholds"][name]
        below = [high for _, _, high in seen[day].values() if high < start]
        if below:
            numbers[f"{name} would begin at"] = max(below)
            told.append(f"{name} (from {start}) is empty; beginning at {max(below)} it is not")
        else:
            lowest = min(low for _, low, _ in seen[day].values())
            numbers[f"{name} would reach"] = lowest
            told.append(f"{name} (from {start}) is empty; reaching above {lowest} it is not")
        if others.get(name):
            numbers[f"{name} with percentile bounds"] = others[name]
            told.append(f"with ABINTEL_BOUNDS kind percentiles it has {others[name]:,} customers")
    count = len(summary["counts"]) if summary else 0
    sentence = "; ".join(told) or f"each of {count} segments has customers"
    return warning(
        LOYALTY_SUMMARY.name, day, "empty_segment", not empty, sentence, empty=len(empty), **numbers
    )


def _by_percentiles(context: StepContext, day: date) -> dict[str, int]:
    """Customers per segment, were the metrics scaled between percentiles; {} if they are."""
    if context.rules.bounds.kind == "percentiles":
        return {}
    rules = context.rules.model_copy(update={"bounds": Bounds(kind="percentiles")})
    scored = customer_loyalty(
        context.store.read(context.connection, CUSTOMER_FEATURES, [day]), rules
    )
    counted = scored.group_by("segment").agg(customers=scored.count()).to_pyarrow().to_pylist()
    return {row["segment"]: row["customers"] for row in counted}


def _constant_metric(day: date, summary: dict[str, Any] | None) -> Finding:
    weights = summary["weights"] if summary else {}
    wanted = summary["wanted"] if summary else {}
    constant = [name for name in weights if wanted.get(name) and not weights[name]]
    return warning(
        LOYALTY_SUMMARY.name,
        day,
        "constant_metric",
        not constant,
        f"{', '.join(constant)} is the same for every customer and was left out of the score"
        if constant
        else "every metric with a weight separates customers",
        constant=len(constant),
        **weights,
    )
