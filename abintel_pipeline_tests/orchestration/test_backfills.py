"""Backfills launched in the UI, with webserver, daemon and code server running.

In the store lie snapshots made by other rules: what a backfill has made anew, and what it has left
alone, shows in the files, byte for byte.
"""

import os
import re
import shutil
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from abintel_pipeline.contract import TABLES
from abintel_pipeline.orchestration.assets import STEPS
from abintel_pipeline.orchestration.running import instance
from abintel_pipeline.rules import Rules
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import (
    customers_intake,
    features_snapshots,
    loyalty_snapshots,
    rfm_snapshots,
    transactions_intake,
)
from abintel_pipeline.store.locks import turn_to_publish
from abintel_pipeline_tests.backfills import (
    cancel,
    finished,
    launch,
    not_green,
    run_processes,
    status,
)
from abintel_pipeline_tests.orchestration.test_checks import CHECKS, statuses
from abintel_pipeline_tests.servers import Servers, eventually
from abintel_pipeline_tests.shop import Shop, days

pytestmark = pytest.mark.live

DAYS = [str(day) for day in days("2025-01-01", "2025-01-12")]
ALARMS = re.compile(r"^.*(?: - (?:WARNING|ERROR|CRITICAL) - |Traceback|Warning:).*$", re.MULTILINE)
Checks = dict[tuple[str, str], dict[str, set[str]]]
Files = dict[tuple[str, str], bytes]
"""Each published file's bytes, by its table and day."""


class Site:
    """A shop whose snapshots are old, its servers, and what the files will be."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(_env_file=None, data_dir=folder / "data", first_day="2025-01-01")
        self._old, self._new = folder / "old", folder / "new"
        deliver(self.settings)
        make(self.settings, Rules(bins=3), self._old)
        make(self.settings, Rules(), self._new)
        self.old, self.new = files(self._old), files(self._new)
        with instance(self.settings):
            pass  # two processes that find a fresh history at once both try to create its tables
        self.servers = Servers(
            self.settings.history,
            fast=True,
            ABINTEL_DATA_DIR=str(self.settings.data_dir),
            ABINTEL_FIRST_DAY="2025-01-01",
        )

    def make_old(self) -> None:
        """The store as it was before any backfill, and Dagster knowing of no snapshot."""
        shutil.rmtree(self.settings.store, ignore_errors=True)
        shutil.copytree(self._old, self.settings.store)
        with instance(self.settings) as opened:
            for table in TABLES:
                opened.wipe_assets([dg.AssetKey(table)])

    def files(self) -> Files:
        return files(self.settings.store)

    def made_anew(self) -> set[tuple[str, str]]:
        """The tables and days whose files are new; each other must be old."""
        now = self.files()
        assert now.keys() == self.old.keys()
        anew = {place for place, content in now.items() if content == self.new[place]}
        assert [p for p, content in now.items() if p not in anew and content != self.old[p]] == []
        return {place for place in anew if self.new[place] != self.old[place]}

    def checks(self) -> Checks:
        """{(table, check): {status: days}}, as the UI shows it of the partitions."""
        with Shop.open(self.settings) as shop, instance(self.settings) as opened:
            return statuses(shop, opened)

    def checks_to_be(self) -> Checks:
        """The same, had each day been made at once: every check green, warnings that come aside."""
        own = self.settings.model_copy(update={"store_dir": self._new})
        wanted = days(DAYS[0], DAYS[-1])
        with Shop.open(own, Rules()) as shop:
            warnings = [one for step in STEPS for one in step.warnings(shop.step, wanted, None)]
        red = {(one.table, one.check, str(one.day)) for one in warnings if not one.passed}
        found: Checks = {}
        for check in CHECKS:
            for on in DAYS:
                status = "FAILED" if (*check, on) in red else "SUCCEEDED"
                found.setdefault(check, {}).setdefault(status, set()).add(on)
        return found

    def partitions(self, table: str) -> set[str]:
        """The days that Dagster has a materialization of."""
        with instance(self.settings) as opened:
            return set(opened.get_materialized_partitions(dg.AssetKey(table)))


def deliver(settings: Settings) -> None:
    """Twelve days of a shop: four customers at different paces, and a late line."""
    paces = {"ann": 1, "bob": 3, "cem": 4, "dee": 9}
    with Shop.open(settings) as shop:
        for number, on in enumerate(DAYS, start=1):
            buyers = [name for name, pace in paces.items() if number % pace == 0]
            lines = [f"{name},T{on},{on},{number}.50,P{number % 5}" for name in buyers]
            shop.deliver(on, *lines, *(["bob,T0,2025-01-02,7.00,P1"] if number == 8 else []))
            shop.deliver_customers(on, f"ann,0.{number:02}")


def make(settings: Settings, rules: Rules, store: Path) -> None:
    """Every day's tables by some rules, made without Dagster."""
    own = settings.model_copy(update={"store_dir": store})
    wanted = days(DAYS[0], DAYS[-1])
    with Shop.open(own, rules) as shop:
        for day in wanted:
            transactions_intake(shop.step, day)
            customers_intake(shop.step, day)
        for snapshots_of in (features_snapshots, loyalty_snapshots, rfm_snapshots):
            for _ in snapshots_of(shop.step, wanted):
                pass


def rows_of(file: bytes) -> bytes:
    """A Parquet file's bytes in front of its footer."""
    return file[: -8 - int.from_bytes(file[-8:-4], "little")]


def files(store: Path, table: str = "*") -> Files:
    return {
        (path.parts[-3], path.parent.name.partition("=")[2]): path.read_bytes()
        for path in store.glob(f"{table}/*/data.parquet")
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    try:
        site.servers.start_all()
        yield site
    finally:
        site.servers.stop()


@pytest.fixture
def site(running: Site) -> Site:
    running.make_old()
    return running


def places(tables: Iterable[str], on: Iterable[str], site: Site) -> set[tuple[str, str]]:
    """The tables and days whose files differ once they have been made anew."""
    wanted = {(table, day) for table in tables for day in on}
    return {place for place in wanted if site.new[place] != site.old[place]}


def test_a_range_of_the_whole_chain_is_one_run_in_one_process_and_turns_green(site: Site) -> None:
    before = len(site.servers.log("daemon"))
    chosen = DAYS[4:]
    ended = finished(site.servers, launch(site.servers, TABLES, chosen))
    assert (ended["status"], len(ended["runs"])) == ("COMPLETED_SUCCESS", 1)
    assert len(run_processes(site.servers, ended["runs"][0]["id"])) == 1
    assert site.made_anew() == places(TABLES, chosen, site)
    for table in TABLES:
        assert site.partitions(table) == set(chosen)
        assert not_green(site.servers, table, DAYS) == DAYS[:4]
    assert ALARMS.findall(site.servers.log("daemon")[before:]) == []


def test_days_apart_of_some_assets_are_these_and_no_others(site: Site) -> None:
    chosen = [DAYS[1], *DAYS[6:9]]
    ended = finished(
        site.servers, launch(site.servers, ["customer_features", "customer_rfm"], chosen)
    )
    assert ended["status"] == "COMPLETED_SUCCESS"
    assets = ["customer_features", "customer_rfm", "rfm_thresholds"]  # made by one step
    for place, content in site.files().items():
        made = place[0] in assets and place[1] in chosen
        wanted = (site.new if made else site.old)[place]
        if place[0] in ("customer_rfm", "rfm_thresholds"):
            # Their footers name the old loyalty, which they were made from.
            assert rows_of(content) == rows_of(wanted), place
        else:
            assert content == wanted, place
    for table in TABLES:
        assert site.partitions(table) == (set(chosen) if table in assets else set())


def test_two_backfills_at_once_over_overlapping_days_leave_correct_snapshots(site: Site) -> None:
    graph = launch(site.servers, TABLES, DAYS[:8])
    job = launch(site.servers, TABLES, DAYS[4:], from_job=True)
    ended = [finished(site.servers, backfill) for backfill in (graph, job)]
    assert [one["status"] for one in ended] == ["COMPLETED_SUCCESS"] * 2
    assert [len(one["runs"]) for one in ended] == [1, 1]
    assert site.made_anew() == places(TABLES, DAYS, site)
    assert all(site.partitions(table) == set(DAYS) for table in TABLES)


def launch_missing(site: Site) -> str:
    """What *only failed and missing partitions* selects: the days that aren't green."""
    missing = {day for table in TABLES for day in not_green(site.servers, table, DAYS)}
    return launch(site.servers, TABLES, sorted(missing))


@contextmanager
def held_half_way(site: Site, table: str) -> Iterator[None]:
    """Wait until some days of a table are new, and let no other be published until the end."""

    def begun() -> bool:
        now = files(site.settings.store, table)
        return sum(site.old[place] != now[place] == site.new[place] for place in now) >= 3

    eventually(begun, every=0.002)
    with FileLock(turn_to_publish(site.settings.store)).acquire(poll_interval=0.001):
        yield


def test_failed_cancelled_or_killed_half_way_each_day_is_old_or_new_and_the_rest_can_be_launched(
    site: Site,
) -> None:
    wrong = site.settings.landing / "transactions" / f"{DAYS[6]}.csv"
    right = wrong.read_text()
    wrong.write_text("not a delivery")
    failed = finished(site.servers, launch(site.servers, TABLES, DAYS))
    assert failed["status"] == "COMPLETED_FAILED"
    assert site.made_anew() <= places(["raw_transactions", "rejected_transactions"], DAYS, site)
    assert not_green(site.servers, "raw_transactions", DAYS) == [DAYS[6]]

    wrong.write_text(right)
    cancelled = launch_missing(site)
    with held_half_way(site, "customer_features"):
        cancel(site.servers, cancelled)
        assert finished(site.servers, cancelled)["status"] == "CANCELED"
    assert site.made_anew() < places(TABLES, DAYS, site)

    killed = launch_missing(site)
    (process,) = eventually(
        lambda: [
            process
            for run in status(site.servers, killed)["runs"]
            for process in run_processes(site.servers, run["id"])
        ]
    )
    with held_half_way(site, "customer_rfm"):
        os.kill(process, signal.SIGKILL)
    assert finished(site.servers, killed)["status"] == "COMPLETED_FAILED"
    assert site.made_anew() < places(TABLES, DAYS, site)

    assert finished(site.servers, launch_missing(site))["status"] == "COMPLETED_SUCCESS"
    assert site.made_anew() == places(TABLES, DAYS, site)
    assert all(site.partitions(table) == set(DAYS) for table in TABLES)
    assert site.checks() == site.checks_to_be()
