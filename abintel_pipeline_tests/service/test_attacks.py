"""Attacks by strangers on the service as it is run; a customer is answered all the same."""

import contextlib
import itertools
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from abintel_pipeline.service.access.credentials_file import add_secret
from abintel_pipeline_tests.service.documents import REQUESTS
from abintel_pipeline_tests.service.serving import (
    Served,
    add_credentials,
    add_old_credentials,
    served,
)

pytestmark = pytest.mark.live

RFM = "/api/v1/ai/customer_rfm"
JSON = {"Content-Type": "application/json"}
TRIES = 17
ADDRESSES = [f"127.0.1.{n}" for n in range(1, 15)]
CONNECTIONS_EACH = 9
HALF_HEAD = b"GET /health HTTP/1.1\r\nHost: service\r\nX-"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacked")


@pytest.fixture(scope="module")
def headers(folder: Path) -> dict[str, str]:
    return add_credentials(folder / "credentials.json")


@pytest.fixture(scope="module")
def service(folder: Path, headers: dict[str, str]) -> Iterator[Served]:
    with served(folder, credentials_file=str(folder / "credentials.json")) as running:
        yield running
    assert not [line for line in running.lines() if line["level"] == "error"]


def asked(service: Served, headers: dict[str, str], address: str = "127.0.0.1") -> int:
    """The status of a customer's call on a connection of its own."""
    with httpx.Client(
        transport=httpx.HTTPTransport(local_address=address), timeout=60, headers=headers
    ) as client:
        url = service.url + RFM
        return client.post(url, content=REQUESTS["customer_rfm"], headers=JSON).status_code


@contextlib.contextmanager
def wrong_everywhere(service: Served, customer: str) -> Iterator[list[int]]:
    """Wrong secrets for an id, by nine connections from each of fourteen addresses: statuses."""
    over, found = threading.Event(), list[int]()
    wrong = {"X-Customer-Api-Id": customer, "X-Secret": "wrong"}

    def attack(address: str) -> None:
        transport = httpx.HTTPTransport(local_address=address)
        with httpx.Client(transport=transport, timeout=60, headers=wrong) as client:
            while not over.is_set():
                found.append(client.get(f"{service.url}/api/v1/snapshots/customer_rfm").status_code)

    threads = [
        threading.Thread(target=attack, args=(address,))
        for address in ADDRESSES
        for _ in range(CONNECTIONS_EACH)
    ]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_wrong_secrets_from_many_addresses_keep_no_customer_out(
    service: Served, headers: dict[str, str]
):
    with wrong_everywhere(service, str(uuid.uuid4())) as strangers:
        assert [asked(service, headers, "127.0.0.2") for _ in range(TRIES)] == [200] * TRIES
    assert set(strangers) == {401}


def test_nor_do_they_where_its_secret_is_an_old_one_that_was_never_used(tmp_path: Path):
    headers = add_old_credentials(tmp_path / "credentials.json")
    with (
        served(tmp_path, credentials_file=str(tmp_path / "credentials.json")) as service,
        wrong_everywhere(service, headers["X-Customer-Api-Id"]) as strangers,
    ):
        assert [asked(service, headers, "127.0.0.2") for _ in range(TRIES)] == [200] * TRIES
    assert set(strangers) == {401}


def test_nor_do_they_from_its_own_address_when_the_file_is_replaced(
    service: Served, folder: Path, headers: dict[str, str]
):
    assert asked(service, headers) == 200
    wrong = headers | {"X-Secret": "wrong"}
    assert {asked(service, wrong) for _ in range(100)} == {401}
    add_secret(folder / "credentials.json")
    assert asked(service, headers) == 200


def resident_mb(service: Served) -> float:
    page = httpx.get(f"{service.url}/metrics", timeout=60).text
    (line,) = (one for one in page.splitlines() if one.startswith("process_resident_memory_bytes"))
    return float(line.split()[1]) / 1e6


def refused(connection: socket.socket, pieces: Iterable[bytes], pause: float = 0) -> bool:
    """Whether the connection ends before all pieces are sent."""
    try:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def ended(connection: socket.socket) -> bool:
    """Whether the service ends the connection."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65_536):
            pass
    return True


@pytest.mark.parametrize(
    "piece", [b"X-Some: " + b"a" * 10_000 + b"\r\n", b"a" * 10_000, b"X: a\r\n" * 1_000]
)
def test_a_head_of_30_mb_is_refused_and_takes_no_memory(service: Served, piece: bytes):
    before = resident_mb(service)
    with service.connected() as connection:
        connection.sendall(HALF_HEAD)
        assert refused(connection, itertools.repeat(piece, 30_000_000 // len(piece)))
    assert resident_mb(service) < before + 20


def test_trailers_of_30_mb_are_refused_and_take_no_memory(service: Served, headers: dict[str, str]):
    before = resident_mb(service)
    lines = [f"POST {RFM} HTTP/1.1", "Host: service", "Transfer-Encoding: chunked"]
    lines += [f"{name}: {value}" for name, value in (JSON | headers).items()]
    with service.connected() as connection:
        connection.sendall("\r\n".join([*lines, "", "0\r\n"]).encode())
        piece = b"X-Some: " + b"a" * 10_000 + b"\r\n"
        assert refused(connection, itertools.repeat(piece, 3_000))
    assert resident_mb(service) < before + 20


@pytest.mark.parametrize("sent", [b"", HALF_HEAD], ids=["silent", "half a head"])
def test_a_head_that_does_not_come_ends_the_connection(service: Served, sent: bytes):
    with service.connected() as connection:
        connection.sendall(sent)
        assert ended(connection)


def test_a_head_that_drips_ends_the_connection(service: Served):
    with service.connected() as connection:
        connection.sendall(HALF_HEAD)
        assert refused(connection, [b"a"] * 300, pause=0.1)


def test_a_head_has_its_time_after_an_answer_too(service: Served):
    with service.connected() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: service\r\n\r\n" + HALF_HEAD)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        assert ended(connection)


@pytest.fixture
def few_files(tmp_path: Path) -> Iterator[tuple[Served, dict[str, str]]]:
    """A service that may have 100 files open, and the headers of a customer."""
    headers = add_credentials(tmp_path / "credentials.json")
    with served(
        tmp_path, credentials_file=str(tmp_path / "credentials.json"), open_files=100
    ) as service:
        yield service, headers


@pytest.mark.parametrize("sent", [b"", HALF_HEAD], ids=["silent", "half a head"])
def test_connections_beyond_the_open_files_keep_no_customer_out(
    few_files: tuple[Served, dict[str, str]], sent: bytes
):
    service, headers = few_files
    with contextlib.ExitStack() as held:
        for _ in range(150):
            held.enter_context(service.connected()).sendall(sent)
        assert [asked(service, headers) for _ in range(5)] == [200] * 5
    assert asked(service, headers) == 200
    warned = [line["message"] for line in service.lines() if line["level"] == "warning"]
    assert "18 connections are open: the oldest is ended" in warned


def test_nor_do_connections_whose_answers_are_not_read(
    few_files: tuple[Served, dict[str, str]],
):
    service, headers = few_files
    page = httpx.get(f"{service.url}/docs").text
    script = next(one for one in page.split('"') if one.endswith(".js"))
    with contextlib.ExitStack() as held:
        for _ in range(60):
            connection = held.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(service.address)
            with contextlib.suppress(OSError):
                connection.sendall(f"GET {script} HTTP/1.1\r\nHost: service\r\n\r\n".encode())
        assert [asked(service, headers) for _ in range(5)] == [200] * 5


def let_in(service: Served, headers: dict[str, str]) -> socket.socket:
    """A connection on which a customer was let in, and is asked for the body of its call."""
    lines = [f"POST {RFM} HTTP/1.1", "Host: service", "Expect: 100-continue"]
    lines += [f"Content-Length: {len(REQUESTS['customer_rfm'])}"]
    lines += [f"{name}: {value}" for name, value in (JSON | headers).items()]
    connection = service.connected()
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    assert connection.recv(4096).startswith(b"HTTP/1.1 100")
    return connection


def test_customers_at_work_are_not_ended_for_others(few_files: tuple[Served, dict[str, str]]):
    service, headers = few_files
    with contextlib.ExitStack() as held:
        customers = [held.enter_context(let_in(service, headers)) for _ in range(18)]
        for _ in range(60):
            assert ended(held.enter_context(service.connected()))
        for customer in customers:
            customer.sendall(REQUESTS["customer_rfm"])
            assert customer.recv(4096).startswith(b"HTTP/1.1 200")
    assert asked(service, headers) == 200


def test_beyond_loopback_it_warns(tmp_path: Path):
    headers = add_credentials(tmp_path / "credentials.json")
    with served(
        tmp_path,
        "--host",
        "0.0.0.0",
        "--plain-http",
        credentials_file=str(tmp_path / "credentials.json"),
    ) as service:
        assert asked(service, headers) == 200
        (warned,) = (line["message"] for line in service.lines() if line["level"] == "warning")
    assert warned.startswith("plain HTTP beyond loopback")
