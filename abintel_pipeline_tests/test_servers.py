"""The servers people start: `abintel ui`, `dagster-webserver -w workspace.yaml`, `dg`."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from abintel_pipeline.cli.app import app
from abintel_pipeline.orchestration.instance.ui import server_environment
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.servers import (
    BIN,
    ROOT,
    START_SECONDS,
    answer,
    free_port,
    graphql,
    started,
)

OURS = re.compile(r"^.*abintel_pipeline\S*:\d+: \w*Warning.*$", re.MULTILINE)
ASSETS = {
    "raw_transactions",
    "rejected_transactions",
    "raw_customers",
    "rejected_customers",
    "customer_features",
    "customer_loyalty",
    "loyalty_summary",
    "customer_rfm",
    "rfm_thresholds",
}
AUTOMATION = (
    "nightly_customer_snapshots",
    "missed_night",
    "weekly_verification",
    "deliveries_in_the_landing_folder",
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a person who has set a data folder, and wants to see every warning."""
    home = tmp_path / "home"
    home.mkdir()
    return os.environ | {
        "ABINTEL_DATA_DIR": str(tmp_path / "data"),
        "DAGSTER_HOME": str(home),
        "PYTHONWARNINGS": "default",
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }


def automation(port: int) -> dict[str, str]:
    """Whether each schedule and sensor is on."""
    state = "name status"
    query = f"""{{ repositoriesOrError {{ ... on RepositoryConnection {{ nodes {{
        schedules {{ scheduleState {{ {state} }} }} sensors {{ sensorState {{ {state} }} }}
    }} }} }} }}"""
    (node,) = graphql(port, query)["repositoriesOrError"]["nodes"]
    states = [one["scheduleState"] for one in node["schedules"]]
    states += [one["sensorState"] for one in node["sensors"]]
    return {one["name"]: one["status"] for one in states}


def assert_quiet(log: Path) -> None:
    text = log.read_text()
    assert "Traceback" not in text, text
    assert OURS.findall(text) == []


@pytest.mark.live
@pytest.mark.parametrize(
    "command", [("dagster-webserver", "-w", "workspace.yaml"), ("dg", "dev")], ids=" ".join
)
def test_the_code_location_loads(
    command: tuple[str, ...], environment: dict[str, str], tmp_path: Path
):
    port, log = free_port(), tmp_path / "log"
    environment["PATH"] = f"{BIN}:{os.environ['PATH']}"
    words = [str(BIN / command[0]), *command[1:], "--port", str(port)]
    with started(words, environment, log) as server:
        found = answer(server, port, log, "{ assetNodes { assetKey { path } description } }")
        assert automation(port) == dict.fromkeys(AUTOMATION, "STOPPED")
    assert {node["assetKey"]["path"][0] for node in found["assetNodes"]} == ASSETS
    assert all(node["description"] for node in found["assetNodes"])
    assert_quiet(log)


@pytest.mark.live
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_ui_runs_webserver_and_daemon_on_loopback(
    environment: dict[str, str], tmp_path: Path, stop: int
):
    port, log = free_port(), tmp_path / "log"
    del environment["DAGSTER_HOME"]
    command = [str(BIN / "abintel"), "ui", "--port", str(port)]
    query = "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy } } } }"
    with started(command, environment, log, stop) as server:
        healthy: set[str] = set()
        until = time.monotonic() + START_SECONDS
        while "SCHEDULER" not in healthy and time.monotonic() < until:
            found = answer(server, port, log, query)
            daemons = found["instance"]["daemonHealth"]["allDaemonStatuses"]
            healthy = {one["daemonType"] for one in daemons if one["healthy"]}
            time.sleep(0.5)
        assert "SCHEDULER" in healthy, log.read_text()
        assert automation(port) == dict.fromkeys(AUTOMATION, "RUNNING")
        with socket.socket() as probe:  # a server on every interface would answer here too
            assert probe.connect_ex(("127.0.0.2", port)) != 0
    assert server.returncode == 0
    with socket.socket() as probe:  # the webserver is gone too
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert (tmp_path / "data" / "dagster" / "dagster.yaml").read_text().startswith("telemetry")
    assert_quiet(log)


@pytest.mark.parametrize(("written", "expected"), [("", "true"), ("ABINTEL_AUTOMATIC=false", None)])
def test_the_ui_turns_on_what_nobody_turned_off(written: str, expected: str | None, tmp_path: Path):
    (tmp_path / ".env").write_text(written)
    settings = Settings()
    assert settings.automatic is False
    assert server_environment(settings).get("ABINTEL_AUTOMATIC") == expected


@pytest.mark.parametrize(
    ("written", "expected"), [("", '["team:crm"]'), ('ABINTEL_OWNERS=["team:north"]', None)]
)
def test_the_ui_shows_a_team_as_owner_until_somebody_names_one(
    written: str, expected: str | None, tmp_path: Path
):
    (tmp_path / ".env").write_text(written)
    assert server_environment(Settings()).get("ABINTEL_OWNERS") == expected


def test_a_taken_port_is_said_in_a_sentence():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = CliRunner().invoke(app, ["ui", "--port", str(port)])
    assert result.exit_code == 1
    assert f"port {port} on 127.0.0.1 is taken: choose another" in result.stderr


@pytest.mark.live
def test_dg_checks_the_definitions(environment: dict[str, str]):
    checked = subprocess.run(
        [BIN / "dg", "check", "defs"],
        cwd=ROOT,
        env=environment | {"PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = checked.stdout + checked.stderr
    assert checked.returncode == 0, said
    assert "loaded successfully" in said
    assert OURS.findall(said) == []


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (("PYTHON=python2.7",), "Python 3.11 or newer is needed: make PYTHON="),
        pytest.param(
            ("PIP_NO_INDEX=1",),
            "The packages could not be installed: is there a network",
            marks=pytest.mark.live,
        ),
    ],
)
def test_make_says_why_it_cannot_work(variables: tuple[str, ...], sentence: str, tmp_path: Path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    settings = dict(pair.split("=") for pair in variables if pair.startswith("PIP_"))
    made = subprocess.run(
        ["make", "demo", *(pair for pair in variables if not pair.startswith("PIP_"))],
        cwd=tmp_path,
        env=clean | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert made.returncode != 0
    assert sentence in made.stderr
    assert not (tmp_path / ".venv" / "installed").exists()
