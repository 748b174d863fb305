"""A stop lets what has begun finish."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from abintel_pipeline_tests.service.serving import served

CUSTOMERS = 20_000


def request() -> bytes:
    """Large enough to take a second or so."""
    lines = [
        {"transaction_id": str(n), "date": f"2025-01-{n:02}", "amount": n, "product_id": "P"}
        for n in range(1, 11)
    ]
    customers = [{"customer_id": str(n), "transactions": lines} for n in range(CUSTOMERS)]
    return json.dumps({"today": "2025-02-01", "customers": customers}).encode()


def test_sigterm_finishes_what_was_begun_and_ends_with_0(tmp_path: Path):
    body = request()
    with served(tmp_path, "--insecure") as service, ThreadPoolExecutor(1) as pool:
        url = f"{service.url}/api/v1/ai/customer_features"
        headers = {"Content-Type": "application/json"}
        answer = pool.submit(httpx.post, url, content=body, headers=headers, timeout=60)
        while b"abintel_requests_in_flight 2.0" not in httpx.get(f"{service.url}/metrics").content:
            assert not answer.done(), "the request was over before it could be interrupted"
            time.sleep(0.01)
        service.process.send_signal(signal.SIGTERM)
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
