"""The same work in pandas, as somebody writes it who minds speed.

Ids come as dictionary-encoded Arrow columns (categories), money as whole cents: with text ids and
Python decimals it would take many times as long.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from abintel_pipeline.contract import TABLES
from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.settings import DEFAULT_SEGMENT_THRESHOLDS, DEFAULT_WEIGHTS, Rules
from abintel_pipeline.store import ROW_GROUP_SIZE
from benchmarks.job import ChainJob

ORDER = ["customer_id", "transaction_id", "date"]
IDENTITY = [*ORDER, "product_id"]
BINS = 5


def run(job: ChainJob) -> None:
    """Compute and write the five tables of the job's day."""
    lines = _lines(job)
    features = _features(lines, _scores(job), pd.Timestamp(job.day))
    del lines
    _write(job, "customer_features", features)
    loyalty, summary = _loyalty(features)
    _write(job, "customer_loyalty", loyalty)
    _write(job, "loyalty_summary", summary)
    rfm, thresholds = _rfm(features, loyalty)
    _write(job, "customer_rfm", rfm)
    _write(job, "rfm_thresholds", thresholds)


def _lines(job: ChainJob) -> pd.DataFrame:
    ids = ["customer_id", "transaction_id", "product_id"]
    reading = ds.ParquetFileFormat(read_options={"dictionary_columns": ids})
    days = ds.partitioning(pa.schema([("delivered_on", pa.date32())]), flavor="hive")
    files = ds.dataset(job.store / "raw_transactions", format=reading, partitioning=days)
    start = (pd.Timestamp(job.day) - pd.Timedelta(days=539)).date()
    wanted = (ds.field("delivered_on") <= job.day) & (ds.field("date") >= start)
    columns = [*IDENTITY, "amount", *(["delivered_on"] if job.late else [])]
    table = files.to_table(columns=columns, filter=wanted).unify_dictionaries()
    cents = pc.cast(pc.multiply(table["amount"], pa.scalar(100, pa.decimal128(3, 0))), pa.int64())
    table = table.drop(["amount"]).append_column("cents", cents)
    lines = table.to_pandas(date_as_object=False, split_blocks=True, self_destruct=True)
    return _in_force(lines) if job.late else lines


def _in_force(lines: pd.DataFrame) -> pd.DataFrame:
    late = lines[lines.date < lines.delivered_on]
    newest = late.groupby(IDENTITY, observed=True, sort=False).delivered_on.max().rename("newest")
    superseded = lines[lines.transaction_id.isin(late.transaction_id.unique())]
    superseded = superseded.reset_index().merge(newest.reset_index(), on=IDENTITY)
    return lines.drop(superseded["index"][superseded.delivered_on < superseded.newest])


def _scores(job: ChainJob) -> pd.Series:
    scores = pd.read_parquet(job.store / "raw_customers").dropna(subset="loyalty_score")
    scores["delivered_on"] = pd.to_datetime(scores.delivered_on.astype(str))
    scores = scores[scores.delivered_on <= pd.Timestamp(job.day)].sort_values("delivered_on")
    return scores.groupby("customer_id").loyalty_score.last()


def _features(lines: pd.DataFrame, scores: pd.Series, today: pd.Timestamp) -> pd.DataFrame:
    customers = lines.groupby("customer_id", observed=True)
    cents, latest = customers.cents.sum(), customers.date.max()
    orders = lines[ORDER].drop_duplicates()
    visits = orders.groupby("customer_id", observed=True).size()
    bought = lines[["customer_id", "product_id"]].drop_duplicates()
    products = bought.groupby("customer_id", observed=True).size()
    features = pd.DataFrame(
        {
            "purchase_total": cents / 100,
            "visit_frequency": visits,
            "avg_ticket": (2 * cents + visits) // (2 * visits) / 100,
            "product_diversity": products,
            "recency_days": (today - latest).dt.days,
        }
    )
    features.index = features.index.astype("str")
    features = features.sort_index()
    features.insert(4, "loyalty_score", scores.reindex(features.index).fillna(0.0))
    return features.rename_axis("customer_id").reset_index()


def _loyalty(features: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    values = features[list(DEFAULT_WEIGHTS)].astype("float64")
    low, high = values.min(), values.max()
    weights = pd.Series(DEFAULT_WEIGHTS).where(high > low, 0.0)
    score, total = np.zeros(len(features)), 0.0
    for metric, weight in weights.items():
        distance = values[metric] - low[metric]
        if metric == "recency_days":
            distance = high[metric] - values[metric]
        spread = high[metric] - low[metric]
        score = score + weight * (distance / spread if spread else 0.0)
        total += weight
    score = score / total if total else np.full(len(features), 0.5)
    points = (np.floor(score * 1e12 + 0.5).astype("int64") + 50_000_000) // 100_000_000
    lowest = [round(x * 10_000) for x in reversed(DEFAULT_SEGMENT_THRESHOLDS.values())]
    names = np.array(list(reversed(DEFAULT_SEGMENT_THRESHOLDS)))
    segment = names[np.searchsorted(lowest, points, side="right") - 1]
    loyalty = pd.DataFrame(
        {"customer_id": features.customer_id, "loyalty_score": points / 1e4, "segment": segment}
    )
    return loyalty, _summary(points.to_numpy(), segment, weights / total, low, high)


def _summary(
    points: np.ndarray, segment: np.ndarray, weights: pd.Series, low: pd.Series, high: pd.Series
) -> pd.DataFrame:
    counts = ", ".join(f'"{s}": {(segment == s).sum()}' for s in DEFAULT_SEGMENT_THRESHOLDS)
    bounds = ", ".join(f'"{s}": {lowest}' for s, lowest in DEFAULT_SEGMENT_THRESHOLDS.items())
    n = len(points)
    row = {
        "customers": n,
        "mean_score": (2 * points.sum() * 100 + n) // (2 * n) / 1e6,
        "median_score": _six_places(np.quantile(points, 0.5), 1e4),
        "top_decile_threshold": _six_places(np.quantile(points, 0.9), 1e4),
        "segment_counts": f"{{{counts}}}",
        "segment_thresholds": f"{{{bounds}}}",
        "rules": Rules().as_json(),
    }
    for metric, weight in weights.items():
        row[f"weight_{metric}"] = weight
        row[f"lower_{metric}"] = low[metric] if weight else None
        row[f"upper_{metric}"] = high[metric] if weight else None
    return pd.DataFrame([row])


def _rfm(features: pd.DataFrame, loyalty: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    shares = [k / BINS for k in range(1, BINS)]
    cents = (features.purchase_total * 100).round().astype("int64")
    r_cuts = _six_places(np.quantile(features.recency_days, shares), 1)
    f_cuts = _six_places(np.quantile(features.visit_frequency, shares), 1)
    m_cuts = _six_places(np.quantile(cents, shares), 100)
    r = 1 + BINS - 1 - np.searchsorted(r_cuts, features.recency_days, side="left")
    f = 1 + np.searchsorted(f_cuts, features.visit_frequency, side="left")
    m = 1 + np.searchsorted(m_cuts, features.purchase_total, side="left")
    total = r + f + m
    p70, p45, p20 = t_cuts = _six_places(np.quantile(total, [0.70, 0.45, 0.20]), 1)
    tier = np.select(
        [total >= 3 * BINS - 2, total >= p70, total <= p20, total >= p45],
        ["Champion", "Loyal", "At-Risk", "Potential"],
        "Promising",
    )
    rfm = pd.DataFrame(
        {
            "customer_id": features.customer_id,
            "recency_days": features.recency_days,
            "frequency": features.visit_frequency,
            "monetary_total": features.purchase_total,
            "recency_score": r,
            "frequency_score": f,
            "monetary_score": m,
            "rfm_class": pd.Series(100 * r + 10 * f + m).astype("str"),
            "rfm_total": total,
            "rfm_tier": tier,
            "interpretation": pd.Series(tier).map(TIERS),
            "loyalty_score": loyalty.loyalty_score,
            "segment": loyalty.segment,
        }
    )
    steps = range(1, BINS)
    cuts = [("frequency", k, f"{k}/{BINS}", f_cuts[k - 1]) for k in steps]
    cuts += [("monetary", k, f"{k}/{BINS}", m_cuts[k - 1]) for k in steps]
    cuts += [("recency", k, f"{BINS - k}/{BINS}", r_cuts[BINS - k - 1]) for k in steps]
    named = zip(["champion", "p70", "p45", "p20"], [3.0 * BINS - 2, *t_cuts], strict=True)
    cuts += [("rfm_total", k, name, cut) for k, (name, cut) in enumerate(named, 1)]
    return rfm, pd.DataFrame(cuts, columns=["metric", "position", "cut", "threshold"])


def _six_places(q: np.ndarray, units: float) -> np.ndarray:
    whole = np.floor(q)
    return (whole * (1e6 / units) + np.floor((q - whole) * (1e6 / units) + 0.5)) / 1e6


def _write(job: ChainJob, name: str, frame: pd.DataFrame) -> None:
    table = TABLES[name]
    fields = [field for field in table.schema if field.name != table.partition_column]
    path = job.result(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pa.Table.from_pandas(frame, schema=pa.schema(fields), preserve_index=False)
    pq.write_table(rows, path, compression="zstd", row_group_size=ROW_GROUP_SIZE)
