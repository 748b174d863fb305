"""schemathesis against the live service, from its own OpenAPI description."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from abintel_pipeline_tests.service.serving import add_credentials, publish, served

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
UNSAYABLE = "positive_data_acceptance"
"""The check that whatever the schema allows is accepted. JSON Schema has no words for an id that is
unique, a date not after another field, or thresholds of which the lowest is 0."""


@pytest.mark.live
def test_schemathesis_finds_nothing(tmp_path: Path):
    publish(tmp_path / "data", ["2025-04-24"])
    headers = add_credentials(tmp_path / "credentials.json")
    known = [words for pair in headers.items() for words in ("-H", ": ".join(pair))]
    options = ["--max-examples", "10", "--seed", "1", "--no-color", "--exclude-checks", UNSAYABLE]
    credentials = str(tmp_path / "credentials.json")
    with served(tmp_path, credentials_file=credentials) as service:
        found = subprocess.run(
            [SCHEMATHESIS, "run", f"{service.url}/openapi.json", *known, *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        answered = [line for line in service.lines() if line["message"] == "request"]
    assert found.returncode == 0, found.stdout
    assert int(re.search(r"(\d+) generated", found.stdout)[1]) > 400
    assert {line["status"] for line in answered} >= {200, 400, 401, 404, 405, 415, 422}
    assert not [line for line in answered if line["status"] >= 500]
