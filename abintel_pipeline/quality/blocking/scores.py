"""Do a day's RFM scores and tiers come from the thresholds that are published with them?

Written without the formulas of `metrics`, to hold against them. Customers with the same scores and
texts are one group, at most bins³ of them, and a score stands for an interval of its metric: the
smallest and the largest value of a group tell of all the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import inf
from typing import Any

from abintel_pipeline.contract.findings import Figure, Finding
from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.engine.connection import Cursor
from abintel_pipeline.engine.sql import literal
from abintel_pipeline.quality.blocking.files import Broken, files, located
from abintel_pipeline.store.snapshot_store import DAY_OF_FILE, Staged

CHECK = "scores_from_thresholds"
METRICS = {"recency": "recency_days", "frequency": "frequency", "monetary": "monetary_total"}
SCORES = [f"{metric}_score" for metric in METRICS]
TEXTS = ["rfm_class", "rfm_total", "rfm_tier", "interpretation"]
KEYS = [*SCORES, *TEXTS]
Cuts = dict[str, list[float]]
"""{metric: its cuts, ascending}; `rfm_total`: champion, p70, p45 and p20, as they are listed."""


@dataclass(frozen=True)
class Group:
    """Customers of one day with the same scores and texts."""

    keys: dict[str, Any]
    customers: int
    spans: dict[str, tuple[float | None, float | None]]
    """{metric: its smallest and largest value}"""


def scores_from_thresholds(
    connection: Cursor, scored: Sequence[Staged], thresholds: Sequence[Staged]
) -> tuple[list[Finding], dict[date, dict[str, Figure]]]:
    """Findings, and each day's customers per tier."""
    groups = _groups(connection, scored)
    cuts = _cuts(connection, thresholds)
    findings = []
    figures: dict[date, dict[str, Figure]] = {}
    for one in scored:
        own = groups.get(one.day, [])
        wrong = [rule for group in own if (rule := _broken(group, cuts.get(one.day, {})))]
        count, examples = _rows(connection, one, wrong)
        listed = sum(map(len, cuts.get(one.day, {}).values()))
        findings.append(
            Finding(
                one.table.name,
                one.day,
                CHECK,
                not wrong,
                f"{count:,} of {one.rows:,} customers have scores, class or tier that the published"
                f" thresholds don't give, the first {'; '.join(examples)}"
                if wrong
                else f"{one.rows:,} customers' scores and tiers follow from {listed} thresholds",
                {"customers": one.rows, "thresholds": listed, "wrong": count},
            )
        )
        tiers = dict.fromkeys(TIERS, 0)
        for group in own:
            tiers[group.keys["rfm_tier"]] = tiers.get(group.keys["rfm_tier"], 0) + group.customers
        figures[one.day] = {f"customers in {tier}": count for tier, count in tiers.items()}
    return findings, figures


def _groups(connection: Cursor, scored: Sequence[Staged]) -> dict[date, list[Group]]:
    spans = ", ".join(f"min({c}) AS min_{m}, max({c}) AS max_{m}" for m, c in METRICS.items())
    rows = connection.execute(
        f"SELECT {DAY_OF_FILE}, * EXCLUDE (filename) FROM (SELECT filename, {', '.join(KEYS)},"
        f" count(*), {spans} FROM {files([one.path for one in scored])} GROUP BY filename,"
        f" {', '.join(KEYS)})"
    ).fetchall()
    found: dict[date, list[Group]] = {}
    for day, *values in rows:
        keys, (customers, *ends) = values[: len(KEYS)], values[len(KEYS) :]
        pairs = zip(METRICS, zip(ends[::2], ends[1::2], strict=True), strict=True)
        found.setdefault(day, []).append(
            Group(dict(zip(KEYS, keys, strict=True)), customers, dict(pairs))
        )
    return found


def _cuts(connection: Cursor, thresholds: Sequence[Staged]) -> dict[date, Cuts]:
    rows = connection.execute(
        f"SELECT {DAY_OF_FILE}, metric, list(threshold ORDER BY position)"
        f" FROM {files([one.path for one in thresholds])} GROUP BY ALL"
    ).fetchall()
    found: dict[date, Cuts] = {}
    for day, metric, cuts in rows:
        found.setdefault(day, {})[metric] = cuts if metric == "rfm_total" else sorted(cuts)
    return found


def _broken(group: Group, cuts: Cuts) -> str | None:
    """SQL of the group's rows that the cuts don't give; None if they give them all."""
    scores = [group.keys[name] for name in SCORES]
    if None in scores or set(cuts) != {*METRICS, "rfm_total"}:
        return _same(group)
    bins = len(cuts["recency"]) + 1
    if _texts(scores, cuts["rfm_total"], bins) != [group.keys[name] for name in TEXTS]:
        return _same(group)
    outside = []
    for (metric, column), score in zip(METRICS.items(), scores, strict=True):
        above, up_to = interval(metric, score, cuts[metric])
        lowest, highest = group.spans[metric]
        if lowest is None or highest is None or not (above < lowest and highest <= up_to):
            outside.append(
                f"NOT coalesce({column} > {literal(above)} AND {column} <= {literal(up_to)}, false)"
            )
    return f"{_same(group)} AND ({' OR '.join(outside)})" if outside else None


def _same(group: Group) -> str:
    return " AND ".join(f"{name} IS NOT DISTINCT FROM {literal(group.keys[name])}" for name in KEYS)


def interval(metric: str, score: int, cuts: list[float]) -> tuple[float, float]:
    """The values above the first number and up to the second: those that have this score.

    Frequency and monetary score 1 + #(cut < x), recency 1 + #(cut >= x); `cuts` are ascending.

    >>> interval("frequency", 2, [2.4, 2.8, 3.2, 3.6]), interval("recency", 5, [1.8, 2.6, 24.2])
    ((2.4, 2.8), (inf, -inf))
    >>> interval("recency", 4, [1.8, 2.6, 24.2])
    (-inf, 1.8)
    """
    below = len(cuts) + 1 - score if metric == "recency" else score - 1
    if not 0 <= below <= len(cuts):
        return inf, -inf
    return [-inf, *cuts][below], [*cuts, inf][below]


def _texts(scores: list[int], total_cuts: list[float], bins: int) -> list[Any]:
    """Class, total, tier and interpretation of three scores."""
    total = sum(scores)
    champion, p70, p45, p20 = total_cuts
    if total >= champion:
        tier = "Champion"
    elif total >= p70:
        tier = "Loyal"
    elif total <= p20:
        tier = "At-Risk"
    else:
        tier = "Potential" if total >= p45 else "Promising"
    return [("-" if bins == 10 else "").join(map(str, scores)), total, tier, TIERS[tier]]


def _rows(connection: Cursor, one: Staged, wrong: list[str]) -> tuple[int, list[str]]:
    if not wrong:
        return 0, []
    condition = " OR ".join(f"({rule})" for rule in wrong)
    columns = ["customer_id", *METRICS.values(), *SCORES, "rfm_class", "rfm_total", "rfm_tier"]
    found: Broken = located(connection, files([one.path]), condition, columns)
    return found.get(one.day, (0, []))
