"""A year of Complete Journey, backfilled with two clicks; what it cost is printed."""

import time
from collections import Counter
from pathlib import Path

import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.demo import FIRST_DAY, LAST_DAY, write_deliveries
from abintel_pipeline.partitions import days_between
from abintel_pipeline.running import instance
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import (
    customers_intake,
    features_snapshots,
    loyalty_snapshots,
    rfm_snapshots,
    transactions_intake,
)
from abintel_pipeline.store import SnapshotStore
from abintel_pipeline_tests.backfills import finished, launch, not_green
from abintel_pipeline_tests.servers import Servers
from abintel_pipeline_tests.shop import Shop
from abintel_pipeline_tests.test_backfills import ALARMS

DAYS = days_between(FIRST_DAY, LAST_DAY)


def computed(settings: Settings) -> float:
    """Seconds that the year takes without Dagster."""
    before = time.perf_counter()
    with Shop.open(settings) as shop:
        for day in DAYS:
            transactions_intake(shop.step, day)
            customers_intake(shop.step, day)
        for snapshots_of in (features_snapshots, loyalty_snapshots, rfm_snapshots):
            for _ in snapshots_of(shop.step, DAYS):
                pass
    return time.perf_counter() - before


@pytest.mark.slow
def test_a_year_of_the_whole_chain_turns_green(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", first_day=FIRST_DAY)
    alone = settings.model_copy(update={"store_dir": tmp_path / "alone"})
    write_deliveries(settings.landing)
    seconds = computed(alone)
    with instance(settings):
        pass
    servers = Servers(
        settings.history,
        ABINTEL_DATA_DIR=str(settings.data_dir),
        ABINTEL_FIRST_DAY=str(FIRST_DAY),
    )
    days = [str(day) for day in DAYS]
    try:
        servers.start_all()
        before, clicked = time.perf_counter(), time.time()
        ended = finished(servers, launch(servers, TABLES, days), seconds=3600)
        seen = time.perf_counter() - before
        gaps = {table: not_green(servers, table, days) for table in TABLES}
        alarms = ALARMS.findall(servers.log("daemon"))
    finally:
        servers.stop()
    with instance(settings) as opened:
        records = [opened.get_run_record_by_id(run["id"]) for run in ended["runs"]]
        events = Counter(
            event.dagster_event.event_type_value
            for run in ended["runs"]
            for event in opened.all_logs(run["id"])
            if event.dagster_event
        )
    begun, over = min(r.start_time for r in records), max(r.end_time for r in records)
    history = sum(file.stat().st_size for file in settings.history.rglob("*") if file.is_file())
    print(
        f"\n{len(days)} days: {seconds:.0f} s to compute; through the UI {len(records)} run(s),"
        f" begun after {begun - clicked:.0f} s, ended after {over - clicked:.0f} s,"
        f" told as over after {seen:.0f} s; {events.total()} events {dict(events)};"
        f" history {history / 1e6:.0f} MB"
    )
    assert ended["status"] == "COMPLETED_SUCCESS"
    assert len(records) == 1
    assert not any(gaps.values()), gaps
    assert alarms == []
    made, wanted = SnapshotStore(settings.store), SnapshotStore(alone.store)
    for table in TABLES.values():
        assert made.days(table) == wanted.days(table)
        for day in wanted.days(table):
            assert made.path(table, day).read_bytes() == wanted.path(table, day).read_bytes()
