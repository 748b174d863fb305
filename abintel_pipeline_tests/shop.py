"""A shop for tests: write deliveries, make snapshots, read them back."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from abintel_pipeline.engine.connection import engine
from abintel_pipeline.reading import read_snapshot
from abintel_pipeline.rules import Rules
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import (
    StepContext,
    customers_intake,
    features_snapshots,
    loyalty_snapshots,
    rfm_snapshots,
    transactions_intake,
)
from abintel_pipeline.store.snapshot_store import SnapshotStore

HEADER = "customer_id,transaction_id,date,amount,product_id"


def day(text: str) -> date:
    return date.fromisoformat(text)


def days(start: str, end: str) -> list[date]:
    first, last = day(start), day(end)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def shop_settings(data_dir: Path) -> Settings:
    """The settings of a small shop."""
    return Settings(_env_file=None, data_dir=data_dir, first_day="2025-01-01", memory_limit="1GB")


@dataclass
class Shop:
    """A StepContext with the handful of things that tests do with it."""

    step: StepContext

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, rules: Rules | None = None) -> Iterator["Shop"]:
        with engine(settings) as connection:
            yield cls(StepContext(connection, settings, rules or settings.rules))

    def begin_with(self, data_dir: Path) -> "Shop":
        """This shop, with a copy of what lies in the data folder of another."""
        shutil.copytree(data_dir, self.settings.data_dir, dirs_exist_ok=True)
        return self

    @property
    def settings(self) -> Settings:
        return self.step.settings

    @property
    def store(self) -> SnapshotStore:
        return self.step.store

    def deliver(self, on: str, *lines: str, header: str = HEADER) -> None:
        """Write the day's transactions as a CSV delivery; a line is `customer,order,date,…`."""
        folder = self.settings.landing / "transactions"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{on}.csv").write_text("\n".join([header, *lines]) + "\n")

    def deliver_customers(self, on: str, *lines: str) -> None:
        folder = self.settings.landing / "customers"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{on}.csv").write_text("\n".join(["customer_id,loyalty_score", *lines]) + "\n")

    def take_in(self, *on: str) -> None:
        for one in on:
            transactions_intake(self.step, day(one))
            customers_intake(self.step, day(one))

    def snapshot(self, *on: str) -> None:
        """The snapshots of these days: of several, as a range, which costs hardly more than one."""
        for snapshots_of in (features_snapshots, loyalty_snapshots, rfm_snapshots):
            for _ in snapshots_of(self.step, map(day, on)):
                pass

    def read(self, table: str, on: str) -> pd.DataFrame:
        return read_snapshot(table, on, settings=self.settings)

    def bytes_of(self, table: str, on: str) -> bytes:
        from abintel_pipeline.contract import TABLES

        return self.store.path(TABLES[table], day(on)).read_bytes()
