"""Loyalty score, segment, and the summary of a cohort.

Every function takes the features of one snapshot or of many and treats each snapshot as a cohort
of its own.
"""

import functools
import json
import operator
from collections.abc import Iterable, Mapping
from typing import cast

import ibis
import ibis.expr.types as ir

from abintel_pipeline.metrics.cohorts import Figures, beside
from abintel_pipeline.metrics.rounding import (
    float64,
    half_up,
    nearest_whole,
    quantile_of_whole,
    ratio_half_up,
)
from abintel_pipeline.rules import METRICS, Rules

SCORE_PLACES = 4
SUMMARY_PLACES = 6
"""Medians and deciles of four-decimal scores have at most five decimals: six hold them exactly."""

MONEY_METRICS = ("purchase_total", "avg_ticket")

UNDECIDED = 0.5
"""Score of everybody where no metric separates anybody."""


def customer_loyalty(
    features: ir.Table, rules: Rules, *, bounds: Figures | None = None
) -> ir.Table:
    """One row per (snapshot_date, customer_id): the `customer_loyalty` table.

    score = Σ w·s / Σ w over the metrics that vary, s = (x − lower) / (upper − lower) clipped to
    0..1 and inverted for `recency_days`; half up to four decimals. A metric that is constant over
    the cohort separates nobody and is left out; if all are, the score is 0.5.

    `bounds` are the `loyalty_bounds` of the features, for a caller who has them at hand.

    Source: customer_loyalty document, "Min-max weighted loyalty index".
    """
    bounds = loyalty_bounds(features, rules) if bounds is None else bounds
    rows = beside(features, bounds)
    weighted = _sum(_weight(rows, m, rules) * _scaled(rows, m) for m in METRICS)
    weights = _sum(_weight(rows, m, rules) for m in METRICS)
    score = ibis.ifelse(weights > 0, weighted / weights.nullif(float64(0.0)), float64(UNDECIDED))
    points = half_up(score, SCORE_PLACES)
    scored = rows.select("snapshot_date", "customer_id", points=points)
    return scored.select(
        snapshot_date=scored.snapshot_date,
        customer_id=scored.customer_id,
        loyalty_score=scored.points / 10.0**SCORE_PLACES,
        segment=segment_of(scored.points / 10.0**SCORE_PLACES, rules.segment_thresholds),
    )


def segment_of(score: ir.FloatingValue, thresholds: Mapping[str, float]) -> ir.StringValue:
    """The highest segment whose lower bound the score reaches: segments are half open.

    0.85 is Platinum and 0.8499 Gold under the default thresholds.
    """
    *upper, lowest = thresholds
    cases = [(score >= float64(thresholds[name]), ibis.literal(name)) for name in upper]
    return ibis.cases(*cases, else_=ibis.literal(lowest)) if cases else ibis.literal(lowest)


def loyalty_summary(
    features: ir.Table, loyalty: ir.Table, rules: Rules, *, bounds: ir.Table | None = None
) -> ir.Table:
    """One row per snapshot_date: the `loyalty_summary` table.

    Mean, median and 90th percentile (linear-interpolated) of the score, half up to six decimals;
    customers per segment; the weights and bounds in force. `bounds` as in `customer_loyalty`.

    Source: customer_loyalty document, "summary".
    """
    spread = _spread(loyalty, rules)
    bounds = loyalty_bounds(features, rules) if bounds is None else bounds
    rows = spread.join(bounds, "snapshot_date")
    weights = {m: _weight(rows, m, rules) for m in METRICS}
    total = _sum(weights.values()).nullif(float64(0.0))
    in_force = {m: weight > 0 for m, weight in weights.items()}
    return rows.select(
        *spread.columns,
        **{f"weight_{m}": (weights[m] / total).fill_null(float64(0.0)) for m in METRICS},
        **{f"lower_{m}": ibis.ifelse(in_force[m], rows[f"lower_{m}"], None) for m in METRICS},
        **{f"upper_{m}": ibis.ifelse(in_force[m], rows[f"upper_{m}"], None) for m in METRICS},
        segment_thresholds=ibis.literal(_json(rules.segment_thresholds)),
        rules=ibis.literal(rules.as_json()),
    )


def _spread(loyalty: ir.Table, rules: Rules) -> ir.Table:
    points = half_up(loyalty.loyalty_score, SCORE_PLACES)
    scored = loyalty.select("snapshot_date", "segment", points=points)
    finer = 10 ** (SUMMARY_PLACES - SCORE_PLACES)
    counts = {name: (scored.segment == name).sum() for name in rules.segment_thresholds}
    return scored.group_by("snapshot_date").agg(
        customers=scored.count(),
        mean_score=ratio_half_up(scored.points.sum() * finer, scored.count())
        / float64(10.0**SUMMARY_PLACES),
        median_score=_score_quantile(scored.points, 0.5),
        top_decile_threshold=_score_quantile(scored.points, 0.9),
        segment_counts=_json_object(counts),
    )


def _score_quantile(points: ir.IntegerColumn, share: float) -> ir.FloatingValue:
    quantile = points.quantile(share).cast("float64")
    return quantile_of_whole(quantile, float64(10.0**SCORE_PLACES), SUMMARY_PLACES)


def loyalty_bounds(features: ir.Table, rules: Rules) -> ir.Table:
    """One row per snapshot_date: `lower_<metric>` and `upper_<metric>` of every metric."""
    bounds = rules.bounds
    columns: dict[str, ir.Value] = {}
    for metric in METRICS:
        values = features[metric].cast("float64")
        if bounds.kind == "reference":
            pair = bounds.reference.get(metric, (0.0, 0.0))
            low, high = float64(pair[0]), float64(pair[1])
        elif bounds.kind == "percentiles":
            decimals = rules.currency_decimals if metric in MONEY_METRICS else 0
            low, high = (_percentile(values, share, decimals) for share in bounds.percentiles)
        else:
            low, high = values.min(), values.max()
        columns |= {f"lower_{metric}": low, f"upper_{metric}": high}
    return features.group_by("snapshot_date").agg(**columns)


def _percentile(values: ir.FloatingColumn, percent: float, decimals: int) -> ir.FloatingValue:
    units = float64(10.0**decimals)
    whole = nearest_whole(values * units)
    return quantile_of_whole(whole.quantile(percent / 100), units, SUMMARY_PLACES)


def _weight(rows: ir.Table, metric: str, rules: Rules) -> ir.FloatingValue:
    weight = float(rules.weights.get(metric, 0.0))
    varies = rows[f"upper_{metric}"] > rows[f"lower_{metric}"]
    return ibis.ifelse(varies, float64(weight), float64(0.0))


def _scaled(rows: ir.Table, metric: str) -> ir.FloatingValue:
    """The metric scaled to 0..1 between its bounds, 1 = best; 0 where the bounds are one value."""
    low, high = rows[f"lower_{metric}"], rows[f"upper_{metric}"]
    value = ibis.least(ibis.greatest(rows[metric].cast("float64"), low), high)
    distance = high - value if metric == "recency_days" else value - low
    return cast(
        ir.FloatingValue, (distance / (high - low).nullif(float64(0.0))).fill_null(float64(0.0))
    )


def _sum(values: Iterable[ir.FloatingValue]) -> ir.FloatingValue:
    return functools.reduce(operator.add, values)


def _json(pairs: Mapping[str, object]) -> str:
    return json.dumps(pairs, ensure_ascii=False)


def _json_object(counts: Mapping[str, ir.IntegerValue]) -> ir.StringValue:
    text: ir.StringValue = ibis.literal("{")
    for place, (name, count) in enumerate(counts.items()):
        text = text + ibis.literal((", " if place else "") + _json_key(name))
        text = text + count.cast("string")
    return text + ibis.literal("}")


def _json_key(name: str) -> str:
    return json.dumps(name, ensure_ascii=False) + ": "
