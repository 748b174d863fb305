"""The Dagster UI of this project on loopback: webserver and daemon, stopped together."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from abintel_pipeline.orchestration.errors import PortTaken
from abintel_pipeline.orchestration.running import instance, prepare_history
from abintel_pipeline.settings import ENV_PREFIX, Settings

LOOPBACK = "127.0.0.1"
MODULE = "abintel_pipeline.definitions"
STOP_SECONDS = 20
SHOWN = {"automatic": "true", "owners": '["team:crm"]'}
"""Defaults for a UI that somebody tries out; none of them changes a table."""


def serve(settings: Settings, port: int) -> int:
    """Run webserver and daemon until one of them ends or KeyboardInterrupt; returns an exit code.

    Raises PortTaken when something else listens on the port.
    """
    running: list[subprocess.Popen[bytes]] = []
    try:
        _free(port)
        with instance(settings):
            pass  # so that a broken history is told here, and by a sentence
        environment = server_environment(settings)
        for command in _commands(port):
            running.append(subprocess.Popen(command, env=environment))
        while all(process.poll() is None for process in running):
            time.sleep(0.5)
        return next(process.returncode for process in running if process.poll() is not None)
    except KeyboardInterrupt:
        return 0
    finally:
        for process in running:
            process.terminate()
        for process in running:
            _stopped(process)


def _commands(port: int) -> list[list[str]]:
    return [
        [_script("dagster-webserver"), "-m", MODULE, "-h", LOOPBACK, "-p", str(port)],
        [_script("dagster-daemon"), "run", "-m", MODULE],
    ]


def server_environment(settings: Settings) -> dict[str, str]:
    """The environment of webserver and daemon: schedules and sensors on, and a team as owner.

    The settings come first, where they say anything of these.
    """
    own = {
        f"{ENV_PREFIX}{name.upper()}": value
        for name, value in SHOWN.items()
        if name not in settings.model_fields_set
    }
    return os.environ | own | {"DAGSTER_HOME": prepare_history(settings)}


def _stopped(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PortTaken(f"port {port} on {LOOPBACK} is taken: choose another") from error


def _script(name: str) -> str:
    """The command installed beside this Python, before any other on the path."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else (shutil.which(name) or name)
