"""`abintel serve` as a process of its own, on a free port of loopback."""

import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from abintel_pipeline.service.access.credentials_file import add_secret
from abintel_pipeline.service.http.serving import configured
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.shop import Shop

ABINTEL = Path(sys.executable).parent / "abintel"
START_SECONDS = 120
STOP_SECONDS = 60


@dataclass
class Served:
    """A running service."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def processes(self) -> list[int]:
        """The ids of its process and of all that came from it."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for children in Path(f"/proc/{pid}/task").glob("*/children"):
                    found += map(int, children.read_text().split())
        return found

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def connected(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=30)


@contextlib.contextmanager
def served(
    folder: Path, *options: str, open_files: int | None = None, **variables: str
) -> Iterator[Served]:
    """A service that is ready; stopped by SIGTERM at the end, if it hasn't been before."""
    limit = ["prlimit", f"--nofile={open_files}"] if open_files else []
    log = folder / "service.log"
    environment = os.environ | {f"ABINTEL_{k.upper()}": v for k, v in variables.items()}
    environment["ABINTEL_DATA_DIR"] = str(folder / "data")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*limit, ABINTEL, "serve", "--port", "0", *options],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Served(process, _url(process, log), log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            finally:
                process.kill()  # which does nothing to one that has ended


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        for line in log.read_text().splitlines():
            with contextlib.suppress(ValueError, KeyError, httpx.TransportError):
                url: str = json.loads(line)["url"]
                if httpx.get(f"{url}/ready", timeout=START_SECONDS).status_code == 200:
                    return url
        time.sleep(0.1)
    raise AssertionError(f"the service didn't start:\n{log.read_text()}")


@contextlib.contextmanager
def served_here(settings: Settings) -> Iterator[tuple[str, int]]:
    """The address of a service in a thread of this process, without credentials."""
    server = uvicorn.Server(configured(settings, None, None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()[:2]
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS)


def publish(data: Path, days: Iterable[str]) -> None:
    """Snapshots of two customers, `001` and `a/b`, on days of April 2025."""
    settings = Settings(_env_file=None, data_dir=data)
    with Shop.open(settings) as shop:
        for number, day in enumerate(days):
            lines = [f"001,T1-{day},{day},{'0.10' if number else '19.90'},P{number}"]
            lines += [] if number else ["a/b,T2,2025-04-20,5.00,P1"]
            shop.deliver(day, *lines)
            shop.take_in(day)
            shop.snapshot(day)


def add_credentials(path: Path) -> dict[str, str]:
    """The headers of a new customer."""
    customer, secret = add_secret(path)
    return {"X-Customer-Api-Id": str(customer), "X-Secret": secret}


def add_old_credentials(path: Path) -> dict[str, str]:
    """The headers of a new customer in a file as 0.2.0 wrote it."""
    customer, secret, salt = uuid.uuid4(), secrets.token_urlsafe(32), secrets.token_bytes(16)
    digest = hashlib.scrypt(secret.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)
    kept = [{"hash": digest.hex(), "made": "2026-11-21"}]
    held = {
        "scrypt": {"n": 2**14, "r": 8, "p": 1},
        "customers": {str(customer): {"salt": salt.hex(), "secrets": kept}},
    }
    path.write_text(json.dumps(held, indent=2))
    return {"X-Customer-Api-Id": str(customer), "X-Secret": secret}
