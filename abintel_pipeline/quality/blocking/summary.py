"""Does the loyalty summary of a day say of its customers what their table says?"""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from abintel_pipeline.contract.findings import Figure, Finding
from abintel_pipeline.engine.connection import Cursor
from abintel_pipeline.quality.blocking.files import files
from abintel_pipeline.store.snapshot_store import DAY_OF_FILE, Staged

CHECK = "summary_adds_up"
SPREAD = ("mean_score", "median_score", "top_decile_threshold")

Segments = dict[str, tuple[int, float, float]]
"""{segment: (customers, lowest score, highest score)} of one day."""


def summary_adds_up(
    connection: Cursor, scored: Sequence[Staged], summaries: Sequence[Staged]
) -> tuple[list[Finding], dict[date, dict[str, Figure]]]:
    """Findings, and each day's spread and customers per segment.

    The counts per segment add up to the customers and are those of the table, and every segment
    begins at its published threshold and ends below the next one up.
    """
    seen = segments(connection, [one.path for one in scored])
    told = _summaries(connection, summaries)
    findings = []
    figures: dict[date, dict[str, Figure]] = {}
    for one, summary in zip(scored, summaries, strict=True):
        row, own = told.get(one.day), seen.get(one.day, {})
        faults = _faults(one, own, row)
        counted = json.loads(row["segment_counts"]) if row else {}
        findings.append(
            Finding(
                summary.table.name,
                one.day,
                CHECK,
                not faults,
                "; ".join(faults)
                or f"the customers of {len(counted)} segments add up to {one.rows:,}",
                {"customers": one.rows, "counted": sum(counted.values()), "faults": len(faults)},
            )
        )
        if row:
            figures[one.day] = {name: row[name] for name in SPREAD} | {
                f"customers in {name}": count for name, count in counted.items()
            }
    return findings, figures


def segments(connection: Cursor, scored: Sequence[Path]) -> dict[date, Segments]:
    """What each day's `customer_loyalty` says of its segments; a day without customers has none."""
    found: dict[date, Segments] = {}
    rows = connection.execute(
        f"SELECT {DAY_OF_FILE}, segment, customers, lowest, highest FROM (SELECT filename, segment,"
        " count(*) AS customers, min(loyalty_score) AS lowest, max(loyalty_score) AS highest"
        f" FROM {files(scored)} GROUP BY filename, segment)"
    ).fetchall()
    for day, segment, *numbers in rows:
        found.setdefault(day, {})[segment] = tuple(numbers)
    return found


def _summaries(connection: Cursor, summaries: Sequence[Staged]) -> dict[date, dict[str, Any]]:
    columns = ("customers", "segment_counts", "segment_thresholds", *SPREAD)
    rows = connection.execute(
        f"SELECT {DAY_OF_FILE}, {', '.join(columns)} FROM {files([one.path for one in summaries])}"
    ).fetchall()
    return {day: dict(zip(columns, values, strict=True)) for day, *values in rows}


def _faults(one: Staged, seen: Segments, row: dict[str, Any] | None) -> list[str]:
    if row is None:
        return [f"there is no summary, but there are {one.rows:,} customers"] if one.rows else []
    counts: dict[str, int] = json.loads(row["segment_counts"])
    thresholds: dict[str, float] = json.loads(row["segment_thresholds"])
    faults = []
    if not sum(counts.values()) == row["customers"] == one.rows:
        faults.append(
            f"the segments add up to {sum(counts.values()):,}, the summary says"
            f" {row['customers']:,} customers, {one.rows:,} have a row"
        )
    for name in sorted(counts.keys() | seen.keys() | thresholds.keys()):
        counted, customers = counts.get(name), seen.get(name, (0,))[0]
        if counted != customers:
            faults.append(f"{name}: the summary says {counted}, {customers:,} customers have it")
    return faults + _misplaced(seen, thresholds)


def _misplaced(seen: Segments, thresholds: dict[str, float]) -> list[str]:
    faults = []
    below = float("inf")
    for name, start in thresholds.items():
        _, lowest, highest = seen.get(name, (0, start, start))
        if not (start <= lowest and highest < below):
            faults.append(
                f"{name}, {start} up to {below}: it has scores from {lowest} to {highest}"
            )
        below = start
    return faults
