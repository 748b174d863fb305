"""The event logs that keep their connections: nothing is lost, whoever writes at the same time."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.event_log import SqliteEventLogStorage

from abintel_pipeline.orchestration.instance.history import KEPT, KeptSqliteEventLog
from abintel_pipeline.orchestration.instance.history_postgres import KeptPostgresEventLog
from abintel_pipeline.orchestration.running import instance, prepare_history
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.servers import postgres_server

EVENTS = 25
KEY = dg.AssetKey("counted")
WRITER = f"""
import sys
import dagster as dg
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    for number in range({EVENTS}):
        event = dg.AssetMaterialization("counted", partition=f"{{sys.argv[2]}}-{{number}}")
        instance.report_runless_asset_event(event)
"""


def report(opened: dg.DagsterInstance, writer: str) -> None:
    for number in range(EVENTS):
        event = dg.AssetMaterialization(KEY, partition=f"{writer}-{number}")
        opened.report_runless_asset_event(event)


def every_event(writers: list[str]) -> set[str]:
    return {f"{writer}-{number}" for writer in writers for number in range(EVENTS)}


@pytest.mark.live
def test_processes_and_threads_write_at_once_and_dagsters_own_class_reads_it(settings: Settings):
    with instance(settings) as opened:
        assert isinstance(opened.event_log_storage, KeptSqliteEventLog)
        home = prepare_history(settings)
        others = [
            subprocess.Popen([sys.executable, "-c", WRITER, home, f"process{number}"])
            for number in range(2)
        ]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: report(opened, f"thread{number}"), range(4)))
        assert [other.wait(120) for other in others] == [0, 0]
    own = SqliteEventLogStorage(str(Path(home) / "history" / "runs"))
    writers = ["process0", "process1", "thread0", "thread1", "thread2", "thread3"]
    assert own.get_materialized_partitions(KEY) == every_event(writers)


def test_only_so_many_databases_stay_open(settings: Settings):
    @dg.asset
    def one() -> None: ...

    with instance(settings) as opened:
        runs = [dg.materialize([one], instance=opened).run_id for _ in range(KEPT + 2)]
        storage = opened.event_log_storage
        assert isinstance(storage, KeptSqliteEventLog)
        assert len(storage._open) == KEPT
        assert all(opened.all_logs(run) for run in runs)
    assert storage._open == {}


@pytest.mark.parametrize(
    "module", ["abintel_pipeline.history", "abintel_pipeline.orchestration.instance.history"]
)
def test_a_home_of_an_earlier_version_is_brought_up_to_date(settings: Settings, module: str):
    home = Path(prepare_history(settings))
    now = (home / "dagster.yaml").read_text()
    events = json.dumps(str(home / "history" / "runs"))
    former = f"""telemetry:
  enabled: false
nux:
  enabled: false
event_log_storage:
  module: {module}
  class: KeptSqliteEventLog
  config:
    base_dir: {events}
"""
    (home / "dagster.yaml").write_text(former)
    with instance(settings) as opened:
        assert isinstance(opened.event_log_storage, KeptSqliteEventLog)
    assert (home / "dagster.yaml").read_text() == now


@pytest.mark.live
def test_a_process_that_is_killed_loses_no_event(settings: Settings):
    with instance(settings):
        pass
    home = prepare_history(settings)
    killed = f"{WRITER}    import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"
    assert subprocess.run([sys.executable, "-c", killed, home, "w"], check=False).returncode == -9
    with instance(settings) as opened:
        assert opened.get_materialized_partitions(KEY) == every_event(["w"])


@pytest.mark.live
def test_postgresql_may_be_restarted_under_a_connection_that_was_kept(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
):
    with postgres_server(tmp_path_factory.mktemp("postgres")) as url:
        (tmp_path / "dagster.yaml").write_text(
            "event_log_storage:\n"
            f"  module: {KeptPostgresEventLog.__module__}\n"
            f"  class: {KeptPostgresEventLog.__name__}\n"
            f"  config: {{postgres_url: '{url}'}}\n"
            "telemetry: {enabled: false}\n"
        )
        with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
            report(opened, "before")
            with sa.create_engine(url, poolclass=sa.NullPool).connect() as other:
                other.execute(
                    sa.text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                    )
                )
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda number: report(opened, f"thread{number}"), range(4)))
            writers = ["before", "thread0", "thread1", "thread2", "thread3"]
            assert opened.get_materialized_partitions(KEY) == every_event(writers)
