"""What can be wrong with a request, and how it is said: place, what was there, what is wanted."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from abintel_pipeline.service.calls.documents import Fault, Problem

LISTED = 100
SHOWN = 100
Path = tuple[str | int, ...]


class Refused(Exception):
    """A request that isn't answered. Holds the HTTP status and what the client is told."""

    def __init__(
        self, status: int, title: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(title, status, detail)
        self.headers = headers or {}

    def __reduce__(self) -> tuple[Any, ...]:
        """What is sent between processes: what the client is told."""
        return _refused, (self.problem, self.headers)


class NotJson(Refused):
    """The body isn't JSON text: nothing in it has a place."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, "Not JSON", detail)


class Faulty(Refused):
    """The body is JSON, but not the document: one fault of structure, or every one of value."""

    def __init__(self, faults: Sequence[Fault], total: int | None = None) -> None:
        listed = list(faults[:LISTED])
        count = len(faults) if total is None else total
        first = listed[0]
        found = f", found {first.found}" if first.found else ""
        more = f"; {count - 1:,} more" if count > 1 else ""
        detail = f"{first.place}: wanted {first.wanted}{found}{more}"
        super().__init__(422, "Not as documented", detail)
        self.problem.faults = listed
        self.problem.total_faults = count


def _refused(problem: Problem, headers: dict[str, str]) -> Refused:
    refused = Refused(problem.status, problem.title, problem.detail, headers)
    refused.problem = problem
    return refused


def place_of(path: Path) -> str:
    """A path as it is written in a fault.

    >>> place_of(("customers", 3, "transactions", 7, "amount"))
    'customers[3].transactions[7].amount'
    """
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the document"


def found_at(body: Any, path: Path) -> str:
    """The value at a place as its JSON text, shortened; empty where there is none."""
    raw = body
    try:
        for step in path:
            kind: Any = list[Raw] if isinstance(step, int) else dict[str, Raw]
            raw = msgspec.json.decode(raw, type=kind)[step]
        return _shortened(bytes(memoryview(raw)[: 4 * SHOWN]).decode(errors="replace"))
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, RecursionError):
        return ""


def shown(value: Any) -> str:
    """A value as JSON text, shortened."""
    return _shortened(msgspec.json.encode(value).decode())


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


# ── what msgspec says, as faults ─────────────────────────────────────────────

_SAID_WHERE = re.compile(r"(.*?)(?: - at `(?:key in )?\$(.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_EXPECTED = re.compile(r"Expected `(.*?)`(?:, got .*| of length (.*))?", re.DOTALL)
_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)
_TYPES = {"float": "number", "int": "integer", "str": "string", "date": "date", "bool": "boolean"}


def malformed(error: Exception, body: Any, path: Path = ()) -> Refused:
    """What a decoder's error means for the client; `path` is the place of what was decoded.

    `body` is the whole body, so that what was there can be shown.
    """
    if isinstance(error, RecursionError):
        return NotJson("the body is nested too deep")
    if isinstance(error, UnicodeDecodeError):
        return NotJson("the body is not UTF-8")
    if not isinstance(error, msgspec.ValidationError):
        halved = " (or half a character: a lone surrogate)" if b"\\ud" in body.lower() else ""
        return NotJson(str(error).replace("Input data was truncated", "JSON is cut off") + halved)
    said, where, inside = _parts(str(error))
    path += where
    if inside:
        path += _key_of_no_number(body, path)
    if field := _FIELD.fullmatch(said):
        path += (field[2],)
        known = field[1] == "missing required"
        wanted = "this field, it is required" if known else "no such field"
        return Faulty([Fault(place_of(path), wanted, found_at(body, path))])
    return Faulty([Fault(place_of(path), _wanted(said), found_at(body, path))])


def _parts(message: str) -> tuple[str, Path, bool]:
    """What a message says, where, and whether that is a value below a key that it doesn't tell."""
    matched = _SAID_WHERE.fullmatch(message)
    assert matched is not None
    where = matched[2] or ""
    steps = tuple(m[1] if m[2] is None else int(m[2]) for m in _STEP.finditer(where))
    return matched[1], steps, where.endswith("[...]")


def _key_of_no_number(body: Any, path: Path) -> Path:
    """The first key of an object of numbers, as weights are, whose value is none."""
    try:
        held = msgspec.json.decode(body, type=dict[str, Raw])
        for key, value in msgspec.json.decode(held[str(path[-1])], type=dict[str, Raw]).items():
            if not _is_number(value):
                return (key,)
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError):
        pass  # such as a body that is cut off later on
    return ()


def _is_number(value: Raw) -> bool:
    try:
        msgspec.json.decode(value, type=float)
    except msgspec.DecodeError:
        return False
    return True


def _wanted(said: str) -> str:
    if said.startswith("Invalid RFC3339 encoded date"):
        return "an ISO calendar date, YYYY-MM-DD"
    if said.startswith("Number out of range"):
        return "a finite number"
    expected = _EXPECTED.fullmatch(said)
    if expected is None:
        return said
    kinds = " or ".join(_TYPES.get(kind, kind) for kind in expected[1].split(" | "))
    if expected[2] is not None:
        length = expected[2].replace(">=", "at least").replace("<=", "at most")
        noun = "element" if length.endswith(" 1") else "entries"
        return f"{kinds} with {length} {noun}"
    return kinds
