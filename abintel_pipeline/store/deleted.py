"""Deliveries that were taken in and whose rows somebody has removed from the store since.

The store itself shows it, for every run, page and command alike: a delivery is published as two
files, its accepted rows and its rejected ones, both also where there are no rows. A day that has
the second without the first was delivered.
"""

from datetime import date

from abintel_pipeline.contract import RAW_CUSTOMERS, RAW_TRANSACTIONS, REJECTED_OF, Table
from abintel_pipeline.store.snapshot_store import SnapshotStore
from abintel_pipeline.store.windows import Window, runs_of_days

NAMED = 3


Deleted = dict[Table, list[date]]
"""{raw table: its deleted days, in order}; tables without any are not in it."""


def deleted_deliveries(
    store: SnapshotStore, start: date = date.min, end: date = date.max
) -> Deleted:
    """The deliveries from start to end, both included, whose rows were removed."""
    found = {
        raw: sorted(
            store.versions(REJECTED_OF[raw.name], start, end).keys()
            - store.versions(raw, start, end).keys()
        )
        for raw in (RAW_TRANSACTIONS, RAW_CUSTOMERS)
    }
    return _without_empty(found)


def deleted_in(window: Window, deleted: Deleted) -> Deleted:
    """Those that a snapshot would read. Scores of customers count however old they are."""
    starts = {RAW_TRANSACTIONS: window.start, RAW_CUSTOMERS: date.min}
    return _without_empty(
        {
            raw: [day for day in days if starts[raw] <= day <= window.end]
            for raw, days in deleted.items()
        }
    )


def told_deleted(store: SnapshotStore, raw: Table, days: list[date]) -> str:
    """What happened to these days' rows, how to bring them back, and how to accept it."""
    runs = runs_of_days(days)
    named = ", ".join(_named(*run) for run in runs[:NAMED])
    commands = ", ".join(
        f"`abintel run {first} {last} --only deliveries`"
        if last > first
        else f"`abintel run {first} --only deliveries`"
        for first, last in runs[:NAMED]
    )
    more = ", …" if len(runs) > NAMED else ""
    rejected = store.path(REJECTED_OF[raw.name], days[0]).parent
    return (
        f"the {raw.name.removeprefix('raw_')} of {named}{more} were taken in, and have since been"
        " deleted from the store. To bring them back, have the delivery in the landing folder and"
        f" run {commands}{more}, then renew what `abintel affected {days[0]}` names. To accept it,"
        f" remove {rejected} too{', and so on for each day' if len(days) > 1 else ''}"
    )


def _without_empty(found: Deleted) -> Deleted:
    return {raw: days for raw, days in found.items() if days}


def _named(first: date, last: date) -> str:
    return f"{first} to {last}" if last > first else str(first)
