"""What is tried again, and what never is: by a step, and by Dagster's retries of whole runs."""

import errno
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from abintel_pipeline.definitions import build_defs
from abintel_pipeline.orchestration.automation import retries
from abintel_pipeline.orchestration.automation.jobs import JOB_NAME
from abintel_pipeline.orchestration.errors import RunFailed
from abintel_pipeline.orchestration.running import QUIET, run_days
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import SnapshotStore
from abintel_pipeline_tests.shop import Shop, day

pytestmark = pytest.mark.usefixtures("undrawn")

DAY = "2025-01-03"
LINES = "SELECT * FROM lines WHERE date >= :start AND date < :end"
RETRIES_ON = "run_retries:\n  enabled: true\n  max_retries: 2\ntelemetry:\n  enabled: false\n"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """One that starts failed runs again, as far as their tags allow it."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(RETRIES_ON)
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def run(settings: Settings, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = build_defs(settings).resolve_job_def(JOB_NAME)
    return job.execute_in_process(
        instance=instance, partition_key=DAY, run_config=QUIET, raise_on_error=False
    )


def retried(result: dg.ExecuteInProcessResult) -> list[str]:
    return [event.step_key or "" for event in result.all_events if event.is_step_up_for_retry]


def on_wait(monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Something happens while a step waits for its next try, and the wait is over."""

    def waited(_: int) -> float:
        then()
        return 0.0

    monkeypatch.setattr(retries, "wait_seconds", waited)


def test_a_locked_database_is_asked_again(
    settings: Settings,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path, isolation_level=None) as lock:
        lock.execute("CREATE TABLE lines (customer_id, transaction_id, date, amount, product_id)")
        lock.execute("INSERT INTO lines VALUES ('001', 'T1', '2025-01-03', 5, 'P1')")
        lock.execute("BEGIN EXCLUSIVE")
        on_wait(monkeypatch, lambda: lock.in_transaction and lock.execute("COMMIT"))
        source = {"sql_url": f"sqlite:///{path}?timeout=0", "transactions_query": LINES}
        locked = Settings(**(settings.model_dump(exclude_unset=True) | source))
        result = run(locked, instance)
    assert result.success
    assert retried(result) == ["raw_transactions"]
    with Shop.open(locked) as shop:
        assert shop.read("customer_rfm", DAY).monetary_total.tolist() == [5.0]


def test_a_full_disk_is_tried_again_three_times_and_then_told_in_its_own_words(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    full = OSError(errno.ENOSPC, "No space left on device")
    tries: list[int] = []

    def publish(*_: Any, **__: Any) -> None:
        tries.append(1)
        raise full

    monkeypatch.setattr(SnapshotStore, "publish", publish)
    on_wait(monkeypatch, lambda: None)
    shop.deliver(DAY, f"001,T1,{DAY},1.00,P1")
    with pytest.raises(RunFailed, match=r"raw_transactions: .*No space left on device"):
        run_days(shop.settings, day(DAY), day(DAY))
    assert len(tries) == 1 + retries.MOST_RETRIES


@pytest.mark.parametrize("amount", ["abc", "1e309"])
def test_rejected_data_is_never_tried_again_not_by_its_run_either(
    shop: Shop, instance: dg.DagsterInstance, amount: str
):
    shop.deliver(DAY, f"001,T1,{DAY},{amount},P1")
    result = run(shop.settings, instance)
    assert not result.success
    assert retried(result) == []
    failed = instance.get_run_by_id(result.run_id)
    assert failed is not None
    assert failed.tags["dagster/will_retry"] == "false"


def test_a_run_that_was_lost_is_started_again(shop: Shop, instance: dg.DagsterInstance):
    job = build_defs(shop.settings).resolve_job_def(JOB_NAME)
    lost = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=job.tags)
    instance.report_run_failed(lost)
    failed = instance.get_run_by_id(lost.run_id)
    assert failed is not None
    assert failed.tags["dagster/will_retry"] == "true"


def test_a_defect_is_not_tried_again(
    shop: Shop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    def publish(*_: Any, **__: Any) -> None:
        raise TypeError("a defect")

    monkeypatch.setattr(SnapshotStore, "publish", publish)
    shop.deliver(DAY, f"001,T1,{DAY},1.00,P1")
    assert retried(run(shop.settings, instance)) == []


def test_waits_grow_and_differ(monkeypatch: pytest.MonkeyPatch):
    for factor, waits in ((0.75, [7.5, 22.5, 67.5]), (1.25, [12.5, 37.5, 112.5])):
        monkeypatch.setattr("random.uniform", lambda *_, factor=factor: factor)
        assert [retries.wait_seconds(tries) for tries in range(3)] == waits
