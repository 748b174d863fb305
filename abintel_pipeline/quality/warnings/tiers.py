"""Warnings about RFM: tiers that shift from day to day, a cohort too small for its bins."""

from datetime import date, timedelta

from abintel_pipeline.contract import CUSTOMER_RFM, RFM_THRESHOLDS
from abintel_pipeline.contract.findings import Finding, warning
from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.engine.connection import native
from abintel_pipeline.quality.blocking.files import files
from abintel_pipeline.store.snapshot_store import DAY_OF_FILE
from abintel_pipeline.store.step_context import StepContext


def rfm_warnings(
    context: StepContext, days: list[date], _newest: date | None = None
) -> list[Finding]:
    """`tier_shares` against the day before, and `cohort_size` against the bins."""
    published = set(context.store.days(CUSTOMER_RFM))
    before = {day - timedelta(days=1) for day in days} & published - set(days)
    before = {day for day in before if context.store.is_whole(CUSTOMER_RFM, day)}
    counted = _tiers(context, sorted({*days, *before}))
    return [
        finding
        for day in days
        for finding in (
            _tier_shares(context, day, counted[day], counted.get(day - timedelta(days=1))),
            _cohort_size(context, day, sum(counted[day].values())),
        )
    ]


def _tiers(context: StepContext, days: list[date]) -> dict[date, dict[str, int]]:
    """{day: {tier: customers}}"""
    found = {day: dict.fromkeys(TIERS, 0) for day in days}
    rows = native(context.connection).execute(
        f"SELECT {DAY_OF_FILE}, rfm_tier, customers FROM (SELECT filename, rfm_tier,"
        f" count(*) AS customers FROM {files(context.store.paths(CUSTOMER_RFM, days))}"
        " GROUP BY filename, rfm_tier)"
    )
    for day, tier, customers in rows.fetchall():
        found[day][tier] = customers
    return found


def _tier_shares(
    context: StepContext, day: date, counts: dict[str, int], before: dict[str, int] | None
) -> Finding:
    limit = context.settings.warn_tier_shift
    shares = _shares(counts)
    if not before or not sum(before.values()) or not sum(counts.values()):
        sentence = "there is no whole snapshot of the day before to compare with"
        return warning(CUSTOMER_RFM.name, day, "tier_shares", True, sentence, **shares)
    earlier = _shares(before)
    tier = max(TIERS, key=lambda name: abs(shares[name] - earlier[name]))
    shift = abs(shares[tier] - earlier[tier])
    sentence = (
        f"{tier} went from {earlier[tier]:.1%} of the customers to {shares[tier]:.1%}, further than"
        f" any other tier; a shift by {limit:.1%} is usual"
    )
    return warning(
        CUSTOMER_RFM.name,
        day,
        "tier_shares",
        shift <= limit,
        sentence,
        shift=shift,
        limit=limit,
        **shares,
    )


def _shares(counts: dict[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {tier: count / total if total else 0.0 for tier, count in counts.items()}


def _cohort_size(context: StepContext, day: date, customers: int) -> Finding:
    bins = context.rules.bins
    return warning(
        RFM_THRESHOLDS.name,
        day,
        "cohort_size",
        customers >= bins,
        f"{customers:,} customers for {bins} scores per metric",
        customers=customers,
        bins=bins,
    )
