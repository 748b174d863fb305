"""The night: the schedule at instants in several time zones, and the check of a missed night."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from abintel_pipeline.contract import TABLES
from abintel_pipeline.definitions import build_defs
from abintel_pipeline.orchestration.automation.jobs import JOB_NAME, SCHEDULE_NAME
from abintel_pipeline.orchestration.automation.missed_night import (
    CHECK_NAME,
    MISSED_NIGHT_JOB,
    expected_day,
    missed_night_check,
    night_result,
)
from abintel_pipeline.orchestration.naming import Names
from abintel_pipeline.orchestration.partitions import daily_partitions, newest_day
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.shop import Shop, day

pytestmark = pytest.mark.usefixtures("undrawn")

RFM = dg.AssetKey("customer_rfm")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def in_zone(tmp_path: Path, timezone: str, **changes: object) -> Settings:
    """Settings whose lines come from a database, so that no landing folder is looked into."""
    return Settings(
        data_dir=tmp_path,
        first_day="2015-01-01",
        timezone=timezone,
        sql_url="sqlite://",
        transactions_query="SELECT :start, :end",
        **changes,
    )


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home"))) as opened:
        yield opened


def tick(settings: Settings, at: datetime, instance: dg.DagsterInstance) -> dg.RunRequest | str:
    """What the nightly schedule asks for at that instant, or why it asks for nothing."""
    defs = build_defs(settings)
    context = dg.build_schedule_context(
        instance, scheduled_execution_time=at, repository_def=defs.get_repository_def()
    )
    result = defs.resolve_schedule_def(SCHEDULE_NAME).evaluate_tick(context)
    return result.run_requests[0] if result.run_requests else str(result.skip_message)


@pytest.mark.parametrize(
    ("timezone", "hour", "ticks"),
    [
        # Clocks go from 02:00 to 03:00 on 30 March, and from 03:00 to 02:00 on 26 October.
        ("Europe/Berlin", 2, {"2025-03-29T01:00": "28", "2025-03-30T01:00": "29"}),
        ("Europe/Berlin", 2, {"2025-03-30T01:00": "29", "2025-03-31T00:00": "30"}),
        ("Europe/Berlin", 2, {"2025-10-25T00:00": "24", "2025-10-26T01:00": "25"}),
        ("Europe/Berlin", 2, {"2025-10-26T01:00": "25", "2025-10-27T01:00": "26"}),
        # From 02:00 to 03:00 on 9 March, from 02:00 to 01:00 on 2 November.
        ("America/New_York", 2, {"2025-03-08T07:00": "07", "2025-03-09T07:00": "08"}),
        ("America/New_York", 2, {"2025-03-10T06:00": "09", "2025-03-11T06:00": "10"}),
        ("America/New_York", 2, {"2025-11-01T06:00": "31", "2025-11-02T07:00": "01"}),
        # By half an hour: from 02:00 to 02:30 on 5 October, from 02:00 to 01:30 on 6 April.
        ("Australia/Lord_Howe", 2, {"2025-10-03T15:30": "03", "2025-10-04T15:30": "04"}),
        ("Australia/Lord_Howe", 2, {"2025-10-05T15:00": "05", "2025-10-06T15:00": "06"}),
        ("Australia/Lord_Howe", 2, {"2025-04-04T15:00": "04", "2025-04-05T15:30": "05"}),
        # From midnight to 01:00 on 4 November 2018: that day had no midnight.
        ("America/Sao_Paulo", 0, {"2018-11-04T03:00": "03", "2018-11-05T02:00": "04"}),
    ],
)
def test_every_night_makes_the_day_that_has_ended_once_when_clocks_change_too(
    tmp_path: Path, instance: dg.DagsterInstance, timezone: str, hour: int, ticks: dict[str, str]
):
    settings = in_zone(tmp_path, timezone, nightly_hour=hour)
    schedule = build_defs(settings).resolve_schedule_def(SCHEDULE_NAME)
    assert schedule.execution_timezone == timezone
    expected = [utc(text) for text in ticks]
    instants = schedule_execution_time_iterator(
        expected[0].timestamp(), str(schedule.cron_schedule), timezone
    )
    assert [at.astimezone(UTC) for at in islice(instants, len(ticks))] == expected
    for at, number in zip(expected, ticks.values(), strict=True):
        request = tick(settings, at, instance)
        assert isinstance(request, dg.RunRequest)
        assert str(request.partition_key).endswith(f"-{number}")
        # The newest partition there is at that moment, as Dagster and as the sensor count.
        assert request.partition_key == daily_partitions(settings).get_partition_keys(at)[-1]
        assert request.partition_key == newest_day(settings, at).isoformat()


def test_schedules_and_sensor_are_off_unless_settings_turn_them_on(settings: Settings):
    for automatic, status in ((False, "STOPPED"), (True, "RUNNING")):
        defs = build_defs(settings.model_copy(update={"automatic": automatic}))
        found = {one.name: one.default_status.value for one in (*defs.schedules, *defs.sensors)}
        assert found == {
            "nightly_customer_snapshots": status,
            "missed_night": status,
            "weekly_verification": status,
            "deliveries_in_the_landing_folder": status,
        }


def test_the_night_is_left_out_where_there_is_nothing_to_make(
    shop: Shop, instance: dg.DagsterInstance
):
    at = utc("2025-03-02T02:00")
    assert (
        tick(shop.settings, at, instance)
        == "nothing was delivered in the 540 days up to 2025-03-01"
    )
    assert tick(shop.settings, utc("2025-01-01T02:00"), instance) == (
        "2024-12-31 is before the first day 2025-01-01"
    )
    shop.deliver("2025-01-05", "001,T1,2025-01-05,1.00,P1")
    request = tick(shop.settings, at, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == "2025-03-01"


def test_the_night_is_left_out_when_its_snapshot_was_made_from_all_its_files(
    shop: Shop, instance: dg.DagsterInstance
):
    shop.deliver("2025-03-01", "001,T1,2025-03-01,1.00,P1")
    job = build_defs(shop.settings).resolve_job_def(JOB_NAME)
    made = job.execute_in_process(instance=instance, partition_key="2025-03-01")
    assert tick(shop.settings, utc("2025-03-02T02:00"), instance) == (
        f"run {made.run_id} makes 2025-03-01 from everything that has been delivered for it"
    )
    shop.deliver("2025-03-01", "001,T1,2025-03-01,2.00,P1")
    assert isinstance(tick(shop.settings, utc("2025-03-02T02:00"), instance), dg.RunRequest)


@pytest.mark.parametrize(
    ("timezone", "now", "expected"),
    [
        ("Europe/Berlin", "2025-03-30T03:59", "2025-03-28"),  # 05:59, clocks forward at 02:00
        ("Europe/Berlin", "2025-03-30T04:00", "2025-03-29"),  # 06:00
        ("Europe/Berlin", "2025-10-26T04:59", "2025-10-24"),  # 05:59, clocks back at 03:00
        ("Europe/Berlin", "2025-10-26T05:00", "2025-10-25"),
        ("America/New_York", "2025-03-09T10:00", "2025-03-08"),  # 06:00 EDT
        ("Australia/Lord_Howe", "2025-10-04T18:59", "2025-10-03"),  # 05:59 of the 5th
        ("Australia/Lord_Howe", "2025-10-04T19:00", "2025-10-04"),
    ],
)
def test_a_snapshot_is_expected_from_the_hour_on_the_wall(
    tmp_path: Path, timezone: str, now: str, expected: str
):
    assert expected_day(in_zone(tmp_path, timezone), utc(now)) == day(expected)


def test_a_missed_night_fails_and_a_backfill_of_older_days_does_not_hide_it(shop: Shop):
    for on in ("2025-03-01", "2025-03-02"):
        shop.deliver(on, f"001,T{on},{on},1.00,P1")
        shop.take_in(on)
    shop.snapshot("2025-03-01")
    assert night_result(shop.settings, utc("2025-03-03T05:59")).passed
    missed = night_result(shop.settings, utc("2025-03-03T06:00"))
    assert not missed.passed
    assert missed.description == (
        "the snapshot of 2025-03-02 is missing; the newest is that of 2025-03-01"
    )
    assert {name: value.value for name, value in missed.metadata.items()} == {
        "expected": "2025-03-02",
        "newest": "2025-03-01",
        "days_behind": 1,
    }
    shop.snapshot("2025-03-01")
    assert not night_result(shop.settings, utc("2025-03-03T07:00")).passed
    shop.snapshot("2025-03-02")
    assert night_result(shop.settings, utc("2025-03-03T07:00")).passed


def test_nothing_is_expected_where_nothing_was_delivered(settings: Settings):
    result = night_result(settings, utc("2025-03-03T06:00"))
    assert result.passed
    assert result.description == (
        "the snapshot of 2025-03-02 is missing, and not due: nothing was delivered to make it from"
    )


def test_the_check_turns_red_by_its_own_schedule_and_green_with_the_snapshot(shop: Shop):
    """Evaluated at a fixed instant in real runs: those of the schedule's job and of the chain's."""
    shop.deliver("2025-03-01", "001,T1,2025-03-01,1.00,P1")
    settings, names = shop.settings, Names()
    base = build_defs(settings)
    check = missed_night_check(settings, names, lambda: utc("2025-03-02T06:00"))
    defs = dg.Definitions(
        assets=base.assets,
        asset_checks=[check],
        jobs=base.jobs,
        schedules=base.schedules,
        resources=base.resources,
    )
    schedule = defs.resolve_schedule_def("missed_night")
    assert (schedule.cron_schedule, schedule.job_name) == ("0 6 * * *", MISSED_NIGHT_JOB)
    with dg.DagsterInstance.ephemeral() as instance:

        def seen(job: str, **options: str) -> bool:
            result = defs.resolve_job_def(job).execute_in_process(instance=instance, **options)
            (found,) = [
                e for e in result.get_asset_check_evaluations() if e.check_name == CHECK_NAME
            ]
            assert found.asset_key == RFM
            return found.passed

        assert not seen(MISSED_NIGHT_JOB)
        assert seen(JOB_NAME, partition_key="2025-03-01")
        assert seen(MISSED_NIGHT_JOB)
    assert shop.store.days(TABLES["customer_rfm"]) == [day("2025-03-01")]


def test_a_hole_of_the_last_days_stays_red_until_it_is_filled(shop: Shop):
    for number in (1, 2, 4, 5):
        on = f"2025-03-0{number}"
        shop.deliver(on, f"001,T{on},{on},1.00,P1")
        shop.take_in(on)
    for on in ("2025-03-02", "2025-03-05"):
        shop.snapshot(on)
    holed = night_result(shop.settings, utc("2025-03-06T06:00"))
    assert not holed.passed
    # The 1st is before the first snapshot; nothing came on the 3rd, yet its window holds the 2nd.
    assert holed.description == (
        "the snapshot of 2025-03-05 is there; missing before it: 2025-03-03, 2025-03-04"
    )
    assert holed.metadata["holes"].value == 2
    only_the_day_before = shop.settings.model_copy(update={"late_days": 1})
    assert night_result(only_the_day_before, utc("2025-03-06T06:00")).description == (
        "the snapshot of 2025-03-05 is there; missing before it: 2025-03-04"
    )
    shop.snapshot("2025-03-03")
    shop.snapshot("2025-03-04")
    assert night_result(shop.settings, utc("2025-03-06T06:00")).passed


@pytest.mark.parametrize("expected", [1, 2])
def test_a_snapshot_cannot_be_expected_before_it_is_made(tmp_path: Path, expected: int):
    with pytest.raises(
        ValueError,
        match=f"snapshot_deadline_hour {expected} must be later in the day than nightly_hour 2",
    ):
        in_zone(tmp_path, "UTC", nightly_hour=2, snapshot_deadline_hour=expected)
    assert (
        in_zone(tmp_path, "UTC", nightly_hour=2, snapshot_deadline_hour=3).snapshot_deadline_hour
        == 3
    )
