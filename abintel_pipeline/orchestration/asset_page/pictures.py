"""Pictures of a published day: for each a function with its numbers, and one with the PNG.

A PNG is under 40 kB: it goes into the metadata of an event, which is stored and sent whole.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from abintel_pipeline.contract import CUSTOMER_LOYALTY, CUSTOMER_RFM, Table
from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.engine.connection import native
from abintel_pipeline.engine.sql import file_literal
from abintel_pipeline.orchestration.asset_page.drawing import BLUE, DARK, bars, in_short, picture
from abintel_pipeline.snapshots import StepContext
from abintel_pipeline.store.proofs import snapshot_rules

BARS = 50
"""Bars of the histogram: each is 0.02 wide."""
MOST_REASONS = 10
REASON_LETTERS = 48
ROOMY = 6
"""Up to so many bins, a field of the grid has room for its tier and its number of customers."""


def score_histogram(context: StepContext, day: date) -> bytes:
    """Customers by loyalty score, with the lower bounds of the segments."""
    counts = scores(context, day)
    cuts = snapshot_rules(context.store.path(CUSTOMER_LOYALTY, day)).segment_thresholds
    with picture(f"Loyalty scores of {day}", "loyalty score", "customers") as drawn:
        axes = drawn.axes
        axes.bar([(n + 0.5) / BARS for n in range(BARS)], counts, width=1 / BARS, color=BLUE)
        for name, start in cuts.items():
            axes.axvline(start, color=DARK, linewidth=0.8, linestyle="--")
            axes.annotate(in_short(name), (start, 0.99), (2, 0), ("data", "axes fraction"),
                          "offset points", rotation=90, va="top", fontsize=8)  # fmt: skip
        axes.set_xlim(0, 1)
        axes.margins(y=0.25)
    return drawn.png


def scores(context: StepContext, day: date) -> list[int]:
    """Customers per bar: scores from n/50 to below (n+1)/50, 1 in the last."""
    rows = _query(
        context,
        f"SELECT least(floor(loyalty_score * {BARS} + 1e-9)::INT, {BARS - 1}), count(*)"
        " FROM {} GROUP BY 1",
        CUSTOMER_LOYALTY,
        day,
    )
    counted = dict(rows)
    return [counted.get(n, 0) for n in range(BARS)]


def spend_by_segment(context: StepContext, day: date) -> bytes:
    """The spend of each segment's customers, and how many they are."""
    spent = spend(context, day)
    with picture(f"Spend by segment on {day}", "spend in the window") as drawn:
        names = [f"{in_short(name)} ({customers:,})" for name, customers, _ in spent]
        bars(drawn.axes, names, [total for *_, total in spent])
    return drawn.png


def spend(context: StepContext, day: date) -> list[tuple[str, int, float]]:
    """(segment, customers, spend), from the highest segment to the lowest."""
    rows = _query(
        context,
        "SELECT segment, count(*), sum(monetary_total) FROM {} GROUP BY 1",
        CUSTOMER_RFM,
        day,
    )
    found = {name: (customers, total) for name, customers, total in rows}
    rules = snapshot_rules(context.store.path(CUSTOMER_LOYALTY, day))
    names = [*rules.segment_thresholds, *sorted(found.keys() - rules.segment_thresholds.keys())]
    return [(name, *found.get(name, (0, 0.0))) for name in names]


def customers_by_score(context: StepContext, day: date) -> bytes:
    """Customers by recency and frequency score; in each field the commonest tier (short)."""
    bins = snapshot_rules(context.store.path(CUSTOMER_RFM, day)).bins
    fields = tiers(context, day)
    grid = [[sum(fields.get((r, f), {}).values()) for r in _up_to(bins)] for f in _up_to(bins)]
    with picture(f"Recency and frequency on {day}", "recency score", "frequency score") as drawn:
        axes = drawn.axes
        shown = axes.imshow(grid, origin="lower", extent=(0.5, bins + 0.5, 0.5, bins + 0.5),
                            aspect="auto", cmap="Blues", vmin=0)  # fmt: skip
        most = max(map(max, grid))
        for place, counts in fields.items():
            dark = sum(counts.values()) > most / 2
            axes.text(*place, _field(counts, roomy=bins <= ROOMY), ha="center", va="center",
                      fontsize=8, color="white" if dark else DARK)  # fmt: skip
        axes.set_xticks(_up_to(bins))
        axes.set_yticks(_up_to(bins))
        drawn.figure.colorbar(shown, ax=axes, label="customers")
    return drawn.png


def _field(counts: dict[str, int], *, roomy: bool) -> str:
    """The commonest tier and the customers; the tier's initials where there is no room."""
    tier = max(counts, key=counts.__getitem__)
    if roomy:
        return f"{tier}\n{sum(counts.values()):,}"
    return "".join(part[:2] for part in tier.split("-"))


def tiers(context: StepContext, day: date) -> dict[tuple[int, int], dict[str, int]]:
    """{(recency score, frequency score): {tier: customers}}, tiers from the best to the worst."""
    rows = _query(
        context,
        "SELECT recency_score, frequency_score, rfm_tier, count(*) FROM {} GROUP BY ALL",
        CUSTOMER_RFM,
        day,
    )
    found: dict[tuple[int, int], dict[str, int]] = {}
    order = list(TIERS)
    for recency, frequency, tier, customers in sorted(rows, key=lambda row: order.index(row[2])):
        found.setdefault((recency, frequency), {})[tier] = customers
    return found


def rejected_by_reason(context: StepContext, rejected: Table, day: date) -> bytes | None:
    """Rejected rows by reason, the commonest first; None if none was rejected."""
    counts = reasons(context, rejected, day)
    return reasons_drawn(f"{rejected.name} of {day}", counts) if counts else None


def reasons_drawn(title: str, counts: Sequence[tuple[str, int]]) -> bytes:
    """Rows by reason, in the order given."""
    with picture(title, "rows") as drawn:
        names = [in_short(reason, REASON_LETTERS) for reason, _ in counts]
        bars(drawn.axes, names, [rows for _, rows in counts])
    return drawn.png


def reasons(context: StepContext, rejected: Table, day: date) -> list[tuple[str, int]]:
    """(reason, rejected rows with it) of the ten commonest; a row may have several."""
    if not context.store.path(rejected, day).is_file():
        return []
    return _query(
        context,
        "SELECT unnest(reasons), count(*) FROM {} GROUP BY 1 ORDER BY 2 DESC, 1"
        f" LIMIT {MOST_REASONS}",
        rejected,
        day,
    )


def _query(context: StepContext, query: str, table: Table, day: date) -> list[Any]:
    rows = f"read_parquet({file_literal(context.store.path(table, day))}, hive_partitioning=false)"
    return native(context.connection).execute(query.format(rows)).fetchall()


def _up_to(bins: int) -> range:
    return range(1, bins + 1)
