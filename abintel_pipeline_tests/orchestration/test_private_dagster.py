"""What is borrowed from Dagster's private modules, and that Dagster has not changed it.

When one of these fails after an upgrade, its message says what is lost. The module in
`orchestration/private_dagster` that it names is the place to mend it.
"""

import ast
import inspect
import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

import abintel_pipeline
from abintel_pipeline.orchestration import private_dagster
from abintel_pipeline.orchestration.instance.history import KeptSqliteEventLog, KeptSqliteStorage

PACKAGE = Path(abintel_pipeline.__file__).parent
BORROWINGS = {
    path.stem: path
    for path in Path(private_dagster.__file__).parent.glob("*.py")
    if path.stem != "__init__"
}
PRIVATE = re.compile(
    r"^\s*(?:from|import)\s+dagster(?:_\w+)?(?:\.\w+)*?(?:\._\w+|\s+import\s+_)|\bdagster_shared\b",
    re.MULTILINE,
)
DAYS = ["2025-01-01", "2025-01-02"]
KEY = dg.AssetKey("scores")
CHECK = dg.AssetCheckKey(KEY, "verified")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    BY_DAY = dg.DailyPartitionsDefinition(DAYS[0])
    SPEC = dg.AssetCheckSpec("verified", asset=KEY, partitions_def=BY_DAY)


def docstring(name: str) -> str:
    return ast.get_docstring(ast.parse(BORROWINGS[name].read_text())) or ""


@contextmanager
def borrowed(name: str) -> Iterator[None]:
    """Whatever goes wrong inside, the failure says what the pipeline loses."""
    try:
        yield
    except Exception as changed:
        lost = docstring(name).partition("Without it: ")[2]
        raise AssertionError(f"Dagster changed what {name} borrows. Lost: {lost}") from changed


def test_no_other_module_imports_what_is_private_to_dagster():
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if PRIVATE.search(path.read_text()) and path not in BORROWINGS.values()
    }
    assert found == set()


@pytest.mark.parametrize(
    ("line", "private"),
    [
        ("from dagster._core.errors import DagsterError", True),
        ("    import dagster._core.errors as errors", True),
        ("from dagster import _core", True),
        ("from dagster.components._x import y", True),
        ("from dagster_postgres._utils import y", True),
        ("from dagster_shared.serdes import deserialize_value", True),
        ("import dagster as dg", False),
        ("from dagster import asset", False),
        ("from dagster_postgres.utils import create_pg_engine", False),
    ],
)
def test_the_search_knows_private_from_public(line: str, private: bool):
    assert bool(PRIVATE.search(line)) is private


@pytest.mark.parametrize("name", BORROWINGS)
def test_each_borrowing_says_what_why_what_upstream_says_and_what_is_lost(name: str):
    for part in ("Borrowed: ", "Why: ", "pstream", "Without it: "):
        assert part in docstring(name)
    assert f"`{name}`" in (private_dagster.__doc__ or "")


def test_a_change_is_told_with_what_is_lost():
    lost = "Lost: two materializations per day"
    with pytest.raises(AssertionError, match=lost), borrowed("finished_outputs"):
        raise TypeError("no such argument")


def materializations(instance: dg.DagsterInstance) -> list[str | None]:
    records = instance.fetch_materializations(KEY, limit=100).records
    return sorted(str(record.partition_key) for record in records)


@pytest.mark.parametrize("borrowing", [True, False])
def test_a_finished_output_logs_no_materialization_and_lets_the_next_step_begin(borrowing: bool):
    """Without the borrowing every day has two: when that ends, the borrowing can go."""
    begun: list[str] = []
    with borrowed("finished_outputs"), dg.DagsterInstance.ephemeral() as instance:
        from abintel_pipeline.orchestration.private_dagster.finished_outputs import finished_output

        @dg.multi_asset(
            specs=[dg.AssetSpec(KEY)],
            partitions_def=BY_DAY,
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def scores(context: dg.AssetExecutionContext):
            for day in context.partition_keys:
                yield dg.AssetMaterialization(KEY, partition=day)
            yield finished_output(KEY) if borrowing else dg.MaterializeResult(asset_key=KEY)

        @dg.asset(deps=[KEY], partitions_def=BY_DAY, backfill_policy=dg.BackfillPolicy.single_run())
        def after() -> None:
            begun.append("after")

        tags = {
            "dagster/asset_partition_range_start": DAYS[0],
            "dagster/asset_partition_range_end": DAYS[-1],
        }
        assert dg.materialize([scores, after], instance=instance, tags=tags).success
        assert begun == ["after"]
        assert materializations(instance) == sorted(DAYS * (1 if borrowing else 2))


def materialize(instance: dg.DagsterInstance, day: str, version: int) -> None:
    event = dg.AssetMaterialization(KEY, partition=day, metadata={"version": version})
    instance.report_runless_asset_event(event)


def evaluate(instance: dg.DagsterInstance, day: str, **target: object) -> None:
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(KEY, "verified", passed=True, partition=day, **target)
    )


def test_an_evaluation_that_points_at_the_newest_materialization_is_current_and_no_other():
    with borrowed("check_targets"), dg.DagsterInstance.ephemeral() as instance:
        from abintel_pipeline.orchestration.private_dagster.check_states import check_states
        from abintel_pipeline.orchestration.private_dagster.check_targets import (
            CheckTarget,
            newest_materializations,
            targets,
        )

        assert set(CheckTarget.__annotations__) == {"storage_id", "run_id", "timestamp"}
        days = [date.fromisoformat(day) for day in DAYS]
        assert targets(instance, KEY, days) == {}
        materialize(instance, DAYS[0], 1)
        materialize(instance, DAYS[0], 2)
        found = newest_materializations(instance, KEY, days)
        assert list(found) == [days[0]]
        assert found[days[0]].asset_materialization.metadata["version"].value == 2
        target = targets(instance, KEY, days)
        assert {day: one.storage_id for day, one in target.items()} == {
            days[0]: found[days[0]].storage_id
        }

        def current() -> set[str | None]:
            return {one.partition_key for one in check_states(instance, [CHECK]) if one.is_current}

        materialize(instance, DAYS[1], 1)
        evaluate(instance, DAYS[0], target_materialization_data=target[days[0]])
        evaluate(instance, DAYS[1])
        assert current() == {DAYS[0]}
        materialize(instance, DAYS[0], 3)
        assert current() == set()


def test_the_check_of_a_run_that_ended_before_it_is_planned_by_that_run():
    with borrowed("check_states"), dg.DagsterInstance.ephemeral() as instance:
        from abintel_pipeline.orchestration.private_dagster.check_states import (
            CheckStatus,
            check_states,
            materialized_days,
        )

        @dg.multi_asset(specs=[dg.AssetSpec(KEY)], check_specs=[SPEC], partitions_def=BY_DAY)
        def scores():
            yield dg.AssetMaterialization(KEY, partition=DAYS[0])
            raise KeyboardInterrupt

        result = dg.materialize(
            [scores], instance=instance, partition_key=DAYS[0], raise_on_error=False
        )
        (state,) = check_states(instance, [CHECK])
        assert state.latest_execution_status is CheckStatus.PLANNED
        assert (state.check_key, state.partition_key) == (CHECK, DAYS[0])
        assert state.latest_planned_run_id == result.run_id
        assert set(materialized_days(instance, KEY)) == {DAYS[0]}
        evaluate(instance, DAYS[0])
        (state,) = check_states(instance, [CHECK])
        assert state.latest_execution_status is not CheckStatus.PLANNED


def test_dagsters_sqlite_event_log_connects_where_we_hold_the_connection(tmp_path: Path):
    """Every database, by its shard, under the lock, its tables made by `_initdb`."""
    connected: list[str] = []
    with borrowed("event_logs"):
        from abintel_pipeline.orchestration.private_dagster.event_logs import SqliteEventLogStorage

        class Recording(SqliteEventLogStorage):
            @contextmanager
            def _connect(self, shard: str) -> Iterator[sa.Connection]:
                connected.append(shard)
                with super()._connect(shard) as connection:
                    assert self._db_lock.locked()
                    yield connection

        assert list(inspect.signature(SqliteEventLogStorage).parameters) == [
            "base_dir", "inst_data",
        ]  # fmt: skip
        storage = Recording(str(tmp_path))
        assert storage.conn_string_for_shard("a").startswith("sqlite:///")
        storage.get_logs_for_run("a")
        assert storage.get_materialized_partitions(KEY) == set()
        assert {"a", "index"} <= set(connected)
        assert "a" in storage._initialized_dbs
        engine = sa.create_engine(storage.conn_string_for_shard("b"))
        storage._initdb(engine)
        assert "event_logs" in sa.inspect(engine).get_table_names()
        engine.dispose()


def test_dagsters_postgresql_event_log_connects_with_the_engine_that_we_replace():
    with borrowed("event_logs"):
        from dagster_postgres import PostgresEventLogStorage

        storage = object.__new__(PostgresEventLogStorage)
        storage._engine = sa.create_engine("sqlite://")
        with storage._connect() as connection:
            assert connection.engine is storage._engine


class CodeServer:
    """Answers as Dagster's code server does, or not at all."""

    def __init__(self, runs: list[str] | None) -> None:
        self.runs = runs

    def get_current_runs(self) -> str:
        from dagster._core.errors import DagsterUserCodeUnreachableError
        from dagster._grpc.types import GetCurrentRunsResult

        if self.runs is None:
            raise DagsterUserCodeUnreachableError("no answer")
        answer = GetCurrentRunsResult(current_runs=self.runs, serializable_error_info=None)
        return dg.serialize_value(answer)


def test_a_launcher_can_ask_a_code_server_for_its_runs(monkeypatch: pytest.MonkeyPatch):
    with borrowed("run_health"):
        from dagster._grpc.client import DagsterGrpcClient

        from abintel_pipeline.orchestration.private_dagster.run_health import runs_of_code_server

        asked = dg.DefaultRunLauncher._get_grpc_client_for_termination
        assert list(inspect.signature(asked).parameters) == ["self", "run_id"]
        assert list(inspect.signature(DagsterGrpcClient.get_current_runs).parameters) == ["self"]
        launcher = dg.DefaultRunLauncher()
        for server, runs in (
            (CodeServer(["a", "b"]), ["a", "b"]),
            (CodeServer([]), []),
            (CodeServer(None), None),
            (None, None),
        ):
            monkeypatch.setattr(
                launcher, "_get_grpc_client_for_termination", lambda _, server=server: server
            )
            assert runs_of_code_server(launcher, "a") == runs


def test_dagster_finds_the_code_server_of_a_run_and_one_that_is_gone_is_no_answer():
    with borrowed("run_health"), dg.DagsterInstance.ephemeral() as instance:
        from abintel_pipeline.orchestration.private_dagster.run_health import runs_of_code_server

        @dg.job
        def nothing() -> None: ...

        launcher = dg.DefaultRunLauncher()
        launcher.register_instance(instance)
        unasked = instance.create_run_for_job(nothing)
        assert launcher._get_grpc_client_for_termination(unasked.run_id) is None
        place = json.dumps({"host": "127.0.0.1", "port": 1})
        run = instance.create_run_for_job(nothing, tags={".dagster/grpc_info": place})
        assert launcher._get_grpc_client_for_termination(run.run_id) is not None
        assert runs_of_code_server(launcher, run.run_id) is None


def test_run_monitoring_asks_launchers_and_dagsters_own_cannot_answer():
    """When Dagster's own launcher can, ours can go."""
    with borrowed("run_health"):
        from dagster._core.launcher import RunLauncher

        from abintel_pipeline.orchestration.instance.launching import WatchedRunLauncher
        from abintel_pipeline.orchestration.private_dagster.run_health import (
            CheckRunHealthResult,
            WorkerStatus,
        )

        assert list(inspect.signature(RunLauncher.check_run_worker_health).parameters) == [
            "self", "run",
        ]  # fmt: skip
        assert not dg.DefaultRunLauncher().supports_check_run_worker_health
        assert WatchedRunLauncher().supports_check_run_worker_health
        answer = CheckRunHealthResult(WorkerStatus.FAILED, "gone")
        assert (answer.status, answer.msg) == (WorkerStatus.FAILED, "gone")
        assert WorkerStatus.RUNNING is not WorkerStatus.FAILED


def test_the_databases_of_a_history_are_opened_by_a_class_that_the_configuration_names(
    tmp_path: Path,
):
    config = f"""storage:
  custom:
    module: {KeptSqliteStorage.__module__}
    class: {KeptSqliteStorage.__name__}
    config: {{base_dir: "{tmp_path}"}}
telemetry: {{enabled: false}}
"""
    (tmp_path / "dagster.yaml").write_text(config)
    with borrowed("sqlite_storage"), dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.event_log_storage, KeptSqliteEventLog)
        ref = instance.get_ref()
        assert instance.get_runs_count() == 0
    with borrowed("sqlite_storage"), dg.DagsterInstance.from_ref(ref) as instance:
        assert isinstance(instance.event_log_storage, KeptSqliteEventLog)
    assert {path.name for path in tmp_path.rglob("*.db")} == {
        "runs.db",
        "index.db",
        "schedules.db",
    }
