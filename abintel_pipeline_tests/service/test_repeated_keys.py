"""Counting keys finds every key that stands twice, and no other."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from abintel_pipeline.service.calls.faults import Faulty
from abintel_pipeline.service.calls.repeated_keys import check_every_key, may_hide
from abintel_pipeline_tests.metrics.running import reproducible

texts = st.text(alphabet=':"\\\0aé{},u3', max_size=6)


class Pairs(list[tuple[str, Any]]):
    """An object whose keys may stand twice."""


values = st.recursive(
    texts | st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(st.tuples(texts, inner), max_size=3).map(Pairs)
    ),
    max_leaves=10,
)


def written(value: Any, escape: bool) -> str:
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{written(k, escape)}:{written(v, escape)}" for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(one, escape) for one in value) + "]"
    text = json.dumps(value, ensure_ascii=False)
    return text.replace(":", "\\u003A") if escape and isinstance(value, str) else text


def kept(value: Any) -> tuple[int, int, bool]:
    """(fields, colons in texts) of what a decoder keeps; whether a key stands twice or has NUL."""
    if isinstance(value, Pairs):
        last = dict(value)
        inner = [kept(one) for one in last.values()]
        keys = sum(key.count(":") for key in last)
        hidden = len(last) < len(value) or any("\0" in key for key in last)
        # What was overwritten is gone, and whatever was in it.
        hidden = hidden or any(kept(one)[2] for _, one in value)
        return len(last) + sum(n[0] for n in inner), keys + sum(n[1] for n in inner), hidden
    if isinstance(value, list):
        inner = [kept(one) for one in value]
        return sum(n[0] for n in inner), sum(n[1] for n in inner), any(n[2] for n in inner)
    if isinstance(value, str):
        return 0, value.count(":"), "\0" in value
    return 0, 0, False


@given(st.lists(st.tuples(texts, values), max_size=4).map(Pairs), st.booleans())
@reproducible(600)
def test_what_is_certain_is_true_and_what_is_looked_at_is_found(document: Pairs, escape: bool):
    body = written(document, escape).encode()
    fields, colons, hidden = kept(document)
    suspected = may_hide(body, fields, colons)
    assert suspected or not hidden
    if not escape and b"\\" not in body:
        assert suspected == hidden
    if suspected:
        try:
            check_every_key(body)
        except Faulty:
            found = True
        else:
            found = False
        assert found == _offends(document)


def _offends(value: Any) -> bool:
    """As `hidden`, but for NUL in a list's own texts, where the documents have none."""
    if isinstance(value, Pairs):
        texts = [one for _, one in value if isinstance(one, str)] + [key for key, _ in value]
        repeated = len(dict(value)) < len(value)
        return repeated or any("\0" in t for t in texts) or any(_offends(v) for _, v in value)
    if isinstance(value, list):
        return any(_offends(one) for one in value if isinstance(one, Pairs))
    return False
