"""The service as it is run: `abintel serve`, with credentials, limits and published snapshots."""

import contextlib
import gzip
import io
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.service import credentials
from abintel_pipeline_tests.service.documents import FEATURES_RESPONSE, REQUESTS
from abintel_pipeline_tests.service.serving import Served, add_credentials, publish, served

FEATURES = "/api/v1/ai/customer_features"
RFM = "/api/v1/ai/customer_rfm"
JSON = {"Content-Type": "application/json"}
DAYS = ("2025-04-23", "2025-04-24")
LARGE = 1_500_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a service: two published days."""
    folder = tmp_path_factory.mktemp("service")
    publish(folder / "data", DAYS)
    return folder


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
        "service_failed_attempts": "5",
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


# ── credentials ──────────────────────────────────────────────────────────────


def test_a_wrong_id_and_a_wrong_secret_are_told_apart_by_nobody(
    service: Served, headers: dict[str, str]
):
    known = headers["X-Customer-Api-Id"]
    tried = [
        {},
        {"X-Customer-Api-Id": known},
        {"X-Secret": headers["X-Secret"]},
        {"X-Customer-Api-Id": known, "X-Secret": "wrong-but-secret"},
        {"X-Customer-Api-Id": known[:-1] + "g", "X-Secret": headers["X-Secret"]},
        {"X-Customer-Api-Id": "0" * 32, "X-Secret": headers["X-Secret"]},
        {"X-Customer-Api-Id": known, "X-Secret": "é" * 300},
    ]
    answers = {
        (answer.status_code, answer.content, answer.headers["www-authenticate"])
        for one in tried
        for encoded in [{name: value.encode() for name, value in one.items()}]
        for answer in [httpx.get(f"{service.url}/api/v1/snapshots/customer_rfm", headers=encoded)]
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 401


def test_secrets_are_rotated_while_the_service_runs(
    service: Served, folder: Path, client: httpx.Client
):
    path = folder / "credentials.json"
    customer, secret = credentials.add_secret(path)
    _, newer = credentials.add_secret(path, customer)
    old, new = ({"X-Customer-Api-Id": str(customer), "X-Secret": s} for s in (secret, newer))
    url = f"{service.url}/api/v1/snapshots/customer_rfm"
    assert [httpx.get(url, headers=one).status_code for one in (old, new, old)] == [200] * 3
    credentials.remove_old_secrets(path, customer)
    assert [httpx.get(url, headers=one).status_code for one in (old, new)] == [401, 200]
    credentials.remove_customer(path, customer)
    assert [httpx.get(url, headers=one).status_code for one in (old, new)] == [401, 401]


def test_who_is_wrong_too_often_has_to_wait_and_the_others_do_not(
    service: Served, client: httpx.Client
):
    wrong = {"X-Customer-Api-Id": "11111111-1111-1111-1111-111111111111", "X-Secret": "wrong"}
    url = f"{service.url}/api/v1/snapshots/customer_rfm"
    answers = [httpx.get(url, headers=wrong) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert client.get("/api/v1/snapshots/customer_rfm").status_code == 200


# ── bodies ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_over_the_limit_is_refused(client: httpx.Client, chunked: bool):
    part = b" " * 100_000
    content = (part for _ in range(40)) if chunked else part * 40
    response = client.post(FEATURES, content=content, headers=JSON)
    assert response.status_code == 413
    assert "3,000,000 bytes" in response.json()["detail"]


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(client: httpx.Client, kind: str | None):
    named = {"Content-Type": kind} if kind else {}
    response = client.post(RFM, content=REQUESTS["customer_rfm"], headers=named)
    assert response.status_code == 415


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_a_bomb_is_not_unpacked(client: httpx.Client, encoding: str):
    bomb = gzip.compress(b" " * 50_000_000)
    response = client.post(RFM, content=bomb, headers=JSON | {"Content-Encoding": encoding})
    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "identity"


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


# ── what was published ───────────────────────────────────────────────────────


def test_the_days_of_a_table_are_listed(client: httpx.Client):
    answer = client.get("/api/v1/snapshots/customer_rfm").json()
    assert answer == {"table": "customer_rfm", "days": list(DAYS)}


def test_a_days_rows_come_in_pages(client: httpx.Client):
    url = "/api/v1/snapshots/customer_features/2025-04-24"
    whole = client.get(url).json()
    assert (whole["total"], whole["offset"]) == (2, 0)
    assert whole["rows"][0] == {
        "snapshot_date": "2025-04-24",
        "customer_id": "001",
        "purchase_total": 20.0,
        "visit_frequency": 2,
        "avg_ticket": 10.0,
        "product_diversity": 2,
        "loyalty_score": 0.0,
        "recency_days": 0,
    }
    pages = [client.get(url, params={"limit": 1, "offset": n}).json() for n in range(3)]
    assert [page["total"] for page in pages] == [2, 2, 2]
    assert [row for page in pages for row in page["rows"]] == whole["rows"]


def test_a_days_rows_come_as_arrow_and_parquet_too(client: httpx.Client):
    url = "/api/v1/snapshots/customer_rfm/2025-04-24"
    rows = client.get(url).json()["rows"]
    arrow = client.get(url, headers={"Accept": "application/vnd.apache.arrow.stream"})
    parquet = client.get(url, headers={"Accept": "text/csv, application/vnd.apache.parquet;q=0.5"})
    assert arrow.headers["x-total-count"] == parquet.headers["x-total-count"] == "2"
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table == pq.read_table(io.BytesIO(parquet.content))
    assert json.loads(json.dumps(table.to_pylist(), default=str)) == rows
    assert client.get(url, headers={"Accept": "text/csv"}).status_code == 406


@pytest.mark.parametrize("customer_id", ["001", "a/b"])
def test_one_customer_is_found_in_a_snapshot_and_in_its_history(
    client: httpx.Client, customer_id: str
):
    url = "/api/v1/snapshots/customer_rfm/2025-04-24"
    (row,) = client.get(url, params={"customer_id": customer_id}).json()["rows"]
    path = customer_id.replace("/", "%2F")
    history = client.get(f"/api/v1/customers/{path}/history").json()
    assert [one["snapshot_date"] for one in history["rows"]] == list(DAYS)
    assert history["rows"][1] == row
    later = client.get(f"/api/v1/customers/{path}/history", params={"from": DAYS[1]}).json()
    assert later["rows"] == [row]


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("snapshots/customer_rfm/2025-04-25", 404, "published are 2025-04-23 to 2025-04-24"),
        ("snapshots/customer_rfm/1745452800", 422, "YYYY-MM-DD"),
        ("snapshots/raw_transactions", 422, "one of customer_features"),
        ("snapshots/..%2F..%2Fetc", 404, ""),
        ("snapshots/customer_rfm/2025-04-24?limit=0", 422, "query.limit"),
        ("snapshots/customer_rfm/2025-04-24?offset=-1", 422, "query.offset"),
        ("snapshots/loyalty_summary/2025-04-24?customer_id=001", 404, "single customers"),
        ("customers/nobody/history", 404, "none of the 2 published snapshots"),
        ("customers/001/history?to=2025-4-1", 422, "query.to"),
    ],
)
def test_what_is_not_there_is_said(client: httpx.Client, url: str, code: int, said: str):
    answer = client.get(f"/api/v1/{url}")
    assert answer.status_code == code
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("customer_id", ["' OR 1=1 --", "001'; DROP TABLE x; --", "\\", "%", "\0"])
def test_an_id_is_a_value_and_nothing_else(client: httpx.Client, customer_id: str):
    url = "/api/v1/snapshots/customer_rfm/2025-04-24"
    assert client.get(url, params={"customer_id": customer_id}).json()["rows"] == []


# ── operations ───────────────────────────────────────────────────────────────


def test_the_docs_load_nothing_from_elsewhere(service: Served):
    page = httpx.get(f"{service.url}/docs").text
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    loaded += re.findall(r"url: '([^']+)'", page)
    assert len(loaded) >= 3
    for address in loaded:
        assert address.startswith("/")
        assert httpx.get(service.url + address).status_code == 200


def test_openapi_describes_every_route_with_the_documents_examples(service: Served):
    described = httpx.get(f"{service.url}/openapi.json").json()
    assert set(described["paths"]) >= {
        FEATURES,
        "/api/v1/ai/customer_loyalty",
        RFM,
        "/api/v1/snapshots/{table}",
        "/api/v1/snapshots/{table}/{day}",
        "/api/v1/customers/{customer_id}/history",
    }
    for call, request in REQUESTS.items():
        operation = described["paths"][f"/api/v1/ai/{call}"]["post"]
        body = operation["requestBody"]["content"]["application/json"]
        assert body["examples"]["document"]["value"] == json.loads(request)
        assert operation["security"] == [{"id": [], "secret": []}]


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
