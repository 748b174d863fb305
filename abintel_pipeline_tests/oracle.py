"""The rules of docs/method.md once more, in plain Python: slow, short and independent.

No dataframe, no engine and no floating point: rows are dicts, money is `Decimal`, every other
number is an exact `Fraction`, so that a tie is a tie. Each function handles one snapshot and looks
at everything. It is written from the rules, never from `abintel_pipeline.metrics`.
"""

import json
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

from abintel_pipeline.rules import METRICS, Rules

Row = dict[str, Any]
POSITION = ("customer_id", "transaction_id", "date", "product_id", "line_id")
INTERPRETATIONS = {
    "Champion": "Champions – recent, frequent and high-value",
    "Loyal": "Loyal – regular buyers of above-average value",
    "Potential": "Potential – active, with room to grow",
    "Promising": "Promising – some activity, worth encouraging",
    "At-Risk": "At-Risk – infrequent, low recent activity",
}
RFM_COLUMNS = {
    "recency": "recency_days",
    "frequency": "visit_frequency",
    "monetary": "purchase_total",
}


def exact(number: Any) -> Fraction:
    """The number as it is written: 0.1 is a tenth."""
    return number if isinstance(number, Fraction) else Fraction(str(number))


def half_up(number: Fraction, decimals: int) -> Fraction:
    """A tie goes up.

    >>> half_up(Fraction("0.25625"), 4), half_up(Fraction("-0.5"), 0)
    (Fraction(2563, 10000), Fraction(0, 1))
    """
    return Fraction(floor(number * 10**decimals + Fraction(1, 2)), 10**decimals)


def money(amount: Fraction, decimals: int) -> Fraction:
    """A tie goes away from zero, as in Python's ROUND_HALF_UP.

    >>> money(Fraction("17.505"), 2), money(Fraction("-17.505"), 2)
    (Fraction(1751, 100), Fraction(-1751, 100))
    """
    return half_up(amount, decimals) if amount >= 0 else -half_up(-amount, decimals)


def quantile(numbers: list[Fraction], share: Fraction) -> Fraction:
    """
    >>> quantile([Fraction(109), Fraction(1), Fraction(3)], Fraction(4, 5))
    Fraction(333, 5)
    """
    ordered = sorted(numbers)
    place = share * (len(ordered) - 1)
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def published(rows: list[Row]) -> list[Row]:
    """The rows as they are published: exact numbers as the nearest double."""
    return [
        {name: float(v) if isinstance(v, Fraction) else v for name, v in row.items()}
        for row in rows
    ]


def in_force(lines: list[Row], today: date, history_days: int) -> list[Row]:
    """The lines with delivered_on <= today < leaves_on that were not cancelled."""

    def leaves_on(line: Row) -> date:
        redelivered = [
            other["delivered_on"]
            for other in lines
            if all(other[name] == line[name] for name in POSITION)
            and other["delivered_on"] > line["delivered_on"]
        ]
        return min([line["date"] + timedelta(days=history_days), *redelivered])

    return [
        line
        for line in lines
        if line["delivered_on"] <= today < leaves_on(line) and not line["cancelled"]
    ]


def visits(purchases: list[Row]) -> int:
    """Orders, and lines that have no order's id."""
    orders = {(line["transaction_id"], line["date"]) for line in purchases}
    alone = sum(line["transaction_id"] is None for line in purchases)
    return alone + sum(order is not None for order, _ in orders)


def features(lines: list[Row], customers: list[Row], today: date, rules: Rules) -> list[Row]:
    """One row per customer with a purchase in force, by customer_id: a return alone is none."""
    counted = in_force(lines, today, rules.history_days)
    rows = []
    for customer_id in sorted({line["customer_id"] for line in counted if line["amount"] >= 0}):
        own = [line for line in counted if line["customer_id"] == customer_id]
        bought = [line for line in own if line["amount"] >= 0]
        products = {line["product_id"] for line in bought} - {None}
        total = exact(sum((line["amount"] for line in own), Decimal(0)))
        delivered = [
            (row["delivered_on"], row["loyalty_score"])
            for row in customers
            if row["customer_id"] == customer_id
            and row["delivered_on"] <= today
            and row["loyalty_score"] is not None
        ]
        rows.append(
            {
                "snapshot_date": today,
                "customer_id": customer_id,
                "purchase_total": total,
                "visit_frequency": visits(bought),
                "avg_ticket": money(total / visits(bought), rules.currency_decimals),
                "product_diversity": len(products),
                "loyalty_score": max(delivered)[1] if delivered else 0.0,
                "recency_days": (today - max(line["date"] for line in bought)).days,
            }
        )
    return rows


def scaling(cohort: list[Row], rules: Rules) -> dict[str, tuple[Fraction, Fraction, Fraction]]:
    """Weight in force, lower and upper bound of every metric that counts."""
    counting = {}
    for metric in METRICS:
        values = [exact(row[metric]) for row in cohort]
        if rules.bounds.kind == "cohort":
            lower, upper = min(values), max(values)
        elif rules.bounds.kind == "percentiles":
            lower, upper = (
                half_up(quantile(values, exact(p) / 100), 6) for p in rules.bounds.percentiles
            )
        else:
            lower, upper = map(exact, rules.bounds.reference.get(metric, (0, 0)))
        weight = exact(rules.weights.get(metric, 0))
        if weight > 0 and lower < upper:
            counting[metric] = (weight, lower, upper)
    total = sum(weight for weight, _, _ in counting.values())
    return {metric: (w / total, lower, upper) for metric, (w, lower, upper) in counting.items()}


def loyalty(cohort: list[Row], rules: Rules) -> list[Row]:
    """One row per row of the features of one snapshot."""
    counting = scaling(cohort, rules) if cohort else {}
    rows = []
    for row in cohort:
        score = Fraction(0) if counting else Fraction(1, 2)
        for metric, (weight, lower, upper) in counting.items():
            inside = min(max(exact(row[metric]), lower), upper)
            share = (inside - lower) / (upper - lower)
            score += weight * (1 - share if metric == "recency_days" else share)
        score = half_up(score, 4)
        reached = [n for n, bound in rules.segment_thresholds.items() if score >= exact(bound)]
        rows.append(
            {
                "snapshot_date": row["snapshot_date"],
                "customer_id": row["customer_id"],
                "loyalty_score": score,
                "segment": reached[0],
            }
        )
    return rows


def summary(cohort: list[Row], scored: list[Row], rules: Rules) -> Row:
    """How the scores of one (not empty) snapshot are spread, and by which rules."""
    scores = [exact(row["loyalty_score"]) for row in scored]
    segments = [row["segment"] for row in scored]
    row = {
        "snapshot_date": cohort[0]["snapshot_date"],
        "customers": len(scored),
        "mean_score": half_up(sum(scores) / len(scores), 6),
        "median_score": half_up(quantile(scores, Fraction(1, 2)), 6),
        "top_decile_threshold": half_up(quantile(scores, Fraction(9, 10)), 6),
        "segment_counts": json.dumps(
            {name: segments.count(name) for name in rules.segment_thresholds}, ensure_ascii=False
        ),
        "segment_thresholds": json.dumps(rules.segment_thresholds, ensure_ascii=False),
        "rules": rules.as_json(),
    }
    counting = scaling(cohort, rules)
    for metric in METRICS:
        weight, lower, upper = counting.get(metric, (Fraction(0), None, None))
        row |= {f"weight_{metric}": weight, f"lower_{metric}": lower, f"upper_{metric}": upper}
    return row


def cuts(numbers: list[Fraction], bins: int) -> list[Fraction]:
    """The thresholds at 1/bins, 2/bins, …, ascending; none without a cohort."""
    steps = range(1, bins) if numbers else ()
    return [half_up(quantile(numbers, Fraction(k, bins)), 6) for k in steps]


def rfm(cohort: list[Row], scored: list[Row], rules: Rules) -> list[Row]:
    """One row per customer of one snapshot, with its loyalty."""
    bins = rules.bins
    loyalties = {row["customer_id"]: row for row in scored}
    values = {m: [exact(row[column]) for row in cohort] for m, column in RFM_COLUMNS.items()}
    thresholds = {metric: cuts(numbers, bins) for metric, numbers in values.items()}
    rows = []
    for place, row in enumerate(cohort):
        recency = 1 + sum(t >= values["recency"][place] for t in thresholds["recency"])
        frequency = 1 + sum(t < values["frequency"][place] for t in thresholds["frequency"])
        monetary = 1 + sum(t < values["monetary"][place] for t in thresholds["monetary"])
        scores = (recency, frequency, monetary)
        rows.append(
            {
                "snapshot_date": row["snapshot_date"],
                "customer_id": row["customer_id"],
                "recency_days": row["recency_days"],
                "frequency": row["visit_frequency"],
                "monetary_total": row["purchase_total"],
                "recency_score": recency,
                "frequency_score": frequency,
                "monetary_score": monetary,
                "rfm_class": ("-" if bins == 10 else "").join(map(str, scores)),
                "rfm_total": sum(scores),
                "loyalty_score": loyalties[row["customer_id"]]["loyalty_score"],
                "segment": loyalties[row["customer_id"]]["segment"],
            }
        )
    p = total_percentiles(rows) if rows else {}
    for row in rows:
        row["rfm_tier"] = tier(Fraction(row["rfm_total"]), bins, p["p70"], p["p45"], p["p20"])
        row["interpretation"] = INTERPRETATIONS[row["rfm_tier"]]
    return rows


def total_percentiles(rows: list[Row]) -> dict[str, Fraction]:
    totals = [Fraction(row["rfm_total"]) for row in rows]
    return {f"p{p}": half_up(quantile(totals, Fraction(p, 100)), 6) for p in (70, 45, 20)}


def tier(total: Fraction, bins: int, p70: Fraction, p45: Fraction, p20: Fraction) -> str:
    if total >= 3 * bins - 2:
        return "Champion"
    if total >= p70:
        return "Loyal"
    if total <= p20:
        return "At-Risk"
    return "Potential" if total >= p45 else "Promising"


def thresholds(cohort: list[Row], scored: list[Row], rules: Rules) -> list[Row]:
    """Every cut of one (not empty) snapshot: metric, position, cut, threshold."""
    bins = rules.bins
    listed = []
    for metric, column in RFM_COLUMNS.items():
        named = [
            (f"{k}/{bins}", threshold)
            for k, threshold in enumerate(cuts([exact(row[column]) for row in cohort], bins), 1)
        ]
        listed.append((metric, named[::-1] if metric == "recency" else named))
    champion = [("champion", Fraction(3 * bins - 2))]
    percentiles = total_percentiles(rfm(cohort, scored, rules))
    listed.append(("rfm_total", champion + list(percentiles.items())))
    return [
        {
            "snapshot_date": cohort[0]["snapshot_date"],
            "metric": metric,
            "position": position,
            "cut": cut,
            "threshold": threshold,
        }
        for metric, named in listed
        for position, (cut, threshold) in enumerate(named, 1)
    ]
