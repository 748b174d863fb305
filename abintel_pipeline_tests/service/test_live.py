"""The service as it is run: `abintel serve`, with credentials, limits and published snapshots."""

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from abintel_pipeline_tests.service.documents import FEATURES_RESPONSE, REQUESTS
from abintel_pipeline_tests.service.serving import Served, add_credentials, served

pytestmark = pytest.mark.live

FEATURES = "/api/v1/ai/customer_features"
RFM = "/api/v1/ai/customer_rfm"
JSON = {"Content-Type": "application/json"}
LARGE = 1_500_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def headers(folder: Path) -> dict[str, str]:
    return add_credentials(folder / "credentials.json")


@pytest.fixture(scope="module")
def service(folder: Path, headers: dict[str, str]) -> Iterator[Served]:
    limits = {
        "credentials_file": str(folder / "credentials.json"),
        "service_max_body": "3MB",
        "service_large_requests": "1",
        "service_body_seconds": "2",
        "memory_limit": "1GB",
    }
    with served(folder, **limits) as running:
        yield running
    assert running.process.returncode == 0
    assert not [line for line in running.lines() if line["level"] == "error"]


@pytest.fixture
def client(service: Served, headers: dict[str, str]) -> Iterator[httpx.Client]:
    """A customer's; at the end the service has to answer, whatever was done to it."""
    with httpx.Client(base_url=service.url, headers=headers, timeout=60) as client:
        yield client
        again = client.post(FEATURES, content=REQUESTS["customer_features"], headers=JSON)
        assert again.status_code == 200


def raw(service: Served, headers: dict[str, str], more: str, path: str = FEATURES) -> socket.socket:
    """A connection on which the head of a request has been sent."""
    connection = service.connected()
    lines = [f"POST {path} HTTP/1.1", "Host: service", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    connection.sendall("\r\n".join([*lines, more, "", ""]).encode())
    return connection


def status(connection: socket.socket) -> int:
    return int(connection.recv(4096).split()[1])


# ── the calls ────────────────────────────────────────────────────────────────


def test_the_documents_example_is_answered(client: httpx.Client):
    response = client.post(FEATURES, content=REQUESTS["customer_features"], headers=JSON)
    assert response.headers["content-type"] == "application/json"
    assert json.dumps(response.json(), indent=2).encode() + b"\n" == FEATURES_RESPONSE


def test_the_content_type_may_have_a_charset(client: httpx.Client):
    named = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post(RFM, content=REQUESTS["customer_rfm"], headers=named).status_code == 200


# ── bodies ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_over_the_limit_is_refused(client: httpx.Client, chunked: bool):
    part = b" " * 100_000
    content = (part for _ in range(40)) if chunked else part * 40
    response = client.post(FEATURES, content=content, headers=JSON)
    assert response.status_code == 413
    assert "3,000,000 bytes" in response.json()["detail"]


def test_a_slow_body_is_given_up(service: Served, client: httpx.Client, headers: dict[str, str]):
    with raw(service, headers, "Content-Length: 900000") as connection:
        for _ in range(30):  # a byte now and then keeps it no longer
            with contextlib.suppress(OSError):
                connection.sendall(b" ")
            time.sleep(0.1)
        assert status(connection) == 408


def test_a_body_that_breaks_off_troubles_nobody(
    service: Served, client: httpx.Client, headers: dict[str, str]
):
    for _ in range(3):
        with raw(service, headers, f"Content-Length: {LARGE}") as connection:
            connection.sendall(b'{"customers": [')
    with raw(service, headers, "Transfer-Encoding: chunked") as connection:
        connection.sendall(b"5\r\n{}")
    body = b'{"customers": [], "x": "' + b"x" * LARGE + b'"}'
    response = client.post(FEATURES, content=body, headers=JSON)
    assert response.status_code == 422  # and not 503: the large place is free again


def test_beyond_its_large_places_it_says_when_to_come_again(
    service: Served, client: httpx.Client, headers: dict[str, str]
):
    body = b'{"customers": [], "x": "' + b"x" * LARGE + b'"}'
    with raw(service, headers, f"Content-Length: {len(body)}") as first:
        first.sendall(body[:-1])
        time.sleep(0.3)
        for content in (body, (body[n : n + 50_000] for n in range(0, len(body), 50_000))):
            busy = client.post(FEATURES, content=content, headers=JSON)
            assert busy.status_code == 503
            assert int(busy.headers["retry-after"]) > 0
        small = client.post(RFM, content=REQUESTS["customer_rfm"], headers=JSON)
        assert small.status_code == 200
        first.sendall(body[-1:])
        assert status(first) == 422
    assert client.post(FEATURES, content=body, headers=JSON).status_code == 422


@pytest.mark.parametrize(
    "nonsense", [b"\0" * 100, b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_what_is_not_http_is_refused(service: Served, client: httpx.Client, nonsense: bytes):
    with service.connected() as connection:
        connection.sendall(nonsense)
        assert status(connection) == 400


# ── operations ───────────────────────────────────────────────────────────────


def test_the_docs_load_nothing_from_elsewhere(service: Served):
    page = httpx.get(f"{service.url}/docs").text
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    loaded += re.findall(r"url: '([^']+)'", page)
    assert len(loaded) >= 3
    for address in loaded:
        assert address.startswith("/")
        assert httpx.get(service.url + address).status_code == 200


def test_metrics_tell_of_routes_and_not_of_customers(service: Served, client: httpx.Client):
    client.get("/api/v1/customers/somebody-special/history")
    page = httpx.get(f"{service.url}/metrics").text
    assert (
        'abintel_requests_total{method="POST",route="/api/v1/ai/customer_rfm",status="200"}' in page
    )
    assert "process_resident_memory_bytes" in page
    assert "somebody-special" not in page


def test_the_access_log_has_a_line_a_request_and_no_secret(
    service: Served, client: httpx.Client, headers: dict[str, str]
):
    answer = client.post(RFM, content=REQUESTS["customer_rfm"], headers=JSON)
    wrong = {"X-Customer-Api-Id": "my-secret-by-mistake", "X-Secret": "another-secret"}
    httpx.get(f"{service.url}/api/v1/snapshots/customer_rfm?customer_id=C-9", headers=wrong)
    time.sleep(0.2)
    (line,) = (
        one for one in service.lines() if one.get("request_id") == answer.headers["x-request-id"]
    )
    assert (line["method"], line["route"], line["status"]) == ("POST", RFM, 200)
    assert line["bytes_in"] == len(REQUESTS["customer_rfm"])
    assert line["bytes_out"] == len(answer.content)
    assert line["customer_api_id"] == headers["X-Customer-Api-Id"]
    log = service.log.read_text()
    for secret in (headers["X-Secret"], "my-secret-by-mistake", "another-secret", "C-9"):
        assert secret not in log
