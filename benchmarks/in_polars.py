"""The same work in Polars: lazy, on its streaming engine, as somebody writes it who minds speed.

Money is added as whole cents, the numbers under the decimals: Polars adds decimals more slowly.
"""

from datetime import timedelta

import numpy as np
import polars as pl

from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.rules import DEFAULT_SEGMENT_THRESHOLDS, DEFAULT_WEIGHTS
from benchmarks.by_hand import BINS, score_points, six_places, summary_row, threshold_rows, write
from benchmarks.job import ChainJob

IDENTITY = ["customer_id", "transaction_id", "date", "product_id"]
WINDOW_DAYS = 540


def run(job: ChainJob) -> None:
    """Compute and write the five tables of the job's day."""
    features = _features(job)
    _write(job, "customer_features", features)
    loyalty = _loyalty(job, features)
    _rfm(job, features, loyalty)


def _write(job: ChainJob, name: str, frame: pl.DataFrame) -> None:
    write(job, name, frame.to_arrow())


def _lines(job: ChainJob) -> pl.LazyFrame:
    """The lines in force, with whole cents."""
    first = job.day - timedelta(days=WINDOW_DAYS - 1)
    files = pl.scan_parquet(job.store / "raw_transactions/*/data.parquet", hive_partitioning=True)
    lines = files.filter(pl.col("delivered_on") <= job.day, pl.col("date") >= first)
    if job.late:
        late = lines.filter(pl.col("date") < pl.col("delivered_on"))
        newest = late.group_by(IDENTITY).agg(newest=pl.col("delivered_on").max())
        known = lines.join(newest, on=IDENTITY, how="left")
        lines = known.filter((pl.col("delivered_on") < pl.col("newest")).fill_null(False).not_())
    return lines.with_columns(cents=pl.col("amount").to_physical().cast(pl.Int64))


def _features(job: ChainJob) -> pl.DataFrame:
    lines = _lines(job)
    orders = lines.group_by("customer_id", "transaction_id", "date").agg(pl.col("cents").sum())
    totals = orders.group_by("customer_id").agg(
        pl.col("cents").sum(), visits=pl.len().cast(pl.Int64), latest=pl.col("date").max()
    )
    bought = lines.select("customer_id", "product_id").unique()
    products = bought.group_by("customer_id").agg(product_diversity=pl.len().cast(pl.Int64))
    customers = totals.join(products, on="customer_id").join(
        _scores(job), on="customer_id", how="left"
    )
    cents, visits = pl.col("cents"), pl.col("visits")
    made = customers.sort("customer_id").select(
        "customer_id",
        "cents",
        visit_frequency="visits",
        ticket=(2 * cents + visits) // (2 * visits),
        product_diversity="product_diversity",
        loyalty_score=pl.col("loyalty_score").fill_null(0.0),
        recency_days=(pl.lit(job.day) - pl.col("latest")).dt.total_days().cast(pl.Int32),
    )
    done = made.collect(engine="streaming")
    return done.with_columns(
        purchase_total=_in_currency(done["cents"]), avg_ticket=_in_currency(done["ticket"])
    )


def _in_currency(cents: pl.Series) -> pl.Series:
    """NumPy divides: Polars multiplies by 1/100, which is another float for one value in some."""
    return pl.Series(cents.to_numpy() / 100)


def _scores(job: ChainJob) -> pl.LazyFrame:
    files = pl.scan_parquet(job.store / "raw_customers/*/data.parquet", hive_partitioning=True)
    known = files.filter(pl.col("delivered_on") <= job.day, pl.col("loyalty_score").is_not_null())
    newest = pl.col("loyalty_score").sort_by("delivered_on").last()
    return known.group_by("customer_id").agg(newest)


def _loyalty(job: ChainJob, features: pl.DataFrame) -> pl.DataFrame:
    metrics = list(DEFAULT_WEIGHTS)
    values = features.select(pl.col(metrics).cast(pl.Float64))
    low, high = values.min().row(0, named=True), values.max().row(0, named=True)
    columns = {metric: values[metric].to_numpy() for metric in metrics}
    units, weights = score_points(columns, low, high)
    points = pl.Series(units)
    loyalty = features.select("customer_id", loyalty_score=units / 1e4, segment=_segment(points))
    counted = dict(loyalty["segment"].value_counts().iter_rows())
    summary = summary_row(
        points.sum(),
        [points.quantile(share, "linear") for share in (0.5, 0.9)],
        counts={name: counted.get(name, 0) for name in DEFAULT_SEGMENT_THRESHOLDS},
        weights=weights,
        low=low,
        high=high,
    )
    _write(job, "customer_loyalty", loyalty)
    _write(job, "loyalty_summary", pl.DataFrame([summary]))
    return loyalty


def _segment(points: pl.Series) -> pl.Expr:
    *named, (lowest, _) = DEFAULT_SEGMENT_THRESHOLDS.items()
    chosen = pl.lit(lowest)
    for name, least in reversed(named):
        chosen = (
            pl.when(pl.lit(points) >= round(least * 10_000)).then(pl.lit(name)).otherwise(chosen)
        )
    return chosen


def _rfm(job: ChainJob, features: pl.DataFrame, loyalty: pl.DataFrame) -> None:
    shares = [k / BINS for k in range(1, BINS)]
    r_cuts = six_places(_quantiles(features["recency_days"], shares), 1)
    f_cuts = six_places(_quantiles(features["visit_frequency"], shares), 1)
    m_cuts = six_places(_quantiles(features["cents"], shares), 100)
    scored = features.select(
        "customer_id",
        "recency_days",
        frequency="visit_frequency",
        monetary_total="purchase_total",
        recency_score=BINS - _above(pl.col("recency_days"), r_cuts),
        frequency_score=1 + _above(pl.col("visit_frequency"), f_cuts),
        monetary_score=1 + _above(pl.col("purchase_total"), m_cuts),
        loyalty_score=loyalty["loyalty_score"],
        segment=loyalty["segment"],
    )
    r, f, m = (pl.col(f"{metric}_score") for metric in ("recency", "frequency", "monetary"))
    scored = scored.with_columns(
        rfm_class=(100 * r + 10 * f + m).cast(pl.String), rfm_total=r + f + m
    )
    t_cuts = six_places(_quantiles(scored["rfm_total"], [0.70, 0.45, 0.20]), 1)
    tiers = scored.with_columns(rfm_tier=_tier(t_cuts)).with_columns(
        interpretation=pl.col("rfm_tier").replace_strict(TIERS)
    )
    _write(job, "customer_rfm", tiers)
    _write(job, "rfm_thresholds", pl.DataFrame(threshold_rows(r_cuts, f_cuts, m_cuts, t_cuts)))


def _quantiles(values: pl.Series, shares: list[float]) -> list[float]:
    return [values.quantile(share, "linear") for share in shares]


def _above(metric: pl.Expr, cuts: np.ndarray) -> pl.Expr:
    """How many of the cuts lie below the metric."""
    return pl.sum_horizontal((metric > cut).cast(pl.Int32) for cut in map(float, cuts))


def _tier(cuts: np.ndarray) -> pl.Expr:
    total, (p70, p45, p20) = pl.col("rfm_total"), map(float, cuts)
    return (
        pl.when(total >= 3 * BINS - 2)
        .then(pl.lit("Champion"))
        .when(total >= p70)
        .then(pl.lit("Loyal"))
        .when(total <= p20)
        .then(pl.lit("At-Risk"))
        .when(total >= p45)
        .then(pl.lit("Potential"))
        .otherwise(pl.lit("Promising"))
    )
