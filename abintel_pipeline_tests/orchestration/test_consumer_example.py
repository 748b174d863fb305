"""The example of a consumer: its logic, its runs, and the whole way from a delivered file to it."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import dagster as dg
import polars as pl
import pytest

from abintel_pipeline import read_snapshot
from abintel_pipeline.orchestration.automation.runs import IN_PROGRESS, PARTITION
from abintel_pipeline.orchestration.automation.sensors import FILES_TAG, REASON_TAG
from abintel_pipeline.orchestration.partitions import RANGE_END_TAG as END
from abintel_pipeline.orchestration.partitions import RANGE_START_TAG as START
from abintel_pipeline.orchestration.running import prepare_history, run_days
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.shop import HEADER, Shop

pytestmark = pytest.mark.usefixtures("undrawn")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "consumer"
BIN = Path(sys.executable).parent
WAIT_SECONDS = 240
STOP_SECONDS = 60
CONSUMERS = ("fell_to_at_risk", "customers_per_tier")


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("at_risk_alerts", EXAMPLE / "at_risk_alerts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_those_who_fell_are_at_risk_now_and_were_not_a_week_ago(example: ModuleType):
    today = pl.DataFrame(
        {
            "customer_id": ["fell", "stayed", "rose", "came", "fell too"],
            "rfm_tier": ["At-Risk", "At-Risk", "Loyal", "At-Risk", "At-Risk"],
            "recency_days": [40, 50, 1, 90, 30],
            "monetary_total": [10.0, 5.0, 99.0, 1.0, 70.0],
            "loyalty_score": [0.1, 0.1, 0.9, 0.0, 0.2],
        }
    )
    before = pl.DataFrame(
        {
            "customer_id": ["fell", "stayed", "rose", "gone", "fell too"],
            "rfm_tier": ["Loyal", "At-Risk", "At-Risk", "Champion", "Champion"],
        }
    )
    fallen = example.fell_to_at_risk_since(today, before)
    assert fallen.select("customer_id", "tier_before").rows() == [
        ("fell too", "Champion"),
        ("fell", "Loyal"),
    ]


@pytest.fixture
def two_weeks(tmp_path: Path) -> tuple[Settings, date, date]:
    """A shop whose snapshot of a week ago is published; yesterday's delivery is yet to come."""
    settings = Settings(data_dir=tmp_path / "data", first_day="2020-01-01", memory_limit="1GB")
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    week_before = yesterday - timedelta(days=7)
    old = week_before - timedelta(days=60)
    with Shop.open(settings) as shop:
        rest = [f"{c},O{c},{old},{n}.00,P{n}" for n, c in enumerate("BCDE", start=1)]
        best = [f"A,O{n},{week_before},100.00,P{n}" for n in range(3)]
        shop.deliver(week_before.isoformat(), *best, *rest)
    publish(settings, week_before)
    return settings, week_before, yesterday


def publish(settings: Settings, *on: date) -> None:
    with Shop.open(settings) as shop:
        shop.take_in(*map(str, on))
        shop.snapshot(*map(str, on))


def deliver(settings: Settings, yesterday: date) -> None:
    """The last two days: everybody but A buys for more than A ever did, and more often."""
    with Shop.open(settings) as shop:
        for day in (yesterday - timedelta(days=1), yesterday):
            lines = [f"{c},Y{day}{c}{n},{day},200.00,P{n}" for c in "BCDE" for n in range(5)]
            shop.deliver(day.isoformat(), *lines)


def deliver_late(settings: Settings, day: date) -> None:
    """A new customer's orders, in a file of their own."""
    folder = settings.landing / "transactions" / day.isoformat()
    folder.mkdir()
    lines = [f"F,L{n},{day},900.00,P1" for n in range(9)]
    (folder / "late.csv").write_text("\n".join([HEADER, *lines]) + "\n")


def tiers(settings: Settings, day: date) -> dict[str, str]:
    rows = read_snapshot("customer_rfm", day, settings=settings)
    return dict(zip(rows.customer_id, rows.rfm_tier, strict=True))


def test_the_day_is_compared_with_the_one_of_the_week_before_and_with_no_other(
    example: ModuleType, two_weeks: tuple[Settings, date, date]
):
    settings, _, yesterday = two_weeks
    deliver(settings, yesterday)
    publish(settings, yesterday - timedelta(days=1), yesterday)
    for day in (settings.first_day, yesterday - timedelta(days=1), yesterday):
        dg.materialize(
            example.consumer_assets(settings),
            partition_key=day.isoformat(),
            selection=["fell_to_at_risk"],
            resources={"snapshots": example.SnapshotIOManager(settings)},
        )
    (written,) = (settings.data_dir / "at_risk_alerts").iterdir()
    assert written.name == f"{yesterday}.csv"
    assert pl.read_csv(written)["customer_id"].to_list() == ["A"]


def test_the_assets_are_given_their_day_and_the_first_week_has_nothing_to_compare(
    example: ModuleType, two_weeks: tuple[Settings, date, date]
):
    settings, week_before, _ = two_weeks
    made = dg.materialize(
        example.consumer_assets(settings),
        partition_key=week_before.isoformat(),
        resources={"snapshots": example.SnapshotIOManager(settings)},
    )
    told = {
        event.materialization.asset_key.path[-1]: {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in made.get_asset_materialization_events()
    }
    assert told["fell_to_at_risk"] == {"compared": "a snapshot isn't published"}
    counts = list(tiers(settings, week_before).values())
    assert told["customers_per_tier"] == {tier: counts.count(tier) for tier in set(counts)}


def test_a_snapshot_that_lands_or_is_renewed_is_followed_by_all_that_compare_with_it(
    example: ModuleType, two_weeks: tuple[Settings, date, date]
):
    settings, _, yesterday = two_weeks
    defs = dg.Definitions(
        example.consumer_assets(settings),
        resources={"snapshots": example.SnapshotIOManager(settings)},
    )
    back = {number: (yesterday - timedelta(days=number)).isoformat() for number in range(17)}
    with dg.DagsterInstance.ephemeral() as instance:
        cursor = None

        def asked(asset: str, *numbers: int) -> list[int]:
            """How many days back those are that are asked for when these snapshots have landed."""
            nonlocal cursor
            for number in numbers:
                landed = dg.AssetMaterialization("customer_rfm", partition=back[number])
                instance.report_runless_asset_event(landed)
            found = dg.evaluate_automation_conditions(defs, instance, cursor=cursor)
            cursor = found.cursor
            requested = {
                name: sorted(found.get_requested_partitions(dg.AssetKey(name)))
                for name in CONSUMERS
            }
            for name, days in requested.items():
                for day in days:
                    made = dg.AssetMaterialization(name, partition=day)
                    instance.report_runless_asset_event(made)
            return sorted(n for n, day in back.items() if day in requested[asset])

        assert asked("fell_to_at_risk", *range(1, 17)) == []  # what was there before is left alone
        assert asked("fell_to_at_risk", 0) == [0]
        assert asked("fell_to_at_risk") == []  # and made once
        assert asked("fell_to_at_risk", 7) == [0, 1, 2, 3, 4, 5, 6, 7]  # a week before is renewed
        assert asked("fell_to_at_risk") == []
        assert asked("fell_to_at_risk", 10) == [3, 4, 5, 6, 7]
        assert asked("fell_to_at_risk", 15) == []  # older days are left alone
        assert asked("customers_per_tier", 3, 10) == [3]


@pytest.fixture
def daemon(
    two_weeks: tuple[Settings, date, date], tmp_path: Path
) -> Iterator[tuple[Path, dg.DagsterInstance]]:
    """A daemon over both code locations that finds two new days; its log and its instance."""
    settings, week_before, yesterday = two_weeks
    run_days(settings, week_before, week_before)  # for Dagster to know of it
    deliver(settings, yesterday)
    home, log = prepare_history(settings), tmp_path / "daemon.log"
    environment = os.environ | {
        "DAGSTER_HOME": home,
        "ABINTEL_DATA_DIR": str(settings.data_dir),
        "ABINTEL_FIRST_DAY": "2020-01-01",
        "ABINTEL_AUTOMATIC": "true",
        "ABINTEL_SETTLE_SECONDS": "0",
        "PYTHONWARNINGS": "default",
    }
    with log.open("w") as output, dg.DagsterInstance.from_config(home) as instance:
        server = subprocess.Popen(
            [BIN / "dagster-daemon", "run", "-w", EXAMPLE / "workspace.yaml"],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield log, instance
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(STOP_SECONDS)


def wait_until(done: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not done() and time.monotonic() < until:
        time.sleep(1)
    assert done(), log.read_text()


def runs_because(instance: dg.DagsterInstance, reason: str) -> list[tuple[str, str, str]]:
    """First day, last day and status of the runs that the sensor asked for, oldest first."""
    runs = instance.get_runs(dg.RunsFilter(tags={REASON_TAG: reason}), ascending=True)
    assert {run.tags[FILES_TAG] for run in runs} <= {"1", "2"}
    return [
        (
            run.tags.get(START) or run.tags[PARTITION],
            run.tags.get(END) or run.tags[PARTITION],
            run.status.value,
        )
        for run in runs
    ]


@pytest.mark.live
def test_delivered_files_become_snapshots_and_then_the_consumers_assets_by_themselves(
    two_weeks: tuple[Settings, date, date], daemon: tuple[Path, dg.DagsterInstance]
):
    settings, week_before, yesterday = two_weeks
    log, instance = daemon
    days = [yesterday - timedelta(days=1), yesterday]
    first, last = map(str, days)
    made = [(first, last, "SUCCESS")]
    wait_until(lambda: runs_because(instance, "new delivery") == made, log)
    before, now = tiers(settings, week_before), tiers(settings, yesterday)
    assert (before["A"], now["A"]) == ("Champion", "At-Risk")
    fallen = {c for c in now if now[c] == "At-Risk" != before.get(c, "At-Risk")}

    deliver_late(settings, days[0])
    # The intake of that day alone, then both snapshots in one run over their range.
    renewed = [(first, first, "SUCCESS"), (first, last, "SUCCESS")]
    wait_until(lambda: runs_because(instance, "late file") == renewed, log)
    assert "F" in tiers(settings, yesterday)

    keys = [dg.AssetKey(name) for name in CONSUMERS]
    wait_until(lambda: all(last in instance.get_materialized_partitions(k) for k in keys), log)
    written = pl.read_csv(settings.data_dir / "at_risk_alerts" / f"{yesterday}.csv")
    assert set(written["customer_id"]) == fallen == {"A"}
    ended = [dg.DagsterRunStatus.SUCCESS, *IN_PROGRESS]  # the consumer's may just be following
    assert {run.status for run in instance.get_runs()} <= set(ended)
    assert "Traceback" not in log.read_text(), log.read_text()
