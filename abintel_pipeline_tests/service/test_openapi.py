"""What the OpenAPI document says of the routes, held against what they answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from abintel_pipeline.service.access.credentials import Credentials
from abintel_pipeline.service.http.app import create_app
from abintel_pipeline.service.http.published import SNAPSHOTS
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.service.serving import add_credentials, publish

DAY = "2025-04-24"
ROWS = "/api/v1/snapshots/{table}/{day}"
HISTORY = "/api/v1/customers/{customer_id}/history"
OPERATIONS = ("/health", "/ready", "/metrics")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("openapi")
    publish(folder / "data", [DAY])
    headers = add_credentials(folder / "credentials.json")
    settings = Settings(_env_file=None, data_dir=folder / "data", memory_limit="1GB")
    app = create_app(settings, Credentials(folder / "credentials.json"))
    with TestClient(app, headers=headers) as client:
        yield client


@pytest.fixture(scope="module")
def described(client: TestClient) -> dict[str, Any]:
    return client.get("/openapi.json").json()


def page(described: dict[str, Any], path: str) -> dict[str, Any]:
    return described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]


def validate(described: dict[str, Any], path: str, answer: Any) -> None:
    schema = {**page(described, path)["schema"], "components": described["components"]}
    jsonschema.validate(answer, schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("table", SNAPSHOTS)
def test_the_rows_of_a_table_are_as_described(
    client: TestClient, described: dict[str, Any], table: str
):
    answer = client.get(f"/api/v1/snapshots/{table}/{DAY}").json()
    validate(described, ROWS, answer)
    described_row = described["components"]["schemas"][f"Row_{table}"]
    assert list(described_row["properties"]) == list(answer["rows"][0])
    assert all(column["description"] for column in described_row["properties"].values())
    with pytest.raises(jsonschema.ValidationError):
        validate(described, ROWS, {**answer, "rows": [{"customer_id": "1"}]})


def test_the_examples_of_reads_are_answered(client: TestClient, described: dict[str, Any]):
    loyalty = client.get(f"/api/v1/snapshots/customer_loyalty/{DAY}?limit=1").json()
    assert page(described, ROWS)["example"] == loyalty
    history = client.get("/api/v1/customers/001/history").json()
    assert page(described, HISTORY)["example"] == history
    days = page(described, "/api/v1/snapshots/{table}")["example"]
    validate(described, "/api/v1/snapshots/{table}", days)


def test_a_route_claims_no_status_and_no_type_that_it_never_sends(described: dict[str, Any]):
    paths = described["paths"]
    days = paths["/api/v1/snapshots/{table}"]["get"]["responses"]
    assert list(days) == ["200", "401", "422"]
    assert set(paths["/ready"]["get"]["responses"]) == {"200", "503"}
    assert list(paths["/metrics"]["get"]["responses"]["200"]["content"]) == ["text/plain"]


def test_without_credentials_nobody_is_refused_for_them(tmp_path: Path):
    with TestClient(create_app(Settings(_env_file=None, data_dir=tmp_path), None)) as client:
        paths = client.get("/openapi.json").json()["paths"]
    statuses = {s for ways in paths.values() for way in ways.values() for s in way["responses"]}
    assert not statuses & {"401", "429"}


def test_the_headers_of_answers_are_described(client: TestClient, described: dict[str, Any]):
    for path, ways in described["paths"].items():
        for way in ways.values():
            for status, answer in way["responses"].items():
                assert "X-Request-Id" in answer["headers"]
                retried = status in ("429", "503") and path not in OPERATIONS
                assert ("Retry-After" in answer["headers"]) is retried
    answered = client.get(f"/api/v1/snapshots/customer_rfm/{DAY}")
    for path in (ROWS, HISTORY):
        headers = described["paths"][path]["get"]["responses"]["200"]["headers"]
        assert set(headers) == {"X-Total-Count", "X-Request-Id"}
        assert all(name in answered.headers for name in headers)


def test_objects_come_as_objects_in_json_rows(client: TestClient):
    (row,) = client.get(f"/api/v1/snapshots/loyalty_summary/{DAY}").json()["rows"]
    counts = {"Platinum": 1, "Gold": 0, "Silver": 0, "Bronze": 0, "At-Risk": 1}
    assert row["segment_counts"] == counts
    assert row["segment_thresholds"]["Gold"] == 0.7
    assert row["rules"]["bins"] == 5
