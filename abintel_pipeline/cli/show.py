"""`abintel show` and `abintel affected`: a published snapshot, and what a delivery may change."""

from datetime import date

from rich.markup import escape
from rich.table import Table

from abintel_pipeline.cli.console import Day, out, some, told_settings
from abintel_pipeline.cli.showing import (
    REQUEST_TABLES,
    DeliveryDeleted,
    NothingTakenIn,
    Overview,
    Share,
    overview,
)
from abintel_pipeline.contract import CUSTOMER_RFM, DECIDED_BY, RAW_TRANSACTIONS
from abintel_pipeline.engine.connection import engine
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.deleted import deleted_deliveries, told_deleted
from abintel_pipeline.store.snapshot_store import SnapshotStore, open_store
from abintel_pipeline.store.windows import affected_snapshots, runs_of_days


def show(day: Day) -> None:
    """Show the snapshot of DATE: its segments, its tiers, and the deliveries it was made from."""
    with told_settings() as settings:
        print_snapshot(settings, day)


def print_snapshot(settings: Settings, day: date) -> None:
    store = open_store(settings)
    with engine(settings) as connection:
        seen = overview(connection, store, day)
    out.print(f"Snapshot of {day}: {seen.customers:,} customers")
    for name in DECIDED_BY[CUSTOMER_RFM]:
        made, now = getattr(seen.rules, name), getattr(settings.rules, name)
        if made != now:
            out.print(f"Made with {name} {made}; the settings say {now}", style="yellow")
    out.print(_shares_table("Segment", seen.segments))
    out.print(_shares_table("Tier", seen.tiers))
    _print_deliveries(store, seen)


def _shares_table(title: str, shares: list[Share]) -> Table:
    table = Table(title, show_edge=False)
    for heading in ("customers", "share", "mean spend", "mean recency"):
        table.add_column(heading, justify="right")
    for one in shares:
        spend = "–" if one.mean_spend is None else f"{one.mean_spend:,.2f}"
        recency = "–" if one.mean_recency_days is None else f"{one.mean_recency_days:.1f} days"
        table.add_row(escape(one.name), f"{one.customers:,}", f"{one.share:.1%}", spend, recency)
    return table


def _print_deliveries(store: SnapshotStore, seen: Overview) -> None:
    window = seen.window
    out.print(
        f"Delivery days in the window: {len(window.delivered)}"
        f" ({window.delivered[0]} to {window.delivered[-1]})"
    )
    missing = [day for day in window.missing if day not in seen.deleted.get(RAW_TRANSACTIONS, [])]
    named = f" ({some(missing)})" if missing else ""
    out.print(f"Missing delivery days: {len(missing)}{named}")
    for raw, days in seen.deleted.items():
        out.print(f"Deleted: {told_deleted(store, raw, days)}", style="red")
    left_out = f", {seen.left_out:,} left out" if seen.left_out else ""
    out.print(f"Rejected rows: {seen.rejected:,} of {seen.received:,}{left_out}")


def affected(day: Day) -> None:
    """Show which published snapshots the delivery of DATE may have changed, and how to renew them.

    A snapshot of that day or later is named while its window holds a line of the delivery.
    """
    with told_settings() as settings:
        store = open_store(settings)
        if deleted := deleted_deliveries(store, day, day):
            raise DeliveryDeleted(store, deleted)
        if not any(store.path(table, day).is_file() for table in REQUEST_TABLES):
            raise NothingTakenIn(day)
        days = affected_snapshots(store, day)
        noun = "snapshot" if len(days) == 1 else "snapshots"
        out.print(f"{len(days)} published {noun} affected by the delivery of {day}")
        for first, last in runs_of_days(days):
            out.print(f"  abintel run {first} {last} --only snapshots")
