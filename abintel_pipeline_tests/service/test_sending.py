"""Answers that aren't read, and bodies that are left unread."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from abintel_pipeline.service.http import sending
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.service.documents import REQUESTS
from abintel_pipeline_tests.service.serving import served_here

FEATURES = "/api/v1/ai/customer_features"
JSON = {"Content-Type": "application/json"}
CUSTOMERS = 60_000
PATIENCE = 60
CHUNK = b"400\r\n" + b" " * 1024 + b"\r\n"

Address = tuple[str, int]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("data"),
        memory_limit="1GB",
        service_max_body="12MB",
        service_large_requests=1,
        service_body_seconds=3,
    )
    with served_here(settings) as address:
        yield address


def request() -> bytes:
    """Answered with 9 MB, which is more than the buffers of a connection hold."""
    line = {"transaction_id": "T", "date": "2025-01-01", "amount": 1, "product_id": "P"}
    customers = [{"customer_id": str(n), "transactions": [line]} for n in range(CUSTOMERS)]
    return json.dumps({"today": "2025-02-01", "customers": customers}).encode()


def head(*headers: str, path: str = FEATURES, method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: service", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


@contextlib.contextmanager
def sent(address: Address, *parts: bytes) -> Iterator[socket.socket]:
    """A connection with small buffers on which that was sent."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(PATIENCE)
        connection.connect(address)
        for part in parts:
            connection.sendall(part)
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """What comes until the connection ends, be it with a reset."""
    found = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1_000_000):
            found += part
    return bytes(found)


def ends(connection: socket.socket) -> bool:
    """Whether the connection is ended for who goes on sending."""
    until = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < until:
            connection.sendall(CHUNK)
            time.sleep(0.001)
    except OSError:
        return True
    return False


def post(address: Address, body: bytes) -> int:
    url = f"http://{address[0]}:{address[1]}{FEATURES}"
    return httpx.post(url, content=body, headers=JSON, timeout=PATIENCE).status_code


def large(address: Address) -> int:
    """Whether there is a place for a large request: 422, or 503."""
    return post(address, b'{"customers": [], "x": "' + b"x" * 1_500_000 + b'"}')


def test_a_large_answer_comes_whole_to_who_reads_it(address: Address):
    body = request()
    length = f"Content-Length: {len(body)}"
    with sent(
        address, head("Content-Type: application/json", length, "Connection: close"), body
    ) as it:
        start, _, content = read_all(it).partition(b"\r\n\r\n")
    assert f"content-length: {len(content)}".encode() in start
    assert len(content) > 9_000_000
    assert len(json.loads(content)["customers"]) == CUSTOMERS


def test_an_answer_that_is_not_read_keeps_its_place_and_is_broken_off(
    address: Address, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sending, "SLOWEST", 100_000_000)
    body = request()
    length = f"Content-Length: {len(body)}"
    with sent(address, head("Content-Type: application/json", length), body) as unread:
        unread.recv(1)  # it is being sent
        assert large(address) == 503
        until = time.monotonic() + PATIENCE
        while (found := large(address)) == 503 and time.monotonic() < until:
            time.sleep(0.1)
        assert found == 422
        assert len(read_all(unread)) < 9_000_000


def test_what_is_only_announced_takes_no_place(address: Address):
    idle = head("Content-Type: application/json", "Content-Length: 5000000")
    with sent(address, idle), sent(address, idle, b" " * 900_000):
        time.sleep(0.3)
        assert large(address) == 422


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (head("Content-Type: text/plain", "Transfer-Encoding: chunked"), b"415"),
        (head("Content-Type: application/json", "Content-Length: 99999999"), b"413"),
        (head("Transfer-Encoding: chunked", path="/nowhere"), b"404"),
        (head("Transfer-Encoding: chunked", path="/health"), b"405"),
        (head("Transfer-Encoding: chunked", path="/health", method="GET"), b"200"),
    ],
)
def test_a_body_that_is_left_unread_ends_the_connection(
    address: Address, start: bytes, status: bytes
):
    with sent(address, start, CHUNK) as connection:
        answer = connection.recv(4096)
        assert answer.split()[1] == status
        assert b"\r\nconnection: close\r\n" in answer
        assert ends(connection)


@pytest.mark.parametrize("codings", ["gzip, chunked", "chunked, gzip", "gzip", "identity"])
def test_another_transfer_coding_is_refused(address: Address, codings: str):
    start = head("Content-Type: application/json", f"Transfer-Encoding: {codings}")
    with sent(address, start, CHUNK) as connection:
        assert connection.recv(4096).split()[1] in (b"400", b"415")


@pytest.mark.parametrize("path", ["/nowhere", "/docs"])
def test_who_has_nothing_more_to_send_gets_the_answer_and_the_end(address: Address, path: str):
    start = head("Content-Length: 1000", path=path, method="GET")
    with sent(address, start, b" " * 10) as connection:
        answer = read_all(connection)
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.strip().endswith((b"}", b"</html>"))


def test_a_connection_whose_bodies_are_read_stays_open(address: Address):
    url = f"http://{address[0]}:{address[1]}{FEATURES}"
    with httpx.Client() as client:
        for content in (REQUESTS["customer_features"], b"{}", b"["):
            answer = client.post(url, content=content, headers=JSON)
            assert "connection" not in answer.headers
