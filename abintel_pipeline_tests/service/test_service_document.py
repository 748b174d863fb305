"""docs/service.md: its curl lines answer what stands below them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline_tests.service.serving import Served, publish, served

PAGE = (Path(__file__).parents[2] / "docs" / "service.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = [(found[1], found[2]) for found in BLOCK.finditer(PAGE)]
ANSWERED = [
    (text, BLOCKS[n + 1][1])
    for n, (kind, text) in enumerate(BLOCKS[:-1])
    if kind == "sh" and text.startswith("curl") and BLOCKS[n + 1][0] == "json"
]
FILES = [text for kind, text in BLOCKS if kind == "sh" and "-o rfm.parquet" in text]

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="the page's lines use curl")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("document")
    publish(folder / "data", ["2025-04-24"])
    with served(folder, "--insecure") as running:
        yield running


def run(service: Served, lines: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-ec", lines.replace("http://127.0.0.1:8000", service.url)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


@needs_curl
@pytest.mark.parametrize(("line", "answer"), ANSWERED)
@pytest.mark.live
def test_a_curl_line_is_answered_as_below_it(
    service: Served, line: str, answer: str, tmp_path: Path
):
    assert json.dumps(json.loads(run(service, line, tmp_path))) == json.dumps(json.loads(answer))


@needs_curl
@pytest.mark.live
def test_the_files_are_what_they_are_called(service: Served, tmp_path: Path):
    (lines,) = FILES
    run(service, lines, tmp_path)
    with pa.ipc.open_stream(tmp_path / "rfm.arrow") as stream:
        assert stream.read_all() == pq.read_table(tmp_path / "rfm.parquet")


def test_every_call_and_an_error_have_their_answer():
    asked = " ".join(line for line, _ in ANSWERED)
    assert all(call in asked for call in ("customer_features", "customer_loyalty", "customer_rfm"))
    assert len(ANSWERED) == 5
    assert len(FILES) == 1
