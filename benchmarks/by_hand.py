"""What the contenders without SQL share: the score, the small tables' rows, and the writing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.contract import TABLES
from abintel_pipeline.engine.sql import ROW_GROUP_SIZE
from abintel_pipeline.rules import DEFAULT_SEGMENT_THRESHOLDS, DEFAULT_WEIGHTS, Rules
from benchmarks.job import ChainJob

BINS = 5


def six_places(quantiles: Sequence[float], units: float) -> np.ndarray:
    """Quantiles of whole units, rounded half up to six places of the currency or of one."""
    q = np.asarray(quantiles, dtype="float64")
    whole = np.floor(q)
    return (whole * (1e6 / units) + np.floor((q - whole) * (1e6 / units) + 0.5)) / 1e6


def score_points(
    values: Mapping[str, np.ndarray], low: Mapping[str, float], high: Mapping[str, float]
) -> tuple[np.ndarray, dict[str, float]]:
    """The loyalty score in whole units of 0.0001, and the weight of each metric."""
    weights = {m: w if high[m] > low[m] else 0.0 for m, w in DEFAULT_WEIGHTS.items()}
    total = sum(weights.values())
    if not total:
        return np.full(len(values["recency_days"]), 5000), weights
    score = 0.0
    for metric, weight in weights.items():
        own, spread = values[metric], high[metric] - low[metric]
        distance = high[metric] - own if metric == "recency_days" else own - low[metric]
        score = score + weight * (distance / spread if spread else 0.0)
    points = (np.floor(score / total * 1e12 + 0.5).astype("int64") + 50_000_000) // 100_000_000
    return points, {metric: weight / total for metric, weight in weights.items()}


def summary_row(
    points: int,
    quantiles: Sequence[float],
    *,
    counts: dict[str, int],
    weights: Mapping[str, float],
    low: Mapping[str, float],
    high: Mapping[str, float],
) -> dict[str, Any]:
    """The one row of `loyalty_summary`.

    `points`: the sum of all scores in units of 0.0001; `quantiles`: their median and upper decile;
    `counts`: customers per segment; `weights`, `low`, `high`: of each metric.
    """
    customers = sum(counts.values())
    median, decile = six_places(quantiles, 1e4)
    segments = ", ".join(f'"{name}": {count}' for name, count in counts.items())
    bounds = ", ".join(f'"{name}": {lowest}' for name, lowest in DEFAULT_SEGMENT_THRESHOLDS.items())
    row = {
        "customers": customers,
        "mean_score": (2 * points * 100 + customers) // (2 * customers) / 1e6,
        "median_score": median,
        "top_decile_threshold": decile,
        "segment_counts": f"{{{segments}}}",
        "segment_thresholds": f"{{{bounds}}}",
        "rules": Rules().as_json(),
    }
    for metric, weight in weights.items():
        row[f"weight_{metric}"] = weight
        row[f"lower_{metric}"] = low[metric] if weight else None
        row[f"upper_{metric}"] = high[metric] if weight else None
    return row


def threshold_rows(
    recency: Sequence[float],
    frequency: Sequence[float],
    monetary: Sequence[float],
    totals: Sequence[float],
) -> list[dict[str, Any]]:
    """The rows of `rfm_thresholds` from the cuts of each metric and of the RFM total."""
    steps = range(1, BINS)
    cuts = [("frequency", k, f"{k}/{BINS}", frequency[k - 1]) for k in steps]
    cuts += [("monetary", k, f"{k}/{BINS}", monetary[k - 1]) for k in steps]
    cuts += [("recency", k, f"{BINS - k}/{BINS}", recency[BINS - k - 1]) for k in steps]
    named = zip(["champion", "p70", "p45", "p20"], [3.0 * BINS - 2, *totals], strict=True)
    cuts += [("rfm_total", k, name, cut) for k, (name, cut) in enumerate(named, 1)]
    return [dict(zip(("metric", "position", "cut", "threshold"), row, strict=True)) for row in cuts]


def write(job: ChainJob, name: str, rows: pa.Table) -> None:
    """Write the rows as the job's file of that table, in the contract's columns and types."""
    table = TABLES[name]
    schema = pa.schema([field for field in table.schema if field.name != table.partition_column])
    path = job.result(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    typed = rows.select(schema.names).cast(schema)
    pq.write_table(typed, path, compression="zstd", row_group_size=ROW_GROUP_SIZE)
