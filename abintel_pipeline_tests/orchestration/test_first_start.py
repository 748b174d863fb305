"""The first start: any number of processes may open a new history at once; a broken one is told."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from abintel_pipeline.cli.app import app
from abintel_pipeline.orchestration.errors import HistoryBroken
from abintel_pipeline.orchestration.instance.opening import opening
from abintel_pipeline.orchestration.running import instance, prepare_history
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.orchestration.first_start import failures, runs
from abintel_pipeline_tests.shop import Shop

DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def open_by_dagster(settings: Settings) -> None:
    """As a webserver, a daemon, a code server and `dagster dev` do."""
    with dg.DagsterInstance.from_config(str(settings.history)):
        pass


def open_here(settings: Settings) -> None:
    with instance(settings):
        pass


@pytest.mark.parametrize("how", [open_here, open_by_dagster])
def test_who_opens_a_new_history_waits_for_who_is_at_it(
    settings: Settings, how: Callable[[Settings], None]
):
    home = Path(prepare_history(settings))
    opened = threading.Thread(target=how, args=(settings,))
    with opening(home):
        opened.start()
        opened.join(1)
        assert opened.is_alive()
        assert not any((home / name).exists() for name in DATABASES)
    opened.join(60)
    assert all((home / name).is_file() for name in DATABASES)


@pytest.mark.live
def test_three_processes_may_open_a_new_history_at_once(tmp_path: Path):
    for number in range(3):
        assert failures(tmp_path / str(number), 3) == []
        assert runs(tmp_path / str(number)) == 3


@pytest.mark.live
def test_three_runs_may_be_the_first_at_once(shop: Shop):
    days = ["2025-01-01", "2025-01-02", "2025-01-03"]
    for day in days:
        shop.deliver(day, f"ann,T{day},{day},1.00,P")
    environment = os.environ | {
        "ABINTEL_DATA_DIR": str(shop.settings.data_dir),
        "ABINTEL_FIRST_DAY": days[0],
    }
    command = [sys.executable, "-m", "abintel_pipeline.cli", "run"]
    started = [
        subprocess.Popen([*command, day, "--only", "deliveries"], env=environment) for day in days
    ]
    assert [one.wait(300) for one in started] == [0, 0, 0]
    assert runs(shop.settings.data_dir) == 3


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 5, 20])
def test_any_number_of_processes_may_open_a_new_history_at_once(processes: int, tmp_path: Path):
    tries, began, failed = 50, time.monotonic(), 0
    for number in range(tries):
        failed += len(failures(tmp_path / str(number), processes))
        assert runs(tmp_path / str(number)) == processes
    seconds = time.monotonic() - began
    print(f"{processes} processes at once, {tries} tries: {failed} failed ({seconds:.0f} s)")
    assert failed == 0


# ── a broken history ─────────────────────────────────────────────────────────


def two_heads(home: Path) -> None:
    """As two first starts at once have left it, up to version 0.2."""
    with sqlite3.connect(home / DATABASES[0]) as runs_db:
        runs_db.execute("INSERT INTO alembic_version VALUES ('5771160a95ad')")


def without_a_table(name: str, table: str) -> Callable[[Path], None]:
    def drop(home: Path) -> None:
        with sqlite3.connect(home / name) as database:
            database.execute(f"DROP TABLE {table}")

    return drop


def overwritten(name: str) -> Callable[[Path], None]:
    return lambda home: (home / name).write_bytes(b"no database" * 1000)


def damaged(name: str) -> Callable[[Path], None]:
    """All of it but the first page, which says that it is a database."""

    def damage(home: Path) -> None:
        with sqlite3.connect(home / name) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole = (home / name).read_bytes()
        (home / name).write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))

    return damage


BREAK = {
    "two heads": two_heads,
    "no runs": without_a_table(DATABASES[0], "runs"),
    "no assets": without_a_table(DATABASES[1], "asset_keys"),
    **{f"{name} overwritten": overwritten(name) for name in DATABASES},
    **{f"{name} damaged": damaged(name) for name in DATABASES},
}


@pytest.mark.parametrize("how", BREAK)
def test_a_broken_history_is_told_with_its_folder_and_how_to_mend_it(how: str, settings: Settings):
    open_here(settings)
    home = settings.history.resolve()
    BREAK[how](home)
    with pytest.raises(HistoryBroken) as told, instance(settings):
        pass
    text = str(told.value)
    assert text.startswith(f"Dagster's history in {home} is broken (")
    assert f"move the folders {home / 'history'} and {home / 'schedules'} away" in text
    (home / "history").rename(home / "history.broken")
    (home / "schedules").rename(home / "schedules.broken")
    open_here(settings)


def test_the_command_line_says_it_in_a_sentence_and_published_tables_stay(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, undrawn: None
):
    shop.deliver("2025-01-01", "ann,T,2025-01-01,1.00,P")
    monkeypatch.setenv("ABINTEL_DATA_DIR", str(shop.settings.data_dir))
    monkeypatch.setenv("ABINTEL_FIRST_DAY", "2025-01-01")
    command = ["run", "2025-01-01", "--only", "deliveries"]
    assert CliRunner().invoke(app, command).exit_code == 0
    two_heads(shop.settings.history)
    broken = CliRunner().invoke(app, command)
    assert broken.exit_code == 1
    assert "is broken (Version table 'alembic_version' has more than one head" in broken.stderr
    assert "Published tables are not in them and stay" in broken.stderr
    assert len(shop.read("raw_transactions", "2025-01-01")) == 1


def test_a_database_that_is_in_use_is_not_called_broken(settings: Settings):
    locked = sqlite3.OperationalError("database is locked")
    locked.sqlite_errorcode = sqlite3.SQLITE_BUSY
    with pytest.raises(sa.exc.OperationalError), opening(settings.history):
        raise sa.exc.OperationalError("SELECT", {}, locked)


# ── its configuration ────────────────────────────────────────────────────────


def test_a_history_that_was_moved_stays_one(settings: Settings, tmp_path: Path):
    open_here(settings)
    moved = settings.model_copy(update={"data_dir": tmp_path / "moved"})
    settings.data_dir.rename(moved.data_dir)
    open_here(moved)
    assert not settings.data_dir.exists()


def test_what_somebody_added_to_the_configuration_stays(settings: Settings):
    config = Path(prepare_history(settings)) / "dagster.yaml"
    added = "run_coordinator:\n  module: dagster\n  class: QueuedRunCoordinator\n"
    config.write_text(config.read_text() + added)
    before = config.read_text()
    open_here(settings)
    assert config.read_text() == before
