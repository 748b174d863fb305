"""The same work in pandas, as somebody writes it who minds speed.

Ids come as dictionary-encoded Arrow columns (categories), money as whole cents: with text ids and
Python decimals it would take many times as long.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.rules import DEFAULT_SEGMENT_THRESHOLDS, DEFAULT_WEIGHTS
from benchmarks.by_hand import BINS, score_points, six_places, summary_row, threshold_rows, write
from benchmarks.job import ChainJob

ORDER = ["customer_id", "transaction_id", "date"]
IDENTITY = [*ORDER, "product_id"]


def run(job: ChainJob) -> None:
    """Compute and write the five tables of the job's day."""
    lines = _lines(job)
    features = _features(lines, _scores(job), pd.Timestamp(job.day))
    del lines
    _publish(job, "customer_features", features)
    loyalty, summary = _loyalty(features)
    _publish(job, "customer_loyalty", loyalty)
    _publish(job, "loyalty_summary", summary)
    rfm, thresholds = _rfm(features, loyalty)
    _publish(job, "customer_rfm", rfm)
    _publish(job, "rfm_thresholds", thresholds)


def _publish(job: ChainJob, name: str, frame: pd.DataFrame) -> None:
    write(job, name, pa.Table.from_pandas(frame, preserve_index=False))


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
    points, weights = score_points({m: values[m].to_numpy() for m in values}, low, high)
    lowest = [round(x * 10_000) for x in reversed(DEFAULT_SEGMENT_THRESHOLDS.values())]
    names = np.array(list(reversed(DEFAULT_SEGMENT_THRESHOLDS)))
    segment = names[np.searchsorted(lowest, points, side="right") - 1]
    loyalty = pd.DataFrame(
        {"customer_id": features.customer_id, "loyalty_score": points / 1e4, "segment": segment}
    )
    counts = {name: int((segment == name).sum()) for name in DEFAULT_SEGMENT_THRESHOLDS}
    quantiles = np.quantile(points, [0.5, 0.9])
    summary = summary_row(
        int(points.sum()), quantiles, counts=counts, weights=weights, low=low, high=high
    )
    return loyalty, pd.DataFrame([summary])


def _rfm(features: pd.DataFrame, loyalty: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    shares = [k / BINS for k in range(1, BINS)]
    cents = (features.purchase_total * 100).round().astype("int64")
    r_cuts = six_places(np.quantile(features.recency_days, shares), 1)
    f_cuts = six_places(np.quantile(features.visit_frequency, shares), 1)
    m_cuts = six_places(np.quantile(cents, shares), 100)
    r = 1 + BINS - 1 - np.searchsorted(r_cuts, features.recency_days, side="left")
    f = 1 + np.searchsorted(f_cuts, features.visit_frequency, side="left")
    m = 1 + np.searchsorted(m_cuts, features.purchase_total, side="left")
    total = r + f + m
    p70, p45, p20 = t_cuts = six_places(np.quantile(total, [0.70, 0.45, 0.20]), 1)
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
    return rfm, pd.DataFrame(threshold_rows(r_cuts, f_cuts, m_cuts, t_cuts))
