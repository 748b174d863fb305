"""What the OpenAPI page says of the routes, from the types that decode and encode them."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from abintel_pipeline.service import documents
from abintel_pipeline.service.examples import EXAMPLES, Example
from abintel_pipeline.service.guarding import ID_HEADER, SECRET_HEADER
from abintel_pipeline.service.rendering import ARROW, JSON, PARQUET

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
    429: "Too many wrong credentials.",
    503: "Too many large requests at a time.",
}
OF_CALLS = (400, 401, 408, 413, 415, 422, 429, 503)
OF_READS = (401, 404, 406, 422, 429, 503)


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
    return _read({JSON: {"schema": schema}})


def rows() -> Json:
    """The description of rows of a table, in each of the formats."""
    schema = {
        "type": "object",
        "required": ["total", "offset", "rows"],
        "properties": {
            "total": {"type": "integer", "description": "Rows that were asked for, on all pages."},
            "offset": {"type": "integer"},
            "rows": {"type": "array", "items": {"type": "object"}},
        },
    }
    binary = {"schema": {"type": "string", "format": "binary"}}
    return _read({JSON: {"schema": schema}, ARROW: binary, PARQUET: binary})


def ready() -> Json:
    """The description of the readiness endpoint."""
    return {"responses": _problems((503,))}


def metrics() -> Json:
    """The description of the metrics endpoint."""
    page = {"text/plain": {"schema": {"type": "string"}}}
    return {"responses": {200: {"description": "Metrics.", "content": page}}}


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
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


_SCHEMES = {
    "id": {"type": "apiKey", "in": "header", "name": ID_HEADER},
    "secret": {"type": "apiKey", "in": "header", "name": SECRET_HEADER},
}


def _secure(paths: Json) -> None:
    for path, operations in paths.items():
        if path.startswith("/api/"):
            for operation in operations.values():
                operation["security"] = [{"id": [], "secret": []}]


def _schemas() -> Json:
    kinds = [kind for pair in TYPES.values() for kind in pair]
    _, schemas = msgspec.json.schema_components([*kinds, documents.Problem], ref_template=REF)
    return schemas


def _ref(name: str) -> Json:
    return {"$ref": REF.format(name=name)}


def _problems(statuses: tuple[int, ...]) -> dict[int, Json]:
    content = {PROBLEM: {"schema": _ref(documents.Problem.__name__)}}
    return {status: {"description": PROBLEMS[status], "content": content} for status in statuses}


def _read(content: Json) -> Json:
    answer = {"description": "Found.", "content": content}
    return {"responses": {200: answer, **_problems(OF_READS)}}


def _requests(example: Example) -> Json:
    return {"document": {"summary": "The document's example", "value": example.request}}


def _answers(example: Example) -> Json:
    answered = {"answered": {"summary": "The answer to the example", "value": example.response}}
    if example.printed is None:
        return answered
    printed = {"summary": "As printed in the document", "description": example.why}
    return answered | {"printed": {**printed, "value": example.printed}}
