"""JSON read so that nothing is lost: numbers keep their text, repeated keys and NaN are noticed."""

import json
import re
from typing import Any

from abintel_pipeline.intake.text_files import is_utf8


class Number(str):
    """A JSON number, as its text."""


class Constant(str):
    """NaN, Infinity or -Infinity: Python reads them, JSON doesn't have them."""


class Repeated(dict[str, Any]):
    """A JSON object in which a key stands more than once; `fault` says which."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.fault = f"key {repeated_key(pairs)!r} stands twice"


def repeated_key(pairs: list[tuple[str, Any]]) -> str | None:
    """The first key of an object that stood in it before; None: each stands once."""
    if len(dict(pairs)) == len(pairs):
        return None
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    return None


def parse(text: str) -> Any:
    """JSON text as Python values. Raises json.JSONDecodeError, or RecursionError when too deep."""
    return json.loads(
        text,
        parse_float=Number,
        parse_int=Number,
        parse_constant=Constant,
        object_pairs_hook=_object,
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Repeated(pairs)


_WHOLE = re.compile(r"-?\d+(\.0+)?")
_PLAIN = json.JSONEncoder(ensure_ascii=False, default=str).encode
_ESCAPED = json.JSONEncoder().encode


def as_json(value: Any) -> str:
    """Values of `parse` as JSON again, numbers as they were written; NaN becomes a string."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_json(k)}: {as_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_json, value)) + "]"
    halved = isinstance(value, str) and not is_utf8(value)
    return _ESCAPED(value) if halved else _PLAIN(value)


def id_text(value: Any) -> tuple[str | None, str | None]:
    """An id as text, and why it isn't one: text and whole numbers are, also a whole `17850.0`.

    A number with an exponent or decimals is none: `1.5` and `1.50` are one number.
    """
    if value is None:
        return None, None
    if isinstance(value, Constant) and value == "NaN":
        return None, None
    if not isinstance(value, str) or isinstance(value, Constant):
        return None, "not text"
    if isinstance(value, Number) and not _WHOLE.fullmatch(value):
        return None, "not text"
    return (str(value), None) if is_utf8(value) else (None, "not UTF-8 text")


def value_text(value: Any) -> str | None:
    """A date or a number as text; what is neither (`true`, a list) as JSON, which is rejected."""
    if value is None:
        return None
    if isinstance(value, str):
        return str(value) if is_utf8(value) else value.encode(errors="backslashreplace").decode()
    return as_json(value)
