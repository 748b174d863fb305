"""Broken documents, thousands of them in the live suite: each is refused with a 4xx, and the app
goes on answering."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abintel_pipeline.service.http.app import create_app
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.service.documents import REQUESTS

Post = Callable[[str, bytes], httpx.Response]


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """POST to the app, on an event loop of its own; a defect in the app is raised here."""
    app = create_app(Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data")), None)
    with asyncio.Runner() as runner:
        transport = httpx.ASGITransport(app)
        client = httpx.AsyncClient(transport=transport, base_url="http://service")

        def send(call: str, body: bytes) -> httpx.Response:
            sent: Awaitable[httpx.Response] = client.post(
                f"/api/v1/ai/{call}", content=body, headers={"Content-Type": "application/json"}
            )
            return runner.run(_awaited(sent))

        yield send
        runner.run(client.aclose())


async def _awaited(sent: Awaitable[httpx.Response]) -> httpx.Response:
    return await sent


def thorough(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


calls = st.sampled_from(sorted(REQUESTS))
odd_texts = st.sampled_from(["", " ", "\0", "é", "😀", "a:b", '"', "\\", "x" * 5_000])
odd_numbers = st.sampled_from([-1, 0, 0.5, -0.0, 1e16, 1e308, 5e-324, 10**20, 2**31, 2**63])
odd_values = st.one_of(
    st.none(),
    st.booleans(),
    odd_numbers,
    odd_texts,
    st.floats(allow_nan=False),
    st.integers(),
    st.text(max_size=5),
    st.dates().map(str),
    st.datetimes().map(str),
    # Made anew each time: what was drawn before may be changed afterwards.
    st.builds(list),
    st.builds(dict),
    st.builds(lambda: [[]]),
    st.builds(lambda: {"a": {}}),
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a JSON value, itself included."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(inner, (*path, key))


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, bytes]:
    """An example with one to three places in it left out, replaced or added to."""
    call = draw(calls)
    document = json.loads(REQUESTS[call])
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from([p for p in paths(document) if p] or [("x",)]))
        inner = document
        for key in above:
            inner = inner[key]
        action = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if action == "replace":
            inner[last] = draw(odd_values)
        elif action == "remove" and isinstance(inner, list | dict) and len(inner) > 0:
            del inner[last]
        elif isinstance(inner, dict):
            inner[draw(st.sampled_from(["extra", "a b", "today", "bins", "weights", ""]))] = draw(
                odd_values
            )
    return call, json.dumps(document).encode()


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """An example's bytes, cut off, with bytes put in, taken out or doubled."""
    call = draw(calls)
    body = REQUESTS[call]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.sampled_from([0, 1, 2, 20, 200])))
        put_in = draw(
            st.one_of(
                st.binary(max_size=4),
                st.sampled_from(
                    [b"", b",", b'"', b"{", b"[" * 2_000, b"NaN", b"1e999", b"\\ud800"]
                ),
                st.just(body[start:end] * 2),
            )
        )
        body = body[:start] + put_in + body[end:]
    return call, body


anything = st.tuples(
    calls,
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            odd_values,
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["customers", "transactions", "customer_id", "features", "date"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)


def assert_answered(response: httpx.Response) -> None:
    """Computed, or refused with a problem that says where and what."""
    if response.status_code == 200:
        assert response.json()["customers"]
        return
    assert response.status_code in (400, 422), response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["detail"]
    if response.status_code == 422:
        assert 1 <= len(problem["faults"]) == min(problem["total_faults"], 100)
        assert all(fault["wanted"] for fault in problem["faults"])
        assert len(response.content) < 100_000


@pytest.mark.parametrize(
    ("broken", "distinct"), [(90, 200), pytest.param(900, 2_000, marks=pytest.mark.live)]
)
def test_distinct_broken_documents_are_refused(post: Post, broken: int, distinct: int):
    """Of three kinds; some are drawn twice, and some turn out not to be broken."""
    refused: set[tuple[str, bytes]] = set()

    def send(document: tuple[str, bytes]) -> None:
        response = post(*document)
        assert_answered(response)
        if response.status_code != 200:
            refused.add(document)

    def send_nonsense(document: tuple[str, bytes]) -> None:
        send(document)
        assert document in refused

    for kind, sending in ((changed(), send), (damaged(), send), (anything, send_nonsense)):
        thorough(broken)(given(kind)(sending))()
    assert len(refused) >= distinct


def test_it_still_answers_the_example(post: Post):
    assert post("customer_rfm", REQUESTS["customer_rfm"]).status_code == 200
