"""The sensor on the landing folder: what arrives starts the runs it needs, each once, and says why.

The sensor is evaluated as the daemon does, with a clock of the test's; runs it asks for are run for
real, in this process. One test has a daemon.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import dagster as dg
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.definitions import build_defs
from abintel_pipeline.intake import DeliveryError
from abintel_pipeline.intake.landing import landed_files
from abintel_pipeline.orchestration.automation.arrivals import Watch, new_arrivals
from abintel_pipeline.orchestration.automation.jobs import JOB_NAME
from abintel_pipeline.orchestration.automation.sensors import (
    DELIVERIES_TAG,
    FILES_TAG,
    REASON_TAG,
    landing_sensor,
)
from abintel_pipeline.orchestration.naming import Names
from abintel_pipeline.orchestration.running import QUIET
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.shop import HEADER, Shop, day, days, shop_settings

pytestmark = pytest.mark.usefixtures("undrawn")

RAW = {"raw_transactions", "rejected_transactions", "raw_customers", "rejected_customers"}
SNAPSHOTS = set(TABLES) - RAW
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
HOUR = 3600.0
StoreOf = Callable[[tuple[str, ...]], Path]


def line(on: str, customer: str = "001", amount: str = "1.00") -> str:
    return f"{customer},T{on},{on},{amount},P1"


def deliver(shop: Shop, on: Iterable[str]) -> None:
    for one in on:
        shop.deliver(one, line(one), line(one, "002", "2.00"))


@pytest.fixture(scope="module")
def store_of(tmp_path_factory: pytest.TempPathFactory) -> StoreOf:
    """Stores in which some days are published; each is made once."""

    @cache
    def made(published: tuple[str, ...]) -> Path:
        with Shop.open(shop_settings(tmp_path_factory.mktemp("published"))) as shop:
            deliver(shop, published)
            shop.take_in(*published)
            shop.snapshot(*published)
            return shop.settings.store

    return made


@dataclass
class Watched:
    """A shop whose landing folder is watched, by a clock that is `ahead` of the machine's."""

    shop: Shop
    instance: dg.DagsterInstance
    store_of: StoreOf
    cursor: str | None = None
    ahead: float = 0.0
    skipped: str | None = None
    asked: list[dg.RunRequest] = field(default_factory=list)
    _built: tuple[Settings, dg.Definitions] | None = None

    @property
    def defs(self) -> dg.Definitions:
        """Built once for the settings in force: that takes longer than a look at the folder."""
        settings = self.shop.settings
        if self._built is None or self._built[0] is not settings:
            self._built = settings, build_defs(settings)
        return self._built[1]

    def tick(self) -> list[tuple[str, str, set[str]]]:
        """One evaluation; the runs asked for, as first day, last day and tables."""
        sensor = landing_sensor(
            self.shop.settings,
            self.defs.resolve_job_def(JOB_NAME),
            Names(),
            lambda: time.time() + self.ahead,
        )
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, repository_def=self.defs.get_repository_def()
        )
        found = sensor.evaluate_tick(context)
        self.cursor, self.skipped = found.cursor, found.skip_message
        self.asked = list(found.run_requests or [])
        return [self._told(request) for request in self.asked]

    def _told(self, request: dg.RunRequest) -> tuple[str, str, set[str]]:
        first = request.partition_key or request.tags[START]
        tables = {key.to_user_string() for key in request.asset_selection or ()} or set(TABLES)
        return first, request.partition_key or request.tags[END], tables

    def run(self) -> list[bool]:
        """Run what the last tick asked for; whether each run succeeded."""
        job = self.defs.resolve_job_def(JOB_NAME)
        results = [
            job.execute_in_process(
                instance=self.instance,
                tags=request.tags,
                partition_key=request.partition_key,
                asset_selection=list(request.asset_selection or []) or None,
                run_config=QUIET,
                raise_on_error=False,
            )
            for request in self.asked
        ]
        return [result.success for result in results]

    def make(self) -> None:
        """What the last tick asked for, made without Dagster: for tests of what comes after."""
        for request in self.asked:
            first, last, tables = self._told(request)
            made = [str(on) for on in days(first, last)]
            if tables >= RAW:
                self.shop.take_in(*made)
            if tables >= SNAPSHOTS:
                self.shop.snapshot(*made)

    @property
    def why(self) -> list[tuple[str, str, str]]:
        tags = (REASON_TAG, DELIVERIES_TAG, FILES_TAG)
        return [tuple(request.tags[tag] for tag in tags) for request in self.asked]  # type: ignore[misc]

    def publish(self, *published: str) -> None:
        """Deliver and publish days, and let the sensor see that there is nothing to do."""
        deliver(self.shop, published)
        # Written after the deliveries, as an intake does, which copied times wouldn't tell.
        made = self.store_of(published)
        shutil.copytree(made, self.shop.settings.store, copy_function=shutil.copyfile)
        assert self.tick() == []

    def put(self, name: str, *lines: str) -> Path:
        path = self.shop.settings.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([HEADER, *lines]) + "\n")
        return path


@pytest.fixture
def watched(settings: Settings, store_of: StoreOf) -> Iterator[Watched]:
    """Deliveries need no time to settle here."""
    at_once = settings.model_copy(update={"settle_seconds": 0})
    with Shop.open(at_once) as shop, dg.DagsterInstance.ephemeral() as instance:
        yield Watched(shop, instance, store_of)


def test_a_new_delivery_starts_its_chain_at_once_and_once(watched: Watched):
    assert watched.tick() == []
    assert watched.skipped == f"nothing new in {watched.shop.settings.landing}"
    watched.put("transactions/2025-01-03.csv", line("2025-01-03"))
    assert watched.tick() == [("2025-01-03", "2025-01-03", set(TABLES))]
    assert watched.why == [("new delivery", "2025-01-03", "1")]
    assert watched.run() == [True]
    assert watched.tick() == []
    assert watched.shop.store.days(TABLES["customer_rfm"]) == [day("2025-01-03")]


def test_many_files_of_a_day_are_one_run(watched: Watched):
    for name in ("transactions/2025-01-03/north.csv", "transactions/2025-01-03/south.csv"):
        watched.put(name, line("2025-01-03", name[-9:-4]))
    watched.shop.deliver_customers("2025-01-03", "001,0.5")
    assert watched.tick() == [("2025-01-03", "2025-01-03", set(TABLES))]
    assert watched.why == [("new delivery", "2025-01-03", "3")]


def test_days_in_a_row_are_one_run_over_their_range(watched: Watched):
    for number in range(1, 16):
        on = f"2025-01-{number:02}"
        watched.put(f"transactions/{on}.csv", line(on))
    assert watched.tick() == [("2025-01-01", "2025-01-15", set(TABLES))]
    ((reason, named, files),) = watched.why
    assert (reason, files) == ("new delivery", "15")
    assert named.startswith("2025-01-01, 2025-01-02, ")
    assert named.endswith(", 2025-01-10 and 5 more")


def test_a_late_file_renews_its_intake_and_then_the_snapshots_within_reach_each_once(
    watched: Watched,
):
    assert watched.shop.settings.late_days == 7
    watched.shop.step = replace(
        watched.shop.step, settings=watched.shop.settings.model_copy(update={"late_days": 3})
    )
    watched.publish(*(f"2025-01-0{number}" for number in range(1, 7)))
    for table in ("customer_features", "customer_rfm"):
        watched.shop.store.path(TABLES[table], day("2025-01-04")).unlink()
    watched.put("transactions/2025-01-02/late.csv", line("2025-01-02", "003"))
    watched.put("transactions/2025-01-02/later.csv", line("2025-01-02", "004"))
    assert watched.tick() == [("2025-01-02", "2025-01-02", RAW)]
    assert watched.why == [("late file", "2025-01-02", "2")]
    watched.make()
    # Three days after the 2nd are up to the 5th; the 4th was never published.
    assert watched.tick() == [
        ("2025-01-02", "2025-01-03", SNAPSHOTS),
        ("2025-01-05", "2025-01-05", SNAPSHOTS),
    ]
    assert watched.why == [("late file", "2025-01-02", "2")] * 2
    watched.make()
    assert watched.tick() == []
    assert len(watched.shop.read("customer_rfm", "2025-01-05")) == 4
    assert len(watched.shop.read("customer_rfm", "2025-01-06")) == 2


def test_a_correction_of_the_newest_day_is_one_run_and_called_changed(watched: Watched):
    watched.put("transactions/2025-01-03.csv", line("2025-01-03"))
    watched.tick()
    watched.run()
    watched.put("transactions/2025-01-03.csv", line("2025-01-03", amount="9.00"))
    assert watched.tick() == [("2025-01-03", "2025-01-03", set(TABLES))]
    assert watched.why == [("changed file", "2025-01-03", "1")]
    assert watched.run() == [True]
    assert watched.shop.read("customer_rfm", "2025-01-03").monetary_total.tolist() == [9.0]


def test_a_correction_that_takes_lines_away_renews_what_they_were_part_of(watched: Watched):
    watched.publish("2025-01-01", "2025-01-02", "2025-01-03")
    watched.put("transactions/2025-01-02.csv")
    assert watched.tick() == [("2025-01-02", "2025-01-02", RAW)]
    watched.make()
    assert watched.tick() == [("2025-01-02", "2025-01-03", SNAPSHOTS)]


def test_two_late_deliveries_make_each_snapshot_once_and_after_both(watched: Watched):
    watched.publish("2025-01-01", "2025-01-02", "2025-01-03", "2025-01-04")
    for on in ("2025-01-01", "2025-01-03"):
        watched.put(f"transactions/{on}/late.csv", line(on, "003"))
    assert watched.tick() == [("2025-01-01", "2025-01-01", RAW), ("2025-01-03", "2025-01-03", RAW)]
    assert watched.why == [("late file", "2025-01-01, 2025-01-03", "2")] * 2
    watched.make()
    assert watched.tick() == [("2025-01-01", "2025-01-04", SNAPSHOTS)]


def test_a_delivery_that_was_missing_is_new_and_renews_the_days_after_it(watched: Watched):
    watched.publish("2025-01-01", "2025-01-03")
    watched.put("transactions/2025-01-02.csv", line("2025-01-02", "003"))
    assert watched.tick() == [("2025-01-02", "2025-01-02", RAW)]
    assert watched.why == [("new delivery", "2025-01-02", "1")]
    watched.make()
    assert watched.tick() == [("2025-01-02", "2025-01-03", SNAPSHOTS)]


@pytest.mark.parametrize("how", ["it ends", "it is retried", "it is a day old"])
def test_snapshots_wait_for_runs_that_are_not_over(watched: Watched, how: str):
    watched.publish("2025-01-01", "2025-01-02")
    watched.put("transactions/2025-01-01/late.csv", line("2025-01-01", "003"))
    watched.tick()
    watched.make()
    job = watched.defs.resolve_job_def(JOB_NAME)
    other = watched.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    follow = f"the snapshots of 2025-01-01 follow when run {other.run_id} is over"
    assert watched.tick() == []
    assert watched.skipped == follow
    if how == "it is a day old":
        watched.ahead = 25 * HOUR
    else:
        watched.instance.report_run_failed(other)
    if how == "it is retried":
        watched.instance.add_run_tags(other.run_id, {"dagster/will_retry": "true"})
        assert watched.tick() == []
        assert watched.skipped == follow
        watched.instance.add_run_tags(other.run_id, {"dagster/auto_retry_run_id": "another"})
    assert watched.tick() == [("2025-01-01", "2025-01-02", SNAPSHOTS)]


def test_a_rejected_delivery_is_not_tried_again_until_it_changes_and_renews_nothing(
    watched: Watched,
):
    watched.publish("2025-01-01", "2025-01-02")
    watched.put("transactions/2025-01-01.csv", line("2025-01-01", amount="abc"))
    assert watched.tick() == [("2025-01-01", "2025-01-01", RAW)]
    assert watched.run() == [False]
    assert watched.tick() == []
    assert watched.tick() == []
    watched.put("transactions/2025-01-01.csv", line("2025-01-01", amount="5.00"))
    assert watched.tick() == [("2025-01-01", "2025-01-01", RAW)]
    assert watched.run() == [True]
    assert watched.tick() == [("2025-01-01", "2025-01-02", SNAPSHOTS)]


def test_a_file_that_still_changes_waits_and_so_does_its_whole_day(
    settings: Settings, watched: Watched
):
    watched.shop = Shop(replace(watched.shop.step, settings=settings))
    assert settings.settle_seconds == 15
    watched.tick()
    watched.put("transactions/2025-01-03/b.csv", line("2025-01-03"))
    watched.put("transactions/2025-01-03/c.csv.part", line("2025-01-03"))
    assert watched.tick() == []
    assert watched.skipped == "transactions/2025-01-03/b.csv must settle, or the day be over, first"
    watched.ahead = 2 * HOUR  # long after the look before: a file that had to wait isn't forgotten
    assert watched.tick() == [("2025-01-03", "2025-01-03", set(TABLES))]
    assert watched.why == [("new delivery", "2025-01-03", "1")]


def test_a_delivery_waits_until_its_day_is_over_and_its_files_have_settled(watched: Watched):
    watched.put("transactions/2024-12-31.csv", line("2024-12-31"))  # before the first day
    for name in ("a", "b"):
        watched.put(f"transactions/2025-01-03/{name}.csv", line("2025-01-03"))
    settings = watched.shop.settings.model_copy(update={"settle_seconds": 15})
    one, two = (f for f in landed_files(settings.landing) if f.day == day("2025-01-03"))
    files = [replace(one, changed=1_000.0), replace(two, changed=1_020.0)]
    found, watch = new_arrivals(settings, Watch(), files, day("2025-01-02"), now=1_040.0)
    assert (found, watch.waiting) == ([], [one.name, two.name])
    found, watch = new_arrivals(settings, watch, files, day("2025-01-03"), now=1_034.0)
    assert (found, watch.waiting) == ([], [one.name, two.name])
    found, watch = new_arrivals(settings, watch, files, day("2025-01-03"), now=1_035.0)
    assert ([(a.day, len(a.files)) for a in found], watch.waiting) == ([(one.day, 2)], [])


def test_what_was_taken_in_before_the_sensor_was_turned_on_is_left_alone(watched: Watched):
    watched.shop.deliver("2025-01-01", line("2025-01-01"))
    watched.shop.deliver("2025-01-02", line("2025-01-02"))
    watched.shop.take_in("2025-01-01", "2025-01-02")
    watched.shop.deliver("2025-01-02", line("2025-01-02", amount="2.00"))  # changed since
    watched.shop.deliver("2025-01-03", line("2025-01-03"))
    # The 2nd was taken in, but has no snapshot yet: it is made whole, as the 3rd is.
    assert watched.tick() == [("2025-01-02", "2025-01-03", set(TABLES))]


def test_files_taken_away_ask_for_nothing(watched: Watched):
    first = watched.put("transactions/2025-01-03/a.csv", line("2025-01-03", "001"))
    watched.put("transactions/2025-01-03/b.csv", line("2025-01-03", "002"))
    watched.tick()
    watched.make()
    first.unlink()
    assert watched.tick() == []
    watched.ahead += 2 * HOUR
    assert watched.tick() == []


def test_a_folder_renamed_into_its_place_is_seen_however_old_its_files_are(watched: Watched):
    watched.tick()
    old = watched.put("transactions/2025-01-03.part/a.csv", line("2025-01-03"))
    os.utime(old, (0, 0))
    time.sleep(0.05)  # the folder's times must differ by more than the clock of a file system ticks
    old.parent.rename(old.parent.with_name("2025-01-03"))
    (file,) = landed_files(watched.shop.settings.landing)
    assert file.changed == old.parent.with_name("2025-01-03").stat().st_ctime
    assert watched.tick() == [("2025-01-03", "2025-01-03", set(TABLES))]


def test_a_night_that_read_the_files_already_is_not_repeated(watched: Watched):
    yesterday = datetime.fromtimestamp(time.time() - 86_400, UTC).date().isoformat()
    watched.tick()
    watched.put(f"transactions/{yesterday}.csv", line(yesterday))
    job = watched.defs.resolve_job_def(JOB_NAME)
    job.execute_in_process(instance=watched.instance, partition_key=yesterday, run_config=QUIET)
    assert watched.tick() == []
    watched.put(f"transactions/{yesterday}.csv", line(yesterday, amount="7.00"))
    assert watched.tick() == [(yesterday, yesterday, set(TABLES))]


def test_a_folder_that_cannot_be_read_is_said(watched: Watched):
    watched.shop.settings.landing.mkdir(parents=True)
    (watched.shop.settings.landing / "transactions").write_text("no folder")
    with pytest.raises(DeliveryError, match="transactions can't be read"):
        watched.tick()


def test_what_is_remembered_stays_small_over_years_of_deliveries(settings: Settings):
    folder = settings.landing / "transactions"
    folder.mkdir(parents=True)
    for number in range(400):
        on = day("2025-01-01").toordinal() + number
        (folder / f"{datetime.fromordinal(on).date()}.csv").write_text(HEADER)
    files = landed_files(settings.landing)
    arrivals, watch = new_arrivals(
        settings, Watch(), files, day("2026-12-31"), time.time() + 2 * HOUR
    )
    assert len(arrivals) == 400
    assert len(watch.model_dump_json()) < 200
    assert new_arrivals(settings, watch, files, day("2026-12-31"), time.time() + 3 * HOUR)[0] == []


def test_the_same_look_twice_asks_for_the_same_keys(watched: Watched):
    """Dagster launches a key once: a daemon that died after launching asks again in vain."""
    watched.put("transactions/2025-01-03.csv", line("2025-01-03"))
    keys = []
    for _ in range(2):
        watched.cursor = None
        watched.tick()
        keys.append([request.run_key for request in watched.asked])
    assert keys[0] == keys[1]
    watched.put("transactions/2025-01-03.csv", line("2025-01-03"))
    watched.tick()
    assert [request.run_key for request in watched.asked] != keys[0]


@pytest.mark.parametrize("brand", [None, "north"])
def test_snapshots_wait_for_what_the_ui_started_from_assets_of_this_pipeline(
    watched: Watched, brand: str | None
):
    watched.publish("2025-01-01", "2025-01-02")
    watched.put("transactions/2025-01-01/late.csv", line("2025-01-01", "003"))
    watched.tick()
    watched.make()
    defs = build_defs(watched.shop.settings, key_prefix=brand)
    other = watched.instance.create_run_for_job(
        defs.resolve_implicit_global_asset_job_def(),
        status=dg.DagsterRunStatus.STARTED,
        asset_selection=frozenset(Names.under(brand).keys(RAW)),
    )
    assert other.job_name == "__ASSET_JOB"
    follow = [("2025-01-01", "2025-01-02", SNAPSHOTS)]
    assert watched.tick() == ([] if brand is None else follow)
    watched.instance.report_run_failed(other)
    assert watched.tick() == (follow if brand is None else [])


def test_a_correction_of_a_rejected_day_makes_it_whole_though_its_customers_were_taken_in(
    watched: Watched,
):
    watched.put("transactions/2025-01-03.csv", line("2025-01-03", amount="abc"))
    watched.shop.deliver_customers("2025-01-03", "001,0.5")
    watched.tick()
    assert watched.run() == [False]
    assert watched.shop.store.days(TABLES["raw_customers"]) == [day("2025-01-03")]
    assert watched.tick() == []
    watched.put("transactions/2025-01-03.csv", line("2025-01-03", amount="5.00"))
    assert watched.tick() == [("2025-01-03", "2025-01-03", set(TABLES))]
    assert watched.why == [("new delivery", "2025-01-03", "1")]
    assert watched.run() == [True]
    assert watched.shop.read("customer_rfm", "2025-01-03").monetary_total.tolist() == [5.0]
    assert watched.tick() == []


def test_nothing_follows_a_delivery_of_which_one_table_was_rejected(watched: Watched):
    watched.publish("2025-01-01", "2025-01-02")
    watched.put("transactions/2025-01-01.csv", line("2025-01-01", amount="abc"))
    watched.shop.deliver_customers("2025-01-01", "001,0.5")
    assert watched.tick() == [("2025-01-01", "2025-01-01", RAW)]
    assert watched.run() == [False]
    assert watched.tick() == []


def test_an_intake_that_was_lost_is_asked_for_again_but_not_for_ever(watched: Watched):
    watched.publish("2025-01-01", "2025-01-02")
    watched.put("transactions/2025-01-01/late.csv", line("2025-01-01", "003"))
    intake = [("2025-01-01", "2025-01-01", RAW)]
    keys = set()
    for _ in range(3):
        assert watched.tick() == intake
        keys.add(watched.asked[0].run_key)
    assert len(keys) == 3
    assert watched.tick() == []
    watched.put("transactions/2025-01-01/late.csv", line("2025-01-01", "004"))
    assert watched.tick() == intake
    assert watched.tick() == intake
    watched.make()
    assert watched.tick() == [("2025-01-01", "2025-01-02", SNAPSHOTS)]


def test_days_without_a_delivery_between_new_ones_are_made_in_the_same_run(watched: Watched):
    for on in ("2025-01-03", "2025-01-04", "2025-01-06", "2025-01-14"):  # gaps of 1 and of 7
        watched.put(f"transactions/{on}.csv", line(on))
    assert watched.tick() == [("2025-01-03", "2025-01-14", set(TABLES))]
    watched.make()
    assert watched.tick() == []


def test_a_long_silence_between_new_deliveries_is_not_filled(watched: Watched):
    assert watched.shop.settings.late_days == 7
    for on in ("2025-01-03", "2025-01-05", "2025-01-14"):  # eight days are missing after the 5th
        watched.put(f"transactions/{on}.csv", line(on))
    ranges = [("2025-01-03", "2025-01-05"), ("2025-01-14", "2025-01-14")]
    assert watched.tick() == [(*one, RAW) for one in ranges]
    watched.make()
    assert watched.tick() == [(*one, SNAPSHOTS) for one in ranges]
