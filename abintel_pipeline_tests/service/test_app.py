"""The app's routes: who is let in, what is read, what is refused. In process, without a server."""

import asyncio
import gzip
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from abintel_pipeline.service.access import credentials_file
from abintel_pipeline.service.access.credentials import Credentials
from abintel_pipeline.service.http.app import create_app
from abintel_pipeline.service.http.observing import JsonLines
from abintel_pipeline.service.http.parts import Parts
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.service.documents import FEATURES_RESPONSE, REQUESTS
from abintel_pipeline_tests.service.serving import add_credentials, publish

FEATURES = "/api/v1/ai/customer_features"
RFM = "/api/v1/ai/customer_rfm"
DAYS_OF_RFM = "/api/v1/snapshots/customer_rfm"
JSON = {"Content-Type": "application/json"}
DAYS = ("2025-04-23", "2025-04-24")
Headers = dict[str, str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a service: two published days, and credentials."""
    folder = tmp_path_factory.mktemp("app")
    publish(folder / "data", DAYS)
    return folder


@pytest.fixture(scope="module")
def headers(folder: Path) -> Headers:
    return add_credentials(folder / "credentials.json")


@pytest.fixture(scope="module")
def app(folder: Path, headers: Headers) -> Iterator[TestClient]:
    settings = Settings(
        _env_file=None,
        data_dir=folder / "data",
        memory_limit="1GB",
        service_max_body="3MB",
        service_large_requests=1,
    )
    with TestClient(create_app(settings, Credentials(folder / "credentials.json"))) as client:
        yield client


@pytest.fixture
def anybody(app: TestClient) -> TestClient:
    """Who has no credentials."""
    for name in ("X-Customer-Api-Id", "X-Secret"):
        app.headers.pop(name, None)
    return app


@pytest.fixture
def client(app: TestClient, headers: Headers) -> TestClient:
    app.headers.update(headers)
    return app


def test_the_documents_example_is_answered(client: TestClient):
    response = client.post(FEATURES, content=REQUESTS["customer_features"], headers=JSON)
    assert response.headers["content-type"] == "application/json"
    assert json.dumps(response.json(), indent=2).encode() + b"\n" == FEATURES_RESPONSE


# ── credentials ──────────────────────────────────────────────────────────────


def test_a_wrong_id_and_a_wrong_secret_are_told_apart_by_nobody(
    anybody: TestClient, headers: Headers
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
        for answer in [anybody.get(DAYS_OF_RFM, headers=encoded)]
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 401


def test_secrets_are_rotated_while_the_service_runs(anybody: TestClient, folder: Path):
    path = folder / "credentials.json"
    customer, secret = credentials_file.add_secret(path)
    _, newer = credentials_file.add_secret(path, customer)
    old, new = ({"X-Customer-Api-Id": str(customer), "X-Secret": s} for s in (secret, newer))
    assert [anybody.get(DAYS_OF_RFM, headers=one).status_code for one in (old, new, old)] == [
        200
    ] * 3
    credentials_file.remove_old_secrets(path, customer)
    assert [anybody.get(DAYS_OF_RFM, headers=one).status_code for one in (old, new)] == [401, 200]
    credentials_file.remove_customer(path, customer)
    assert [anybody.get(DAYS_OF_RFM, headers=one).status_code for one in (old, new)] == [401, 401]


def test_any_number_of_wrong_secrets_locks_nobody_out(anybody: TestClient, headers: Headers):
    wrong = headers | {"X-Secret": "wrong"}
    assert {anybody.get(DAYS_OF_RFM, headers=wrong).status_code for _ in range(200)} == {401}
    assert anybody.get(DAYS_OF_RFM, headers=headers).status_code == 200


def test_an_id_may_be_spelled_in_any_way(anybody: TestClient, headers: Headers):
    spelled = headers["X-Customer-Api-Id"]
    for one in (spelled.upper(), f"{{{spelled}}}", f"urn:uuid:{spelled}", spelled.replace("-", "")):
        named = headers | {"X-Customer-Api-Id": one}
        assert anybody.get(DAYS_OF_RFM, headers=named).status_code == 200


def test_too_long_ids_and_secrets_are_answered_as_any_other_that_is_wrong(
    anybody: TestClient, headers: Headers
):
    usual = anybody.get(DAYS_OF_RFM, headers={"X-Customer-Api-Id": "3" * 32, "X-Secret": "wrong"})
    tried = [
        {**headers, "X-Secret": headers["X-Secret"] + "x" * 10_000},
        {**headers, "X-Customer-Api-Id": "x" * 100_000},
    ]
    for one in tried:
        answer = anybody.get(DAYS_OF_RFM, headers=one)
        assert (answer.status_code, answer.content) == (401, usual.content)


def test_who_asks_at_the_same_time_whether_it_is_ready_costs_one_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    parts = Parts(Settings(_env_file=None, data_dir=tmp_path), None)
    probed: list[int] = []
    monkeypatch.setattr(parts.calls, "probe", lambda: probed.append(1))

    async def ask() -> None:
        await asyncio.gather(*(parts.probe() for _ in range(20)))

    for asked in (1, 2):
        asyncio.run(ask())
        assert len(probed) == asked
    parts.close()


# ── bodies ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [900_000, 2_000_000, 3_000_001])
def test_a_body_is_taken_up_to_the_limit(client: TestClient, size: int):
    body = REQUESTS["customer_rfm"] + b" " * (size - len(REQUESTS["customer_rfm"]))
    response = client.post(RFM, content=body, headers=JSON)
    assert response.status_code == (413 if size > 3_000_000 else 200)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(client: TestClient, kind: str | None):
    named = {"Content-Type": kind} if kind else {}
    response = client.post(RFM, content=REQUESTS["customer_rfm"], headers=named)
    assert response.status_code == 415


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_a_bomb_is_not_unpacked(client: TestClient, encoding: str):
    bomb = gzip.compress(b" " * 50_000_000)
    response = client.post(RFM, content=bomb, headers=JSON | {"Content-Encoding": encoding})
    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("name", "values", "code"),
    [
        ("Content-Type", ["application/json", "text/plain"], 415),
        ("Content-Type", ["application/json", "application/json"], 200),
        ("Content-Encoding", ["identity", "gzip"], 415),
        ("Content-Encoding", ["identity", "identity"], 200),
        ("Transfer-Encoding", ["gzip, chunked"], 415),
        ("Transfer-Encoding", ["gzip", "chunked"], 415),
        ("Transfer-Encoding", ["Chunked"], 200),
    ],
)
def test_every_line_of_a_header_is_looked_at(
    client: TestClient, name: str, values: list[str], code: int
):
    named = [*({} if name == "Content-Type" else JSON).items(), *((name, one) for one in values)]
    response = client.post(RFM, content=REQUESTS["customer_rfm"], headers=named)
    assert response.status_code == code


# ── what was published ───────────────────────────────────────────────────────


def test_the_days_of_a_table_are_listed(client: TestClient):
    answer = client.get("/api/v1/snapshots/customer_rfm").json()
    assert answer == {"table": "customer_rfm", "days": list(DAYS)}


def test_a_days_rows_come_in_pages(client: TestClient):
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


def test_a_days_rows_come_as_arrow_and_parquet_too(client: TestClient):
    url = "/api/v1/snapshots/customer_rfm/2025-04-24"
    rows = client.get(url).json()["rows"]
    arrow = client.get(url, headers={"Accept": "application/vnd.apache.arrow.stream"})
    parquet = client.get(url, headers={"Accept": "text/csv, application/vnd.apache.parquet;q=0.5"})
    assert arrow.headers["x-total-count"] == parquet.headers["x-total-count"] == "2"
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table == pq.read_table(io.BytesIO(parquet.content))
    assert json.loads(json.dumps(table.to_pylist(), default=str)) == rows
    assert client.get(url, headers={"Accept": "text/csv"}).status_code == 406
    lines = [("Accept", "text/csv"), ("Accept", "application/vnd.apache.parquet")]
    assert client.get(url, headers=lines).content == parquet.content


@pytest.mark.parametrize("customer_id", ["001", "a/b"])
def test_one_customer_is_found_in_a_snapshot_and_in_its_history(
    client: TestClient, customer_id: str
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
        ("snapshots/customer_rfm/2025-04-24?limit=0", 422, "wanted a whole number >= 1, found"),
        ("snapshots/customer_rfm/2025-04-24?offset=1.5", 422, "wanted a whole number, found"),
        (f"snapshots/customer_rfm/2025-04-24?limit={10**30}", 422, "wanted a whole number"),
        ("snapshots/customer_rfm/2025-04-24?limit=10001", 422, "at most 10,000 rows as JSON"),
        (
            "snapshots/customer_rfm/2025-04-24?customerid=001",
            422,
            "query.customerid: wanted one of customer_id, limit, offset",
        ),
        ("snapshots/customer_rfm/2025-04-24?limit=1&limit=2", 422, "this parameter once"),
        ("snapshots/customer_rfm?limit=1", 422, "query.limit: wanted no parameters"),
        ("customers/001/history?start=2025-04-24", 422, "wanted one of from, to, limit, offset"),
        ("snapshots/customer_rfm/", 404, ""),
        ("customers/nobody/history", 404, "none of the 2 published snapshots"),
        ("customers/001/history?to=2025-4-1", 422, "query.to"),
    ],
)
def test_what_is_not_there_is_said(client: TestClient, url: str, code: int, said: str):
    answer = client.get(f"/api/v1/{url}")
    assert answer.status_code == code
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("customer_id", ["' OR 1=1 --", "001'; DROP TABLE x; --", "\\", "%", "\0"])
def test_an_id_is_a_value_and_nothing_else(client: TestClient, customer_id: str):
    url = "/api/v1/snapshots/customer_rfm/2025-04-24"
    assert client.get(url, params={"customer_id": customer_id}).json()["rows"] == []


def test_openapi_describes_every_route_with_the_documents_examples(client: TestClient):
    described = client.get("/openapi.json").json()
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


# ── operations ───────────────────────────────────────────────────────────────


def test_whoever_looks_after_it_needs_no_credentials(anybody: TestClient):
    assert anybody.get("/health").json() == {"status": "ok"}
    assert anybody.get("/ready").json() == {"status": "ready"}
    assert 'route="/ready"' in anybody.get("/metrics").text
    assert anybody.get("/nowhere").json() == {
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
    }


def test_it_is_not_ready_while_an_example_cannot_be_computed(
    anybody: TestClient, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> None:
        raise RuntimeError("customer 4711")

    monkeypatch.setattr("abintel_pipeline.service.calls.calls.Calls.probe", broken)
    answer = anybody.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "an example can't be computed (RuntimeError)"


@pytest.mark.parametrize("damage", [b"{", None], ids=["broken", "gone"])
def test_it_is_not_ready_while_nobody_can_be_let_in(
    anybody: TestClient, folder: Path, damage: bytes | None
):
    path = folder / "credentials.json"
    whole = path.read_bytes()
    path.write_bytes(damage) if damage else path.unlink()
    answer = anybody.get("/ready")
    path.write_bytes(whole)
    assert (answer.status_code, answer.json()["title"]) == (503, "Not ready")
    assert anybody.get("/ready").status_code == 200


@pytest.mark.parametrize(
    "url",
    ["/health", "/ready", "/metrics", "/docs", DAYS_OF_RFM, f"{DAYS_OF_RFM}/2025-04-24?limit=1"],
)
def test_head_is_answered_as_get_is(client: TestClient, url: str):
    head, get = client.head(url), client.get(url)
    assert (head.status_code, get.status_code) == (200, 200)
    assert head.headers["content-type"] == get.headers["content-type"]
    assert client.delete(url).headers["allow"] == "GET, HEAD"


def test_a_call_has_no_parameters(client: TestClient):
    answer = client.post(f"{RFM}?bins=3", content=REQUESTS["customer_rfm"], headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["detail"] == 'query.bins: wanted no parameters, found "3"'


def test_a_file_may_have_more_rows_than_a_page(client: TestClient):
    arrow = {"Accept": "application/vnd.apache.arrow.stream"}
    url = "/api/v1/snapshots/customer_rfm/2025-04-24?limit=20000"
    assert client.get(url, headers=arrow).status_code == 200


def test_a_defect_is_a_500_that_tells_nothing_of_the_request(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> None:
        raise RuntimeError("customer 4711")

    monkeypatch.setattr("abintel_pipeline.service.http.published.days", broken)
    monkeypatch.setattr(client._transport, "raise_server_exceptions", False)
    answer = client.get(DAYS_OF_RFM)
    assert answer.status_code == 500
    assert answer.json()["detail"] == "a defect in the service (RuntimeError)"


def test_a_damaged_day_is_not_read_and_the_log_alone_names_its_file(
    client: TestClient, folder: Path, caplog: pytest.LogCaptureFixture
):
    path = folder / "data/store/customer_loyalty/snapshot_date=2025-04-24/data.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    try:
        answer = client.get("/api/v1/snapshots/customer_loyalty/2025-04-24")
    finally:
        path.write_bytes(whole)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "600"
    assert answer.json()["detail"] == (
        "customer_loyalty of 2025-04-24 is damaged in the store: it is not read"
    )
    assert str(folder) not in answer.text
    assert str(path) in caplog.text


def test_a_log_line_is_one_json_object():
    record = logging.LogRecord("x", logging.ERROR, "", 1, "two\nlines of %s", ("text",), None)
    record.fields = {"status": 500}
    line = JsonLines().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["message"], told["status"]) == ("error", "two\nlines of text", 500)
