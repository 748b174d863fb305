"""What large requests take of memory comes back, and small ones are answered beside them."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from abintel_pipeline_tests.service.documents import REQUESTS
from abintel_pipeline_tests.service.serving import Served, served

pytestmark = pytest.mark.live

RFM = "/api/v1/ai/customer_rfm"
JSON = {"Content-Type": "application/json"}
PATIENCE = 300
SMALL_BESIDE = 20
NEAR_MB = 50


def body() -> bytes:
    """44 MB of customers with one transaction each, whose answer has three times the size."""
    one = '{"customer_id": "C-%07d", "transactions": [{"date": "2025-01-02", "amount": 1.5}]}'
    customers = ", ".join(one % n for n in range(44_000_000 // 82))
    return f'{{"today": "2025-02-01", "customers": [{customers}]}}'.encode()


def megabytes(service: Served) -> float:
    """What the service and its processes take of memory, shared parts once."""
    return sum(_proportional_kb(pid) for pid in service.processes()) * 1024 / 1e6


def _proportional_kb(pid: int) -> int:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(text.split("Pss:")[1].split()[0])
    return 0


def posted(service: Served, content: bytes) -> httpx.Response:
    return httpx.post(service.url + RFM, content=content, headers=JSON, timeout=PATIENCE)


def test_memory_comes_back_and_small_calls_go_on_beside_two_large_ones(tmp_path: Path):
    content = body()
    with served(tmp_path, "--insecure") as service, ThreadPoolExecutor(2) as pool:
        posted(service, b'{"customers": [], "x": "' + b"x" * 1_500_000 + b'"}')  # a worker is there
        before = megabytes(service)
        large = [pool.submit(posted, service, content) for _ in range(2)]
        small = 0
        while not any(one.done() for one in large):
            assert posted(service, REQUESTS["customer_rfm"]).status_code == 200
            small += 1
        assert [one.result().status_code for one in large] == [200, 200]
        assert small >= SMALL_BESIDE
        until = time.monotonic() + PATIENCE
        while megabytes(service) > before + NEAR_MB and time.monotonic() < until:
            time.sleep(0.5)
        assert megabytes(service) <= before + NEAR_MB
