"""Large requests are answered by processes of their own."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from abintel_pipeline.service.calls import workers
from abintel_pipeline.service.calls.calls import Calls
from abintel_pipeline.service.calls.faults import NotJson, Refused
from abintel_pipeline.service.calls.workers import WorkerLost, Workers, answered
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.service.documents import REQUESTS

BODY = REQUESTS["customer_rfm"]


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Workers]:
    made = Workers(Settings(_env_file=None, data_dir=tmp_path))
    yield made
    made.close()
    for one in multiprocessing.active_children():
        one.join(60)


def processes() -> set[int | None]:
    return {one.pid for one in multiprocessing.active_children()}


@pytest.mark.parametrize("name", list(REQUESTS))
def test_a_worker_answers_as_the_service_does(apart: Workers, calls: Calls, name: str):
    assert apart.answered(name, REQUESTS[name]) == answered(calls, name, REQUESTS[name])


@pytest.mark.parametrize("body", [b"{", b'{"customers": [{"customer_id": " "}]}', b"[]"])
def test_a_worker_refuses_as_the_service_does(apart: Workers, calls: Calls, body: bytes):
    with pytest.raises(Refused) as there:
        apart.answered("customer_rfm", body)
    with pytest.raises(Refused) as here:
        calls.customer_rfm(body)
    assert there.value.problem == here.value.problem
    assert str(there.value) == str(here.value)


def test_a_refusal_keeps_its_headers_between_processes(apart: Workers):
    error = Refused(503, "Busy", "come again", {"Retry-After": "5"})
    function, given = error.__reduce__()
    assert function(*given).headers == {"Retry-After": "5"}
    assert function(*NotJson("cut off").__reduce__()[1]).problem.status == 400


def test_a_worker_ends_after_a_large_body_and_the_next_one_is_there(
    apart: Workers, monkeypatch: pytest.MonkeyPatch
):
    apart.prepare()
    first = processes()
    assert len(first) == 1
    apart.answered("customer_rfm", BODY)
    assert processes() == first
    monkeypatch.setattr(workers, "KEPT_BYTES", len(BODY) - 1)
    apart.answered("customer_rfm", BODY)
    assert len(processes() - first) == 1
    for one in multiprocessing.active_children():
        if one.pid in first:
            one.join(60)
    assert not processes() & first


def test_a_worker_that_was_killed_costs_its_request_alone(apart: Workers):
    apart.prepare()
    (killed,) = processes()
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    with pytest.raises(WorkerLost, match="was killed"):
        apart.answered("customer_rfm", BODY)
    assert apart.answered("customer_rfm", BODY)[1] == 2


def test_what_fails_in_a_worker_says_where(apart: Workers):
    with pytest.raises(RuntimeError, match="AttributeError: 'Calls' object has no attribute"):
        apart.answered("no_such_call", BODY)
    assert apart.answered("customer_rfm", BODY)[1] == 2
