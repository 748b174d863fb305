"""A stop lets what has begun finish."""

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from abintel_pipeline_tests.service.serving import Served, served

pytestmark = pytest.mark.live

CUSTOMERS = 20_000


def request() -> bytes:
    """Large enough to take a second or so."""
    lines = [
        {"transaction_id": str(n), "date": f"2025-01-{n:02}", "amount": n, "product_id": "P"}
        for n in range(1, 11)
    ]
    customers = [{"customer_id": str(n), "transactions": lines} for n in range(CUSTOMERS)]
    return json.dumps({"today": "2025-02-01", "customers": customers}).encode()


@pytest.mark.parametrize("everywhere", [False, True], ids=["the service", "all its processes"])
def test_sigterm_finishes_what_was_begun_and_ends_with_0(tmp_path: Path, everywhere: bool):
    body = request()
    with served(tmp_path, "--insecure") as service, ThreadPoolExecutor(1) as pool:
        url = f"{service.url}/api/v1/ai/customer_features"
        headers = {"Content-Type": "application/json"}
        answer = pool.submit(httpx.post, url, content=body, headers=headers, timeout=60)
        while b"abintel_requests_in_flight 2.0" not in httpx.get(f"{service.url}/metrics").content:
            assert not answer.done(), "the request was over before it could be interrupted"
            time.sleep(0.01)
        for pid in service.processes() if everywhere else [service.process.pid]:
            os.kill(pid, signal.SIGTERM)
        response = answer.result()
        assert service.process.wait(30) == 0
    assert response.status_code == 200
    customers = response.json()["customers"]
    assert [one["customer_id"] for one in customers] == [str(n) for n in range(CUSTOMERS)]
    assert customers[-1]["features"] == {
        "purchase_total": 55.0,
        "visit_frequency": 10.0,
        "avg_ticket": 5.5,
        "product_diversity": 1.0,
        "loyalty_score": 0.0,
        "recency_days": 22.0,
    }
    assert service.lines()[-1]["message"] == "stopped"


@contextlib.contextmanager
def dripping(service: Served) -> Iterator[socket.socket]:
    """A request whose body comes by a byte now and then, and never ends."""
    over = threading.Event()
    head = (
        "POST /api/v1/ai/customer_rfm HTTP/1.1\r\nHost: service\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not over.wait(0.05):
                connection.sendall(b"1\r\n \r\n")

    with service.connected() as connection:
        connection.sendall(head.encode())
        thread = threading.Thread(target=drip, args=(connection,))
        thread.start()
        try:
            while b"in_flight 2.0" not in httpx.get(f"{service.url}/metrics").content:
                time.sleep(0.01)
            yield connection
        finally:
            over.set()
            thread.join()


def test_a_stop_waits_for_a_body_that_never_ends_no_longer_than_it_is_told(tmp_path: Path):
    patient = {"service_body_seconds": "3600", "service_stop_seconds": "2"}
    with served(tmp_path, "--insecure", **patient) as service, dripping(service):
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 0
    assert service.lines()[-1]["message"] == "stopped"


def test_a_second_sigterm_ends_it_at_once(tmp_path: Path):
    patient = {"service_body_seconds": "3600", "service_stop_seconds": "3600"}
    with served(tmp_path, "--insecure", **patient) as service, dripping(service):
        service.process.send_signal(signal.SIGTERM)
        while not any(line["message"] == "Shutting down" for line in service.lines()):
            time.sleep(0.01)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 128 + signal.SIGTERM


def test_its_processes_end_when_it_is_killed(tmp_path: Path):
    with served(tmp_path, "--insecure") as service:
        httpx.post(f"{service.url}/api/v1/ai/customer_features", content=request(), timeout=60)
        processes = service.processes()
        assert len(processes) >= 3  # the forkserver and a worker
        service.process.kill()
        until = time.monotonic() + 60
        while (left := list(filter(running, processes))) and time.monotonic() < until:
            time.sleep(0.05)
        assert left == []


def running(pid: int) -> bool:
    """Whether it has not ended; one that nobody waits for any more has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
