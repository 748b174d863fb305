"""SIGTERM and Ctrl-C are answered in the first moments as they are later."""

import json
import os
import signal
import subprocess
import sys
import threading
import tomllib
from datetime import date
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from abintel_pipeline.cli.app import app, loaded
from abintel_pipeline.cli.commands import COMMANDS
from abintel_pipeline.cli.console import told_settings
from abintel_pipeline.cli.stopping import SAID, interruptible
from abintel_pipeline.contract import CUSTOMER_RFM, RAW_TRANSACTIONS
from abintel_pipeline_tests.servers import ROOT, eventually
from abintel_pipeline_tests.shop import Shop

ABINTEL = [sys.executable, "-m", "abintel_pipeline.cli"]
RUN = ("run", "2025-01-01")
HANGS = """
import sys, time
print("importing", file=sys.stderr, flush=True)
while True:
    try:
        time.sleep(600)
    except BaseException:
        pass  # as an extension module that takes every error for its own
"""


def hanging(folder: Path, library: str, *words: str) -> subprocess.Popen[str]:
    """A command that never gets over the import of a library, and is at it now."""
    (folder / f"{library}.py").write_text(HANGS)
    path = os.pathsep.join([str(folder), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": path, "ABINTEL_DATA_DIR": str(folder / "data")}
    process = subprocess.Popen(
        [*ABINTEL, *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "importing\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("library", "words", "code", "said"),
    [
        ("typer", RUN, 130, f"{SAID}\n"),
        ("duckdb", RUN, 130, f"{SAID}\n"),
        ("dagster", RUN, 130, f"{SAID}\n"),
        ("ibis", ("show", "2025-01-01"), 130, f"{SAID}\n"),
        ("dagster", ("ui",), 0, ""),
        ("uvicorn", ("serve", "--insecure"), 0, ""),
    ],
)
def test_a_command_that_is_still_importing_ends_as_it_would_later(
    tmp_path: Path, library: str, words: tuple[str, ...], code: int, said: str, number: int
):
    with hanging(tmp_path, library, *words) as process:
        process.send_signal(number)
        try:
            assert process.communicate(timeout=60)[1] == said
        finally:
            process.kill()
    assert process.returncode == code


@pytest.mark.live
def test_a_run_that_is_at_work_says_the_same(shop: Shop):
    days = [f"2025-01-{number:02}" for number in range(1, 31)]
    for day in days:
        shop.deliver(day, f"ann,T{day},{day},1.00,P")
    environment = os.environ | {
        "ABINTEL_DATA_DIR": str(shop.settings.data_dir),
        "ABINTEL_FIRST_DAY": days[0],
    }
    command = [*ABINTEL, "run", days[0], days[-1]]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        eventually(lambda: shop.store.days(RAW_TRANSACTIONS))
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=120)[1] == f"{SAID}\n"
    assert process.returncode == 130
    assert shop.store.days(RAW_TRANSACTIONS)
    assert not shop.store.path(CUSTOMER_RFM, date(2025, 1, 30)).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_command_at_work_is_interrupted_with_the_same_words(
    number: int, capsys: pytest.CaptureFixture[str]
):
    before = signal.getsignal(number)
    with pytest.raises(typer.Exit) as ended, told_settings():
        signal.raise_signal(number)
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == f"{SAID}\n"
    assert signal.getsignal(number) is before


def test_a_signal_that_the_caller_ignores_stays_ignored(monkeypatch: pytest.MonkeyPatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_command_runs_in_a_thread_too():
    exits: list[int] = []
    command = ["settings", "--only", "source"]
    thread = threading.Thread(
        target=lambda: exits.append(CliRunner().invoke(app, command).exit_code)
    )
    thread.start()
    thread.join()
    assert exits == [0]


def test_a_service_told_to_stop_before_it_answers_stops(tmp_path: Path):
    """As long as uvicorn has not begun to listen to signals."""
    stopping = f"""
import os, signal
import uvicorn
from abintel_pipeline.service.http import serving

class Told(uvicorn.Config):
    def get_loop_factory(self):
        os.kill(os.getpid(), signal.SIGTERM)
        return super().get_loop_factory()

uvicorn.Config = Told
from abintel_pipeline.settings import Settings
serving.serve(Settings(_env_file=None, data_dir={str(tmp_path)!r}), "127.0.0.1", 0, insecure=True)
"""
    stopped = subprocess.run(
        [sys.executable, "-c", stopping], capture_output=True, text=True, timeout=60, check=False
    )
    assert stopped.returncode == 0, stopped.stderr
    assert json.loads(stopped.stdout.splitlines()[-1])["message"] == "stopped"


# ── commands that are imported when they are called ──────────────────────────


def test_the_help_shows_the_first_sentence_of_each_command():
    whole = {name: " ".join((loaded(name).help or "").split()) for name in COMMANDS}
    assert {name: whole[name][: len(one.help)] for name, one in COMMANDS.items()} == {
        name: one.help for name, one in COMMANDS.items()
    }


IMPORTED = """
import sys
from abintel_pipeline.cli.app import app
try:
    app(sys.argv[2:])
except SystemExit:
    pass
print(sys.argv[1] in sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("library", "words"),
    [
        ("abintel_pipeline.settings", ["--help"]),
        ("ibis", ["settings"]),
        ("dagster", ["show", "2025-01-01"]),
        ("dagster", ["inspect", "nothing.csv"]),
    ],
)
def test_a_command_imports_no_library_that_it_can_do_without(library: str, words: list[str]):
    command = [sys.executable, "-c", IMPORTED, library, *words]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.stderr.splitlines()[-1] == "False"


def test_the_installed_command_answers_signals_from_the_start():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"abintel": "abintel_pipeline.cli.__main__:main"}
