"""The service as an ASGI app: its parts are put together here, its routes are in `routes`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from abintel_pipeline.service.access.credentials import Credentials
from abintel_pipeline.service.calls.documents import Problem, encode
from abintel_pipeline.service.calls.faults import Faulty, Refused
from abintel_pipeline.service.http.observing import Observed
from abintel_pipeline.service.http.openapi import PROBLEM, describe
from abintel_pipeline.service.http.parameters import faults_of
from abintel_pipeline.service.http.parts import Parts
from abintel_pipeline.service.http.routes import calls_router, operations_router, published_router
from abintel_pipeline.service.http.sending import Paced, Unread
from abintel_pipeline.settings import Settings

ABOUT = """
The three documented calls, computed by the formulas of the pipeline, and reads of the snapshots
that it published.
"""


def create_app(settings: Settings, credentials: Credentials | None) -> ASGIApp:
    """The service under these settings. Without credentials it lets everybody in."""
    parts = Parts(settings, credentials)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await parts.warm_up()
            yield
        finally:
            parts.close()

    app = FastAPIOffline(
        redoc_url=None,
        redirect_slashes=False,  # a path is one of those that are described, or isn't
        title="abintel_pipeline",
        version=version("abintel_pipeline"),
        description=ABOUT,
        lifespan=lifespan,
        # FastAPI's own traces would hold paths with customers in them.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for page in [one for one in app.routes if isinstance(one, APIRoute)]:  # /docs
        app.add_api_route(page.path, page.endpoint, methods=["HEAD"], include_in_schema=False)
    for router in (calls_router, published_router, operations_router):
        app.include_router(router(parts))
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _failed)
    describe(app, secured=credentials is not None)
    paced = Paced(app, settings.service_body_seconds)
    return Unread(Observed(paced, parts.metrics))


def _problem(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(problem), problem.status, headers, media_type=PROBLEM)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _problem(error.problem, error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    """A parameter of the path or the query that isn't as described."""
    assert isinstance(error, RequestValidationError)
    return _problem(Faulty(faults_of(error.errors())).problem)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    if headers.get("Allow") == "GET":
        headers["Allow"] = "GET, HEAD"  # which has a route of its own
    return _problem(Problem(title, error.status_code, str(error.detail)), headers)


async def _failed(_: Request, error: Exception) -> Response:
    """A defect here. What happened is in the log, under the id of the request."""
    return _problem(Problem("Failed", 500, f"a defect in the service ({type(error).__name__})"))
