"""Checks of days whose run ended before it came to them: evaluated then, or by the next run."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from logging import WARNING
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from dagster._core.errors import DagsterExecutionInterruptedError

from abintel_pipeline.contract import TABLES
from abintel_pipeline.orchestration.asset_page.checks import Checks
from abintel_pipeline.orchestration.assets import late_checks
from abintel_pipeline.orchestration.automation.jobs import JOB_NAME
from abintel_pipeline.orchestration.instance.history_postgres import KeptPostgresEventLog
from abintel_pipeline.orchestration.running import instance
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.orchestration.test_checks import CHECKS, events, run, statuses
from abintel_pipeline_tests.servers import postgres_server
from abintel_pipeline_tests.shop import Shop, day, days

pytestmark = pytest.mark.usefixtures("undrawn")

DAYS = [str(one) for one in days("2025-01-01", "2025-01-06")]
Told = dict[tuple[str, str, str], tuple[bool, str, dict[str, Any]]]


@pytest.fixture
def delivered(shop: Shop) -> Shop:
    """On the fourth day nothing is delivered, on the fifth a file without rows."""
    for place, on in enumerate(DAYS, 1):
        lines = [f"{n},T{on},{on},{n * place}.00,P{n}" for n in range(1, 8)]
        if place != 4:
            shop.deliver(on, *(lines if place != 5 else []))
    return shop


class Ended:
    """Ends a run at a day of a step, as it tells of its progress."""

    def __init__(self, step: str, on: str, how: type[BaseException]) -> None:
        self.step, self.on, self.how = step, on, how

    def __call__(self, step: str, made: date) -> None:
        if (step, str(made)) == (self.step, self.on):
            raise self.how


@contextmanager
def killed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody hears of the checks of a run that is killed."""
    with monkeypatch.context() as patch:
        patch.setattr(Checks, "evaluations", lambda *_, **__: iter(()))
        yield


def evaluations(result: Any) -> Told:
    """{(table, check, partition): what was found}"""
    found = [e.event_specific_data for e in events(result, "ASSET_CHECK_EVALUATION")]
    return {
        (one.asset_key.to_user_string(), one.check_name, one.partition): (
            one.passed,
            one.description,
            {name: value.value for name, value in one.metadata.items()},
        )
        for one in found
    }


def not_evaluated(shop: Shop, opened: dg.DagsterInstance) -> set[tuple[str, str, str]]:
    """(table, check, partition) of the six days that the UI shows neither green nor red."""
    states = statuses(shop, opened)
    return {
        (*check, on)
        for check in CHECKS
        for on in DAYS
        if not any(on in states[check].get(state, ()) for state in ("SUCCEEDED", "FAILED"))
    }


def as_made_at_once(shop: Shop) -> Told:
    """What a run over all days finds, in a history of its own."""
    with dg.DagsterInstance.ephemeral() as opened:
        return evaluations(run(shop, opened, DAYS[0], DAYS[-1]))


RFM = {
    ("customer_rfm", "verified"),
    ("customer_rfm", "tier_shares"),
    ("rfm_thresholds", "cohort_size"),
}


@pytest.mark.parametrize("how", [DagsterExecutionInterruptedError, KeyboardInterrupt])
def test_an_interrupted_run_evaluates_what_it_has_published(
    delivered: Shop, how: type[BaseException]
):
    with dg.DagsterInstance.ephemeral() as opened:
        result = run(
            delivered, opened, DAYS[0], DAYS[-1], progress=Ended("customer_rfm", DAYS[2], how)
        )
        assert not result.success
        assert not_evaluated(delivered, opened) == {
            (*check, on) for check in RFM for on in DAYS[3:]
        }
        assert opened.get_materialized_partitions(dg.AssetKey("customer_rfm")) == set(DAYS[:3])


def test_days_of_a_killed_run_are_evaluated_by_the_next_as_if_nothing_had_been(
    delivered: Shop, monkeypatch: pytest.MonkeyPatch
):
    expected = as_made_at_once(delivered)
    with dg.DagsterInstance.ephemeral() as opened:
        with killed(monkeypatch):
            end = Ended("customer_rfm", DAYS[2], KeyboardInterrupt)
            run(delivered, opened, DAYS[0], DAYS[-1], progress=end)
        assert len(not_evaluated(delivered, opened)) == len(CHECKS) * len(DAYS)
        result = run(delivered, opened, DAYS[3], DAYS[-1])
        assert result.success
        assert not_evaluated(delivered, opened) == set()
        made = {e.event_specific_data.materialization.partition
                for e in events(result, "ASSET_MATERIALIZATION")}  # fmt: skip
    assert made == set(DAYS[3:])
    found = evaluations(result)
    assert {place for place in found if place[2] < DAYS[3]} == {
        (*check, on) for check in CHECKS for on in DAYS[:3]
    }
    assert {place for place in expected if found[place] != expected[place]} == set()


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def history(
    request: pytest.FixtureRequest, settings: Settings, tmp_path: Path
) -> Iterator[dg.DagsterInstance]:
    with instance(settings) as opened:
        if request.param == "SQLite":
            yield opened
            return
        with postgres_server(tmp_path / "postgres") as url:
            opened.event_log_storage.dispose()
            storage = KeptPostgresEventLog.create_clean_storage(url)
            storage.register_instance(opened)
            opened._event_storage = storage
            yield opened
            storage.dispose()


@pytest.mark.live
def test_the_histories_on_disk_know_what_is_left_out(
    delivered: Shop, history: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    with killed(monkeypatch):
        run(delivered, history, DAYS[0], DAYS[1])
    assert run(delivered, history, DAYS[2], DAYS[-1]).success
    assert not_evaluated(delivered, history) == set()


def test_a_day_that_a_run_in_progress_is_to_evaluate_is_left_to_it_for_a_day(
    delivered: Shop, monkeypatch: pytest.MonkeyPatch
):
    """And no longer: a run whose machine was killed may stand as started for ever."""
    with dg.DagsterInstance.ephemeral() as opened:
        with killed(monkeypatch):
            run_id = run(delivered, opened, DAYS[0], DAYS[1]).run_id
        begins = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, JOB_NAME)
        opened.report_dagster_event(begins, run_id)
        assert run(delivered, opened, DAYS[2], DAYS[2]).success
        assert {on for *_, on in not_evaluated(delivered, opened)} == {*DAYS[:2], *DAYS[3:]}
        monkeypatch.setattr(late_checks, "LONGEST_RUN_SECONDS", -1)
        assert run(delivered, opened, DAYS[3], DAYS[3]).success
        assert {on for *_, on in not_evaluated(delivered, opened)} == {*DAYS[4:]}


def test_a_published_file_that_is_not_what_it_was_turns_red_and_costs_no_run(
    delivered: Shop, monkeypatch: pytest.MonkeyPatch
):
    """A customer of the first day is lost; what the second was made from is gone."""
    with dg.DagsterInstance.ephemeral() as opened:
        with killed(monkeypatch):
            run(delivered, opened, DAYS[0], DAYS[1])
        path = delivered.store.path(TABLES["customer_loyalty"], day(DAYS[0]))
        rows = pq.read_table(path)
        pq.write_table(rows[1:], path)
        delivered.store.path(TABLES["customer_features"], day(DAYS[1])).unlink()
        result = run(delivered, opened, DAYS[2], DAYS[2])
        assert result.success
        lacking = not_evaluated(delivered, opened)
        found = statuses(delivered, opened)
    assert found["customer_loyalty", "verified"]["FAILED"] == {DAYS[0]}
    told = evaluations(result)["customer_loyalty", "verified", DAYS[0]]
    assert told[1].startswith("same_customers: 1 are in customer_features, not")
    gone = {place for place in lacking if place[2] == DAYS[1]}  # can't be looked at without it
    assert {table for table, *_ in gone} == {
        "customer_features", "customer_loyalty", "loyalty_summary", "customer_rfm",
        "rfm_thresholds",
    }  # fmt: skip


def test_days_that_cannot_be_looked_at_cost_a_warning_and_no_run(
    delivered: Shop, monkeypatch: pytest.MonkeyPatch
):
    with dg.DagsterInstance.ephemeral() as opened:
        with killed(monkeypatch):
            run(delivered, opened, DAYS[0], DAYS[1])
        delivered.store.path(TABLES["customer_rfm"], day(DAYS[0])).write_bytes(b"torn")
        result = run(delivered, opened, DAYS[2], DAYS[2])
        assert result.success
        told = [e.message for e in opened.all_logs(result.run_id) if e.level == WARNING]
    assert ["could not be evaluated" in one for one in told] == [True]


def test_the_newest_days_that_are_left_out_come_first(
    delivered: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(late_checks, "MOST_DAYS", 2)
    with dg.DagsterInstance.ephemeral() as opened:
        with killed(monkeypatch):
            run(delivered, opened, DAYS[0], DAYS[4])
        for left in (DAYS[:3], DAYS[:1], []):
            assert run(delivered, opened, DAYS[5], DAYS[5]).success
            assert {on for *_, on in not_evaluated(delivered, opened)} == set(left)


def test_what_is_left_out_costs_as_many_queries_for_many_days_as_for_one(
    delivered: Shop, monkeypatch: pytest.MonkeyPatch
):
    """Of each step one per table with checks and one per check; Dagster adds one of its own."""
    asked: list[list[int]] = []
    found = late_checks.days_without_checks

    def counting(opened: dg.DagsterInstance, checks: Checks) -> Any:
        queries: list[str] = []

        def count(*arguments: Any) -> None:
            if "event_logs" in arguments[2] or "asset_check_executions" in arguments[2]:
                queries.append(arguments[2])

        sa.event.listen(sa.Engine, "before_cursor_execute", count)
        try:
            return found(opened, checks)
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", count)
            asked[-1].append(len(queries) - 1)

    monkeypatch.setattr(late_checks, "days_without_checks", counting)
    with dg.DagsterInstance.ephemeral() as opened:
        for start, end in ((DAYS[0], DAYS[0]), (DAYS[1], DAYS[-1]), (DAYS[-1], DAYS[-1])):
            asked.append([])
            assert run(delivered, opened, start, end).success
    assert [sorted(steps) for steps in asked] == [sorted([1 + 5, 1 + 2, 1 + 3, 2 + 3, 2 + 3])] * 3
