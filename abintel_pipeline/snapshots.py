"""One day's step of the pipeline: read the store, apply the formulas, publish whole files.

This is the pipeline without an orchestrator: the Dagster assets, the benchmarks and anything else
that makes a snapshot call these functions. Each publishes its tables or, on any error, nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ibis.backends.duckdb import Backend

from abintel_pipeline.contract import TABLES
from abintel_pipeline.intake import Intake, take_in_customers, take_in_transactions
from abintel_pipeline.metrics.features import customer_features
from abintel_pipeline.metrics.in_force import lines_in_force, lines_in_window, window_start
from abintel_pipeline.metrics.loyalty import customer_loyalty, loyalty_summary
from abintel_pipeline.metrics.rfm import customer_rfm, rfm_thresholds
from abintel_pipeline.settings import Rules, Settings
from abintel_pipeline.store import SnapshotStore, Staged, scan

RAW_TRANSACTIONS = TABLES["raw_transactions"]
RAW_CUSTOMERS = TABLES["raw_customers"]
CUSTOMER_FEATURES = TABLES["customer_features"]
CUSTOMER_LOYALTY = TABLES["customer_loyalty"]
LOYALTY_SUMMARY = TABLES["loyalty_summary"]
CUSTOMER_RFM = TABLES["customer_rfm"]
RFM_THRESHOLDS = TABLES["rfm_thresholds"]

TakeIn = Callable[[Backend, Settings, date, Path], Intake | None]


class NothingDelivered(LookupError):
    """A snapshot was asked for whose window holds no delivery at all."""


@dataclass(frozen=True)
class Window:
    """What a snapshot's trailing window is made of."""

    start: date
    end: date
    delivered: list[date]
    first_delivery: date

    @property
    def missing(self) -> list[date]:
        """Days of the window without a delivery, counted from the very first delivery on."""
        first = max(self.start, self.first_delivery)
        have = set(self.delivered)
        days = (first + timedelta(days=n) for n in range((self.end - first).days + 1))
        return [day for day in days if day not in have]


def trailing_window(store: SnapshotStore, today: date, history_days: int) -> Window:
    """The deliveries that the snapshot of `today` reads.

    Raises NothingDelivered when there is none.
    """
    start = window_start(today, history_days)
    taken_in = store.days(RAW_TRANSACTIONS, end=today)
    delivered = [day for day in taken_in if day >= start]
    if not delivered:
        raise NothingDelivered(
            f"no delivery of transactions from {start} to {today} has been taken in:"
            f" materialize raw_transactions for these days first"
        )
    return Window(start, today, delivered, taken_in[0])


@dataclass(frozen=True)
class StepContext:
    """What every step needs: an engine, the settings, and the rules of this run."""

    connection: Backend
    settings: Settings
    rules: Rules

    @property
    def store(self) -> SnapshotStore:
        return SnapshotStore(self.settings.store)


def take_in(step: StepContext, day: date, how: TakeIn) -> Intake | None:
    """Take in and publish one day's delivery of one request table.

    None when nothing was delivered for that day; what was published before stays.
    """
    with step.store.staging() as folder:
        intake = how(step.connection, step.settings, day, folder)
        if intake is not None:
            step.store.publish(intake.refused_rows, intake.accepted_rows)
    return intake


def transactions_intake(step: StepContext, day: date) -> Intake | None:
    """`raw_transactions` and `rejected_transactions` of one delivery day."""
    return take_in(step, day, take_in_transactions)


def customers_intake(step: StepContext, day: date) -> Intake | None:
    """`raw_customers` and `rejected_customers` of one delivery day."""
    return take_in(step, day, take_in_customers)


def features_snapshot(step: StepContext, day: date) -> tuple[Staged, Window]:
    """`customer_features` of one snapshot, from the deliveries of its trailing window."""
    store, connection, rules = step.store, step.connection, step.rules
    window = trailing_window(store, day, rules.history_days)
    lines = store.read(connection, RAW_TRANSACTIONS, window.delivered)
    late_days = store.late_days(window.delivered)
    if late_days:
        late = store.read(connection, RAW_TRANSACTIONS, late_days)
        in_force = lines_in_force(lines, day, rules.history_days, late_lines=late)
    else:
        in_force = lines_in_window(lines, day, rules.history_days)
    customers = store.read(connection, RAW_CUSTOMERS, store.days(RAW_CUSTOMERS, end=day))
    features = customer_features(in_force, customers, day, rules)
    with store.staging() as folder:
        staged = store.stage(folder, CUSTOMER_FEATURES, day, features, rules)
        store.publish(staged)
    return staged, window


def loyalty_snapshot(step: StepContext, day: date) -> tuple[Staged, Staged]:
    """`customer_loyalty` and `loyalty_summary` of one snapshot, from its features."""
    store, connection, rules = step.store, step.connection, step.rules
    features = store.read(connection, CUSTOMER_FEATURES, [day])
    with store.staging() as folder:
        scored = customer_loyalty(features, rules)
        loyalty = store.stage(folder, CUSTOMER_LOYALTY, day, scored, rules)
        summed = loyalty_summary(
            features, scan(connection, CUSTOMER_LOYALTY, [loyalty.path]), rules
        )
        summary = store.stage(folder, LOYALTY_SUMMARY, day, summed, rules)
        store.publish(loyalty, summary)
    return loyalty, summary


def rfm_snapshot(step: StepContext, day: date) -> tuple[Staged, Staged]:
    """`customer_rfm` and `rfm_thresholds` of one snapshot, from its features and loyalty."""
    store, connection, rules = step.store, step.connection, step.rules
    features = store.read(connection, CUSTOMER_FEATURES, [day])
    loyalty = store.read(connection, CUSTOMER_LOYALTY, [day])
    with store.staging() as folder:
        scored = customer_rfm(features, loyalty, rules)
        rfm = store.stage(folder, CUSTOMER_RFM, day, scored, rules)
        cuts = rfm_thresholds(features, scan(connection, CUSTOMER_RFM, [rfm.path]), rules)
        thresholds = store.stage(folder, RFM_THRESHOLDS, day, cuts, rules)
        store.publish(rfm, thresholds)
    return rfm, thresholds
