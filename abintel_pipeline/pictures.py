"""Pictures of a published day: what they show as plain numbers, and the PNG of it.

A PNG is under 40 kB: it goes into the metadata of an event, which is stored and sent whole.
"""

import io
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.engines import native
from abintel_pipeline.snapshots import StepContext
from abintel_pipeline.store import file_literal, stored_rules

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CUSTOMER_LOYALTY = TABLES["customer_loyalty"]
CUSTOMER_RFM = TABLES["customer_rfm"]

BARS = 50
"""Bars of the histogram: each is 0.02 wide."""
MOST_REASONS = 10
ROOMY = 6
"""Up to so many bins a field has room for the tier and the number of its customers."""
BLUE, DARK = "#4c78a8", "#333333"
DOTS_PER_INCH = 80
COLOURS = 64


def score_histogram(step: StepContext, day: date) -> bytes:
    """Customers by loyalty score, with the lower bounds of the segments."""
    counts = scores(step, day)
    cuts = stored_rules(step.store.path(CUSTOMER_LOYALTY, day)).segment_thresholds
    figure, axes = _axes(f"Loyalty scores of {day}", "loyalty score", "customers")
    axes.bar([(n + 0.5) / BARS for n in range(BARS)], counts, width=1 / BARS, color=BLUE)
    for name, start in cuts.items():
        axes.axvline(start, color=DARK, linewidth=0.8, linestyle="--")
        axes.annotate(name, (start, 0.99), (2, 0), ("data", "axes fraction"),
                      "offset points", rotation=90, va="top", fontsize=8)  # fmt: skip
    axes.set_xlim(0, 1)
    axes.margins(y=0.25)
    return _png(figure)


def scores(step: StepContext, day: date) -> list[int]:
    """Customers per bar: scores from n/50 to below (n+1)/50, 1 in the last."""
    rows = _query(
        step,
        f"SELECT least(floor(loyalty_score * {BARS} + 1e-9)::INT, {BARS - 1}), count(*)"
        " FROM {} GROUP BY 1",
        CUSTOMER_LOYALTY,
        day,
    )
    counted = dict(rows)
    return [counted.get(n, 0) for n in range(BARS)]


def spend_by_segment(step: StepContext, day: date) -> bytes:
    """The spend of each segment's customers, and how many they are."""
    spent = spend(step, day)
    figure, axes = _axes(f"Spend by segment on {day}", "spend in the window", "")
    _bars(axes, [f"{name} ({customers:,})" for name, customers, _ in spent],
          [total for *_, total in spent])  # fmt: skip
    return _png(figure)


def spend(step: StepContext, day: date) -> list[tuple[str, int, float]]:
    """(segment, customers, spend), from the highest segment to the lowest."""
    rows = _query(
        step, "SELECT segment, count(*), sum(monetary_total) FROM {} GROUP BY 1", CUSTOMER_RFM, day
    )
    found = {name: (customers, total) for name, customers, total in rows}
    rules = stored_rules(step.store.path(CUSTOMER_LOYALTY, day))
    names = [*rules.segment_thresholds, *sorted(found.keys() - rules.segment_thresholds.keys())]
    return [(name, *found.get(name, (0, 0.0))) for name in names]


def customers_by_score(step: StepContext, day: date) -> bytes:
    """Customers by recency and frequency score; in each field the commonest tier (short)."""
    bins = stored_rules(step.store.path(CUSTOMER_RFM, day)).bins
    fields = tiers(step, day)
    figure, axes = _axes(f"Recency and frequency on {day}", "recency score", "frequency score")
    grid = [[sum(fields.get((r, f), {}).values()) for r in _up_to(bins)] for f in _up_to(bins)]
    shown = axes.imshow(grid, origin="lower", extent=(0.5, bins + 0.5, 0.5, bins + 0.5),
                        aspect="auto", cmap="Blues", vmin=0)  # fmt: skip
    most = max(map(max, grid))
    for (recency, frequency), counts in fields.items():
        total = sum(counts.values())
        tier = max(counts, key=counts.__getitem__)
        short = "".join(part[:2] for part in tier.split("-"))
        axes.text(
            recency,
            frequency,
            f"{tier}\n{total:,}" if bins <= ROOMY else short,
            ha="center",
            va="center",
            fontsize=8,
            color="white" if total > most / 2 else DARK,
        )
    axes.set_xticks(_up_to(bins))
    axes.set_yticks(_up_to(bins))
    figure.colorbar(shown, ax=axes, label="customers")
    return _png(figure)


def tiers(step: StepContext, day: date) -> dict[tuple[int, int], dict[str, int]]:
    """{(recency score, frequency score): {tier: customers}}, tiers from the best to the worst."""
    rows = _query(
        step,
        "SELECT recency_score, frequency_score, rfm_tier, count(*) FROM {} GROUP BY ALL",
        CUSTOMER_RFM,
        day,
    )
    found: dict[tuple[int, int], dict[str, int]] = {}
    order = list(TIERS)
    for recency, frequency, tier, customers in sorted(rows, key=lambda row: order.index(row[2])):
        found.setdefault((recency, frequency), {})[tier] = customers
    return found


def refused_by_reason(step: StepContext, rejected: Table, day: date) -> bytes | None:
    """Refused rows by reason, the commonest first; None if none was refused."""
    counts = reasons(step, rejected, day)
    if not counts:
        return None
    figure, axes = _axes(f"{rejected.name} of {day}", "rows", "")
    _bars(axes, [reason[:60] for reason, _ in counts], [rows for _, rows in counts])
    return _png(figure)


def reasons(step: StepContext, rejected: Table, day: date) -> list[tuple[str, int]]:
    """(reason, refused rows with it) of the ten commonest; a row may have several."""
    if not step.store.path(rejected, day).is_file():
        return []
    return _query(
        step,
        "SELECT unnest(reasons), count(*) FROM {} GROUP BY 1 ORDER BY 2 DESC, 1"
        f" LIMIT {MOST_REASONS}",
        rejected,
        day,
    )


def _query(step: StepContext, query: str, table: Table, day: date) -> list[Any]:
    rows = f"read_parquet({file_literal(step.store.path(table, day))}, hive_partitioning=false)"
    return native(step.connection).execute(query.format(rows)).fetchall()


def _up_to(bins: int) -> range:
    return range(1, bins + 1)


def _axes(title: str, across: str, up: str) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure  # a third of a second that only runs that draw need

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _bars(axes: "Axes", labels: Sequence[str], values: Sequence[float]) -> None:
    """Horizontal bars, the first on top, each with its value."""
    drawn = axes.barh(labels, values, color=BLUE)
    axes.bar_label(drawn, [f"{value:,.0f}" for value in values], padding=3, fontsize=8)
    axes.margins(x=0.12)
    axes.invert_yaxis()


def _png(figure: "Figure") -> bytes:
    """The figure in as many colours as it needs: a quarter of the bytes."""
    from PIL import Image

    drawn, written = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(written, "PNG", optimize=True)
    return written.getvalue()
