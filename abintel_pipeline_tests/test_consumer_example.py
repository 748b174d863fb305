"""The example of a consumer: its logic, its runs, and the whole way from a delivered file to it."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import dagster as dg
import polars as pl
import pytest

from abintel_pipeline import read_snapshot
from abintel_pipeline.running import prepare_history, run_days
from abintel_pipeline.sensors import REASON_TAG
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.shop import Shop

ROOT = Path(__file__).parents[1]
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
    run_days(settings, week_before, week_before)
    return settings, week_before, yesterday


def deliver_yesterday(settings: Settings, yesterday: date) -> None:
    """Everybody but A buys for more than A ever did, and more often."""
    lines = [
        f"{customer},Y{customer}{n},{yesterday},200.00,P{n}"
        for customer in "BCDE"
        for n in range(5)
    ]
    with Shop.open(settings) as shop:
        shop.deliver(yesterday.isoformat(), *lines)


def tiers(settings: Settings, day: date) -> dict[str, str]:
    rows = read_snapshot("customer_rfm", day, settings=settings)
    return dict(zip(rows.customer_id, rows.rfm_tier, strict=True))


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
    assert told["fell_to_at_risk"] == {"week_before": "not published"}
    counts = list(tiers(settings, week_before).values())
    assert told["customers_per_tier"] == {tier: counts.count(tier) for tier in set(counts)}


@pytest.fixture
def daemon(
    two_weeks: tuple[Settings, date, date], tmp_path: Path
) -> Iterator[tuple[Path, dg.DagsterInstance]]:
    """A daemon over both code locations, with schedules and sensors on; its log and instance."""
    settings, _, _ = two_weeks
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


def test_a_delivered_file_becomes_a_snapshot_and_then_the_consumers_assets_by_itself(
    two_weeks: tuple[Settings, date, date], daemon: tuple[Path, dg.DagsterInstance]
):
    settings, week_before, yesterday = two_weeks
    log, instance = daemon
    deliver_yesterday(settings, yesterday)
    awaited = {dg.AssetKey(name) for name in CONSUMERS}
    until = time.monotonic() + WAIT_SECONDS
    while awaited and time.monotonic() < until:
        time.sleep(1)
        made = {key: instance.get_materialized_partitions(key) for key in awaited}
        awaited = {key for key in awaited if yesterday.isoformat() not in made[key]}
    assert not awaited, log.read_text()
    before, now = tiers(settings, week_before), tiers(settings, yesterday)
    assert (before["A"], now["A"]) == ("Champion", "At-Risk")
    fallen = {c for c in now if now[c] == "At-Risk" != before.get(c, "At-Risk")}
    written = pl.read_csv(settings.data_dir / "at_risk_alerts" / f"{yesterday}.csv")
    assert set(written["customer_id"]) == fallen == {"A"}
    runs = instance.get_runs(dg.RunsFilter(tags={REASON_TAG: "new delivery"}))
    assert [(r.tags["dagster/partition"], r.status.value) for r in runs] == [
        (yesterday.isoformat(), "SUCCESS")
    ]
    assert all(run.status is dg.DagsterRunStatus.SUCCESS for run in instance.get_runs())
    assert "Traceback" not in log.read_text(), log.read_text()
