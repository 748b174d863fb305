"""abintel serve, features, loyalty, rfm and credentials."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from abintel_pipeline.cli.app import app
from abintel_pipeline.service.access.credentials import Credentials
from abintel_pipeline_tests.service.documents import FEATURES_REQUEST, FEATURES_RESPONSE, REQUESTS


def abintel(*words: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, words, input=stdin)


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "service" / "credentials.json"
    monkeypatch.setenv("ABINTEL_CREDENTIALS_FILE", str(path))
    return path


def test_a_request_file_is_answered_as_the_document_prints_it(tmp_path: Path):
    (tmp_path / "request.json").write_bytes(FEATURES_REQUEST)
    result = abintel("features", "request.json")
    assert result.exit_code == 0, result.stderr
    assert result.stdout_bytes == FEATURES_RESPONSE


@pytest.mark.parametrize("call", ["loyalty", "rfm"])
def test_a_request_comes_from_the_standard_input(call: str):
    result = abintel(call, "-", stdin=REQUESTS[f"customer_{call}"])
    assert [one["customer_id"] for one in json.loads(result.stdout)["customers"]] == [
        "C-1001",
        "C-1002",
    ]


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ("features", ["avg_ticket", "459.48", "C-1002"]),
        ("loyalty", ["Platinum", "mean_score: 0.5", "segment_counts: Platinum 1, Gold 0"]),
        ("rfm", ["Loyal – regular buyers", "recency: 87.8, 66.6, 45.4, 24.2"]),
    ],
)
def test_a_person_is_shown_a_table(call: str, shown: list[str]):
    result = abintel(call, "-", "--format", "table", stdin=REQUESTS[f"customer_{call}"])
    assert result.exit_code == 0
    assert all(words in result.stdout for words in shown), result.stdout


@pytest.mark.parametrize(
    ("customer_id", "shown"),
    [
        ("a:bug:b", "a:bug:b"),
        ("[red]x[/red]", "[red]x[/red]"),
        ("a\x1b[31mb\x9bc\x07", r"a\x1b[31mb\x9bc\x07"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("a\u202eb\u2028c", r"a\u202eb\u2028c"),
        ("x" * 500, "x" * 500),
        ("Müller 東京", "Müller 東京"),
    ],
)
def test_an_id_is_shown_as_it_is_on_one_line(customer_id: str, shown: str):
    request = json.loads(FEATURES_REQUEST)
    request["customers"][0]["customer_id"] = customer_id
    result = abintel("features", "-", "--format", "table", stdin=json.dumps(request).encode())
    assert result.exit_code == 0, result.stderr
    heading, _, first, second, *more = result.stdout.splitlines()
    assert first.strip().startswith(f"{shown} ")
    assert (second.strip().split()[0], more) == ("C-1002", [])
    assert heading.split()[0] == "customer_id"


def test_a_fault_says_nothing_to_the_terminal():
    body = FEATURES_REQUEST.replace(b'"today"', b'"\\u001b[31m:bug:\\u009b"')
    result = abintel("features", "-", stdin=body)
    assert result.stderr.splitlines()[0].startswith(r"\x1b[31m:bug:\x9b: wanted no such field")


def test_the_module_is_the_command():
    words = [sys.executable, "-m", "abintel_pipeline.cli", "rfm", "no-such-file"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "no-such-file can't be read: no such file or directory\n"


def test_faults_are_told_one_a_line(tmp_path: Path):
    body = FEATURES_REQUEST.replace(b"520.55", b"-1").replace(b'"C-1002"', b'" "')
    result = abintel("features", "-", stdin=body)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "customers[0].transactions[0].amount: wanted a number >= 0, found -1",
        'customers[1].customer_id: wanted a text that isn\'t blank, found " "',
    ]
    assert "JSON is malformed" in abintel("rfm", "-", stdin=b"{]").stderr
    missing = abintel("rfm", "no-such-file")
    assert missing.stderr == "no-such-file can't be read: no such file or directory\n"
    assert "is a directory" in abintel("rfm", str(tmp_path)).stderr
    assert "choose json or table" in abintel("rfm", "-", "--format", "xml").stderr


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "abintel_pipeline.service.calls.calls", None)
    result = abintel("rfm", "-", stdin=REQUESTS["customer_rfm"])
    assert result.exit_code == 1
    assert "pip install 'abintel_pipeline[service]'" in result.stderr


def test_a_secret_is_printed_once_and_only_its_hash_is_kept(file: Path):
    first = abintel("credentials", "add")
    customer, secret = (line.split(": ")[1] for line in first.stdout.splitlines())
    second = abintel("credentials", "add", customer)
    newer = second.stdout.splitlines()[1].split(": ")[1]
    assert secret not in file.read_text()
    assert newer not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    known = Credentials(file)
    assert [known.right(customer, one) for one in (secret, newer, "x")] == [True, True, False]
    assert "1 older secrets" in abintel("credentials", "retire", customer).stdout
    assert [known.right(customer, one) for one in (secret, newer)] == [False, True]
    assert abintel("credentials", "remove", customer).exit_code == 0
    assert not known.right(customer, newer)


def test_credentials_that_are_not_there_are_said(file: Path, monkeypatch: pytest.MonkeyPatch):
    nobody = "11111111-1111-1111-1111-111111111111"
    assert "credentials add` writes it" in abintel("credentials", "retire", nobody).stderr
    abintel("credentials", "add")
    assert f"no customer {nobody}" in abintel("credentials", "add", nobody).stderr
    assert "is no id" in abintel("credentials", "add", "me").stderr
    file.write_text("{}{")
    assert "is no credentials file" in abintel("credentials", "add").stderr
    assert "is no credentials file" in abintel("serve").stderr
    monkeypatch.delenv("ABINTEL_CREDENTIALS_FILE")
    assert "set ABINTEL_CREDENTIALS_FILE" in abintel("credentials", "add").stderr


def test_without_credentials_it_serves_only_if_told_so_and_on_loopback(file: Path):
    abintel("credentials", "add")
    both = abintel("serve", "--insecure")
    assert (both.exit_code, "leave --insecure out" in both.stderr) == (1, True)


def test_beyond_loopback_it_serves_plain_http_only_if_told_so(file: Path):
    abintel("credentials", "add")
    refused = abintel("serve", "--host", "0.0.0.0")
    assert (refused.exit_code, "say --plain-http" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "there are no credentials"),
        (("--insecure", "--host", "0.0.0.0"), "0.0.0.0 is no loopback address"),
        (("--insecure", "--host", "example.test"), "example.test is no loopback address"),
        (("--insecure", "--host", "127.0.0.300"), "no loopback address"),
    ],
)
def test_what_would_let_everybody_in_is_not_started(options: tuple[str, ...], said: str):
    result = abintel("serve", *options)
    assert result.exit_code == 1
    assert said in result.stderr
