"""RFM scores, classes and lifecycle tiers, and the thresholds they come from.

Every function takes the features of one snapshot or of many and treats each snapshot as a cohort
of its own.
"""

import functools
import operator
from collections.abc import Mapping
from typing import cast

import ibis
import ibis.expr.types as ir

from abintel_pipeline.contract.rfm import RFM_METRICS, TIERS
from abintel_pipeline.metrics.cohorts import Figures, beside
from abintel_pipeline.metrics.rounding import float64, nearest_whole, quantile_of_whole
from abintel_pipeline.rules import Rules

THRESHOLD_PLACES = 6
TOTAL_CUTS = {"p70": 0.70, "p45": 0.45, "p20": 0.20}
"""Cuts of the totals between Loyal, Potential, Promising and At-Risk."""
LOYALTY = ("loyalty_score", "segment")


def customer_rfm(features: ir.Table, loyalty: ir.Table, rules: Rules) -> ir.Table:
    """One row per (snapshot_date, customer_id): the `customer_rfm` table.

    Frequency and monetary score 1 + #(threshold < x), recency 1 + #(threshold >= x): equal
    customers get equal scores, and nobody passes a threshold by being on it.

    Source: customer_rfm document, "Calculated Metrics" and "Tier Mapping".
    """
    known = features.drop("loyalty_score").join(loyalty, ["snapshot_date", "customer_id"])
    return rfm_beside_loyalty(known, rules, cuts=rfm_cuts(features, rules))


def rfm_beside_loyalty(features: ir.Table, rules: Rules, *, cuts: Figures) -> ir.Table:
    """`customer_rfm` where each customer's features have its `customer_loyalty` beside them.

    Their `loyalty_score` and `segment` are those of that table. `cuts` are the `rfm_cuts` of the
    features.
    """
    return _tiered(features, rules, cuts, *LOYALTY)


def rfm_scores(features: ir.Table, rules: Rules, *, cuts: Figures) -> ir.Table:
    """`customer_rfm` without what it has of `customer_loyalty`; `cuts` as above."""
    return _tiered(features, rules, cuts)


def _tiered(features: ir.Table, rules: Rules, cuts: Figures, *also: str) -> ir.Table:
    rows = _scored(features, cuts, rules, *TOTAL_CUTS, *also)
    rows = rows.mutate(rfm_tier=tier_of(rows, rules.bins))
    return rows.select(**_documented(rows, rules.bins), **{name: rows[name] for name in also})


def _documented(rows: ir.Table, bins: int) -> dict[str, ir.Value]:
    """The columns that the document has, in its order, after the snapshot's day."""
    plain = (
        "snapshot_date",
        "customer_id",
        "recency_days",
        "frequency",
        "monetary_total",
        "recency_score",
        "frequency_score",
        "monetary_score",
    )
    return {name: rows[name] for name in plain} | {
        "rfm_class": _rfm_class(rows, bins),
        "rfm_total": rows.rfm_total,
        "rfm_tier": rows.rfm_tier,
        "interpretation": rows.rfm_tier.cases(*TIERS.items()),
    }


def tier_of(rows: ir.Table, bins: int) -> ir.StringValue:
    """The lifecycle tier of `rfm_total` against the cuts p70, p45 and p20; the first that fits.

    Champion, Loyal (top 30 %), At-Risk (bottom 20 %), Potential, Promising, in this order.
    """
    total = rows.rfm_total
    return cast(
        ir.StringValue,
        ibis.cases(
            (total >= champion_total(bins), "Champion"),
            (total >= rows.p70, "Loyal"),
            (total <= rows.p20, "At-Risk"),
            (total >= rows.p45, "Potential"),
            else_="Promising",
        ),
    )


def champion_total(bins: int) -> int:
    """The lowest total of a Champion.

    >>> champion_total(5)
    13
    """
    return 3 * bins - 2


def rfm_cuts(features: ir.Table, rules: Rules, *, metric_cuts: ir.Table | None = None) -> ir.Table:
    """One row per snapshot_date: `<metric>_<k>`, the threshold at k/bins, and `p70`, `p45`, `p20`.

    Linear-interpolated quantiles, half up to six decimals: what scores and tiers come from.

    `metric_cuts` are the `rfm_metric_cuts` of the features, for a caller who has them at hand.
    """
    metric_cuts = rfm_metric_cuts(features, rules) if metric_cuts is None else metric_cuts
    totals = _total_cuts(_scored(features, metric_cuts, rules))
    return metric_cuts.join(totals, "snapshot_date")


def rfm_thresholds(cuts: ir.Table, rules: Rules) -> ir.Table:
    """One row per (snapshot_date, metric, cut): the `rfm_thresholds` table, from `rfm_cuts`.

    Recency's are listed in descending order (position 1 is the largest), as in the document.
    """
    rows = []
    for metric in RFM_METRICS:
        for position in range(1, rules.bins):
            step = _step(metric, position, rules.bins)
            cut = cuts[_cut_name(metric, step)]
            rows.append((metric, position, f"{step}/{rules.bins}", cut))
    rows.append(("rfm_total", 1, "champion", float64(champion_total(rules.bins))))
    rows += [
        ("rfm_total", position, name, cuts[name])
        for position, name in enumerate(TOTAL_CUTS, start=2)
    ]
    metrics, positions, names, thresholds = (
        ibis.array(column).unnest() for column in zip(*rows, strict=True)
    )
    return cuts.select(
        snapshot_date=cuts.snapshot_date.cast("date"),
        metric=metrics,
        position=positions.cast("int32"),
        cut=names,
        threshold=thresholds,
    )


def _step(metric: str, position: int, bins: int) -> int:
    return bins - position if metric == "recency" else position


def _cut_name(metric: str, step: int) -> str:
    return f"{metric}_{step}"


def _whole_metrics(features: ir.Table, rules: Rules) -> dict[str, tuple[ir.NumericValue, int]]:
    """Each RFM metric as whole numbers, and the decimals such a number stands for."""
    unit = float64(10.0**rules.currency_decimals)
    minor_units = nearest_whole(features.purchase_total * unit)
    return {
        "recency": (features.recency_days.cast("int64"), 0),
        "frequency": (features.visit_frequency, 0),
        "monetary": (minor_units, rules.currency_decimals),
    }


def rfm_metric_cuts(features: ir.Table, rules: Rules) -> ir.Table:
    """One row per snapshot_date: `<metric>_<k>`, the threshold at k/bins."""
    steps = range(1, rules.bins)
    shares = [k / rules.bins for k in steps]
    metrics = _whole_metrics(features, rules)
    quantiles = features.group_by("snapshot_date").agg(
        **{name: _quantiles(whole, shares) for name, (whole, _) in metrics.items()}
    )
    decimals = {_cut_name(name, k): metrics[name][1] for name in metrics for k in steps}
    together = functools.reduce(operator.add, (quantiles[name] for name in metrics))
    return _rounded(quantiles, together, decimals)


def _quantiles(whole: ir.NumericValue, shares: list[float]) -> ir.ArrayValue:
    return cast(ir.ArrayValue, whole.quantile(shares).cast("array<float64>"))


def _rounded(of: ir.Table, quantiles: ir.ArrayValue, decimals: Mapping[str, int]) -> ir.Table:
    """One row per snapshot_date: its quantiles of whole numbers by name, each of its decimals.

    Half up to six decimals. They are rounded as rows, not as so many expressions, which would take
    longer to be planned than a small cohort takes to be scored.
    """
    rows = of.select(
        "snapshot_date",
        place=ibis.range(len(decimals)).unnest(),
        quantile=quantiles.unnest(),
        units=ibis.array([float64(10.0**n) for n in decimals.values()]).unnest(),
    )
    threshold = quantile_of_whole(rows.quantile, rows.units, THRESHOLD_PLACES)
    rows = rows.select("snapshot_date", "place", threshold=threshold)
    listed = rows.group_by("snapshot_date").agg(cuts=rows.threshold.collect(order_by=rows.place))
    return listed.select(
        "snapshot_date", **{name: listed.cuts[place] for place, name in enumerate(decimals)}
    )


def _scored(features: ir.Table, cuts: Figures, rules: Rules, *also: str) -> ir.Table:
    """The three metrics, their scores and total per customer, and other columns of either."""
    rows = beside(features, cuts)
    steps = range(1, rules.bins)

    def passed(metric: str, value: ir.NumericValue) -> ir.IntegerValue:
        cuts = [rows[_cut_name(metric, k)] for k in steps]
        tests = [cut >= value if metric == "recency" else cut < value for cut in cuts]
        score: ir.IntegerValue = ibis.literal(1)
        for test in tests:
            score = score + test.cast("int32")
        return score.cast("int32")

    scored = rows.select(
        "snapshot_date",
        "customer_id",
        "recency_days",
        frequency=rows.visit_frequency,
        monetary_total=rows.purchase_total,
        recency_score=passed("recency", rows.recency_days),
        frequency_score=passed("frequency", rows.visit_frequency),
        monetary_score=passed("monetary", rows.purchase_total),
        **{name: rows[name] for name in also},
    )
    total = scored.recency_score + scored.frequency_score + scored.monetary_score
    return scored.mutate(rfm_total=total.cast("int32"))


def _total_cuts(scored: ir.Table) -> ir.Table:
    """One row per snapshot_date: the totals at p70, p45 and p20, half up to six decimals."""
    quantiles = _quantiles(scored.rfm_total, list(TOTAL_CUTS.values()))
    of_totals = scored.group_by("snapshot_date").agg(totals=quantiles)
    return _rounded(of_totals, of_totals.totals, dict.fromkeys(TOTAL_CUTS, 0))


def _rfm_class(rows: ir.Table, bins: int) -> ir.StringValue:
    scores = (rows.recency_score, rows.frequency_score, rows.monetary_score)
    if bins == 10:
        return cast(ir.StringValue, ibis.literal("-").join([s.cast("string") for s in scores]))
    recency, frequency, monetary = scores
    # Three digits: one number turned into text costs a third of three.
    return (100 * recency + 10 * frequency + monetary).cast("string")
