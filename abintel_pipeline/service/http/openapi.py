"""What the OpenAPI page says of the routes, from the types that decode and encode them."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import PlainTextResponse

from abintel_pipeline.service.access.guarding import ID_HEADER, SECRET_HEADER
from abintel_pipeline.service.calls import documents
from abintel_pipeline.service.calls.examples import EXAMPLES, Example
from abintel_pipeline.service.http import row_schemas
from abintel_pipeline.service.http.published import HISTORY, SNAPSHOTS
from abintel_pipeline.service.http.rendering import ARROW, JSON, PARQUET

Json = dict[str, Any]
PROBLEM = "application/problem+json"
REF = "#/components/schemas/{name}"

TYPES = {
    "customer_features": (documents.FeaturesRequest, documents.FeaturesResponse),
    "customer_loyalty": (documents.LoyaltyRequest, documents.LoyaltyResponse),
    "customer_rfm": (documents.RfmRequest, documents.RfmResponse),
}
PURPOSES = {
    "customer_features": "Six features of every customer, from its transactions.",
    "customer_loyalty": "A loyalty score and segment of every customer of a cohort, and their"
    " summary.",
    "customer_rfm": "RFM scores and a lifecycle tier of every customer of a cohort, and the"
    " thresholds.",
}
PROBLEMS = {
    400: "The body isn't JSON, or was broken off.",
    401: "The credentials aren't known here.",
    404: "Not published.",
    406: "In none of the accepted types.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    415: "The body has another content type, or an encoding.",
    422: "Not as documented: one fault of structure, or every fault of value.",
    503: "Too many large requests at a time, or a published file is damaged.",
}
NOT_READY = "An example can't be computed, or the credentials are gone or broken."
OF_CALLS = (400, 401, 408, 413, 415, 422, 503)
OF_DAYS = (401, 422)
OF_READS = (401, 404, 406, 422, 503)


def call(name: str) -> Json:
    """The description of a documented call, as arguments of its route."""
    request, response = TYPES[name]
    example = EXAMPLES[name]
    body = {
        "required": True,
        "content": {JSON: {"schema": _ref(request.__name__), "examples": _requests(example)}},
    }
    answer = {JSON: {"schema": _ref(response.__name__), "examples": _answers(example)}}
    return {
        "summary": name,
        "description": PURPOSES[name],
        "openapi_extra": {"requestBody": body},
        "responses": {200: {"description": "Computed.", "content": answer}, **_problems(OF_CALLS)},
    }


def days() -> Json:
    """The description of a table's days."""
    schema = {
        "type": "object",
        "required": ["table", "days"],
        "properties": {
            "table": {"type": "string"},
            "days": {"type": "array", "items": {"type": "string", "format": "date"}},
        },
    }
    return _read({JSON: {"schema": schema, "example": row_schemas.DAYS}}, OF_DAYS)


def rows() -> Json:
    """The description of a day's rows of any table, in each of the formats."""
    return _rows([*SNAPSHOTS], row_schemas.LOYALTY)


def history() -> Json:
    """The description of a customer's rows, in each of the formats."""
    return _rows([HISTORY.name], row_schemas.HISTORY)


def _rows(tables: list[str], example: Json) -> Json:
    rows = [_ref(_row(name)) for name in tables]
    schema = {
        "type": "object",
        "required": ["total", "offset", "rows"],
        "properties": {
            "total": {"type": "integer", "description": "Rows that were asked for, on all pages."},
            "offset": {"type": "integer"},
            "rows": {"type": "array", "items": {"anyOf": rows}},
        },
    }
    binary = {"schema": {"type": "string", "format": "binary"}}
    page = {"schema": schema, "example": example}
    found = _read({JSON: page, ARROW: binary, PARQUET: binary}, OF_READS)
    found["responses"][200]["headers"] = {"X-Total-Count": _TOTAL}
    return found


def _row(table: str) -> str:
    return f"Row_{table}"


def ready() -> Json:
    """The description of the readiness endpoint."""
    described = _problems((503,))
    del described[503]["headers"]
    return {"responses": {503: {**described[503], "description": NOT_READY}}}


def metrics() -> Json:
    """The description of the metrics endpoint."""
    page = {"text/plain": {"schema": {"type": "string"}}}
    answer = {"description": "Metrics.", "content": page}
    return {"response_class": PlainTextResponse, "responses": {200: answer}}


def describe(app: FastAPI, *, secured: bool) -> None:
    """Have the app's OpenAPI document hold the documents' types and how to be let in."""

    def document() -> Json:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            components = made.setdefault("components", {})
            components.setdefault("schemas", {}).update(_schemas())
            if secured:
                components["securitySchemes"] = _SCHEMES
                _secure(made["paths"])
            _finish(made["paths"], secured=secured)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


RETRIED = frozenset({503})
_RETRY_AFTER = {
    "description": "Seconds after which to come again.",
    "schema": {"type": "integer", "minimum": 1},
}
_TOTAL = {
    "description": "Rows that were asked for, on all pages.",
    "schema": {"type": "integer", "minimum": 0},
}
_REQUEST_ID = {
    "description": "The request's id, under which the log has it.",
    "schema": {"type": "string"},
}
_SCHEMES = {
    "id": {"type": "apiKey", "in": "header", "name": ID_HEADER},
    "secret": {"type": "apiKey", "in": "header", "name": SECRET_HEADER},
}


def _secure(paths: Json) -> None:
    for path, operations in paths.items():
        if path.startswith("/api/"):
            for operation in operations.values():
                operation["security"] = [{"id": [], "secret": []}]


def _finish(paths: Json, *, secured: bool) -> None:
    """What holds for every route: each answer has an id, and who is let in is asked or isn't."""
    for operations in paths.values():
        for operation in operations.values():
            if not secured:
                operation["responses"].pop("401", None)
            for answer in operation["responses"].values():
                answer["headers"] = {**answer.get("headers", {}), "X-Request-Id": _REQUEST_ID}


def _schemas() -> Json:
    kinds = [kind for pair in TYPES.values() for kind in pair]
    _, schemas = msgspec.json.schema_components([*kinds, documents.Problem], ref_template=REF)
    rows = {_row(name): row_schemas.row_schema(table) for name, table in SNAPSHOTS.items()}
    return schemas | rows


def _ref(name: str) -> Json:
    return {"$ref": REF.format(name=name)}


def _problems(statuses: tuple[int, ...]) -> dict[int, Json]:
    content = {PROBLEM: {"schema": _ref(documents.Problem.__name__)}}
    found: dict[int, Json] = {
        status: {"description": PROBLEMS[status], "content": content} for status in statuses
    }
    for status in RETRIED.intersection(statuses):
        found[status]["headers"] = {"Retry-After": _RETRY_AFTER}
    return found


def _read(content: Json, statuses: tuple[int, ...]) -> Json:
    answer: Json = {"description": "Found.", "content": content}
    return {"responses": {200: answer, **_problems(statuses)}}


def _requests(example: Example) -> Json:
    return {"document": {"summary": "The document's example", "value": example.request}}


def _answers(example: Example) -> Json:
    answered = {"answered": {"summary": "The answer to the example", "value": example.response}}
    if example.printed is None:
        return answered
    printed = {"summary": "As printed in the document", "description": example.why}
    return answered | {"printed": {**printed, "value": example.printed}}
