"""The parameters of paths and queries: what they may be, and what is said where they aren't."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from abintel_pipeline.service.calls.documents import Fault
from abintel_pipeline.service.calls.faults import Faulty, place_of, shown
from abintel_pipeline.service.http.published import SNAPSHOTS

DEFAULT_LIMIT = 1_000
MOST_ROWS = 10_000
"""Rows in one answer as JSON; as a file there may be any number."""


def _iso_date(value: Any) -> date:
    """A day as YYYY-MM-DD and nothing else: Pydantic takes numbers and times of day as well."""
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        day = None
    if day is None or day.isoformat() != value:
        raise ValueError("an ISO calendar date, YYYY-MM-DD")
    return day


def _known_table(name: str) -> str:
    if name not in SNAPSHOTS:
        raise ValueError(f"one of {', '.join(SNAPSHOTS)}")
    return name


IsoDate = Annotated[
    date, BeforeValidator(_iso_date), WithJsonSchema({"type": "string", "format": "date"})
]
TableName = Annotated[
    str,
    AfterValidator(_known_table),
    WithJsonSchema({"type": "string", "enum": list(SNAPSHOTS)}),
]

Offset = Annotated[int, Query(ge=0, le=2**53, description="Rows to leave out before the first.")]
Limit = Annotated[
    int | None,
    Query(
        ge=1,
        le=2**53,
        description=f"Rows at most. As JSON {DEFAULT_LIMIT:,} if left out and {MOST_ROWS:,} at"
        " most; as a file all if left out.",
    ),
]


def check_known(request: Request) -> None:
    """Raises Faulty for a parameter that the route doesn't have, or that stands twice."""
    known = [one.alias for one in request.scope["route"].dependant.query_params]
    faults = []
    for name in request.query_params:
        place, values = f"query.{name[:100]}", request.query_params.getlist(name)
        if name not in known:
            wanted = f"one of {', '.join(known)}" if known else "no parameters"
            faults.append(Fault(place, wanted, shown(values[0])))
        elif len(values) > 1:
            faults.append(Fault(place, "this parameter once", shown(values)))
    if faults:
        raise Faulty(faults)


def check_limit(limit: int) -> int:
    """The limit of an answer as JSON. Raises Faulty above MOST_ROWS."""
    if limit > MOST_ROWS:
        wanted = f"at most {MOST_ROWS:,} rows as JSON: page on with offset, or accept a file"
        raise Faulty([Fault("query.limit", wanted, str(limit))])
    return limit


def faults_of(errors: Sequence[Any]) -> list[Fault]:
    """What Pydantic found, in plain words."""
    return [Fault(place_of(tuple(one["loc"])), _wanted(one), shown(one["input"])) for one in errors]


def _wanted(error: Any) -> str:
    kind, bounds = error["type"], error.get("ctx", {})
    if kind == "greater_than_equal":
        return f"a whole number >= {bounds['ge']}"
    if kind == "less_than_equal":
        return f"a whole number <= {bounds['le']}"
    if kind.startswith("int_"):
        return "a whole number"
    return str(error["msg"]).removeprefix("Value error, ")
