"""The routes: each reads its request, has it answered off the event loop, and sends the answer."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from abintel_pipeline.service.calls.documents import encode
from abintel_pipeline.service.calls.examples import EXAMPLES
from abintel_pipeline.service.calls.faults import Refused
from abintel_pipeline.service.calls.workers import answered
from abintel_pipeline.service.http import openapi, published
from abintel_pipeline.service.http.bodies import LARGE, read_json
from abintel_pipeline.service.http.parameters import (
    DEFAULT_LIMIT,
    MOST_ROWS,
    IsoDate,
    Limit,
    Offset,
    TableName,
    check_known,
    check_limit,
)
from abintel_pipeline.service.http.parts import Parts
from abintel_pipeline.service.http.published import SNAPSHOTS, Found, NoSuchCustomer, Page
from abintel_pipeline.service.http.rendering import FILES, JSON, preferred, rows_as_json
from abintel_pipeline.service.http.sending import Holding
from abintel_pipeline.store.proofs import NotAsPublished
from abintel_pipeline.store.snapshot_store import SnapshotMissing

DAMAGED_RETRY = {"Retry-After": "600"}
"""Somebody has to publish the day again."""

logger = logging.getLogger(__name__)

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def calls_router(parts: Parts) -> APIRouter:
    """The three documented calls."""
    guards = [Depends(parts.admit), Depends(check_known)]
    router = APIRouter(prefix="/api/v1/ai", tags=["calls"], dependencies=guards)

    def add(name: str) -> None:
        async def answer(request: Request) -> Response:
            with ExitStack() as held:
                body = await read_json(request, parts.settings, parts.places, held)
                large = len(body) > LARGE
                apart, here = parts.workers.answered, partial(answered, parts.calls)
                made = partial(apart if large else here, name, body)
                content, customers = await parts.run(made, large=large)
                parts.metrics.customers.labels(name).inc(customers)
                return Holding(content, held.pop_all(), JSON)

        router.add_api_route(f"/{name}", answer, methods=["POST"], name=name, **openapi.call(name))

    for name in EXAMPLES:
        add(name)
    return router


def _reading(router: APIRouter, path: str, **described: Any) -> Callable[[Endpoint], Endpoint]:
    """Have the function answer GET, and HEAD as well, which OpenAPI need not tell."""

    def add(answer: Endpoint) -> Endpoint:
        router.add_api_route(path, answer, methods=["GET"], **described)
        router.add_api_route(path, answer, methods=["HEAD"], include_in_schema=False)
        return answer

    return add


def published_router(parts: Parts) -> APIRouter:
    """Reads of what the pipeline published."""
    guards = [Depends(parts.admit), Depends(check_known)]
    router = APIRouter(prefix="/api/v1", tags=["published"], dependencies=guards)

    @_reading(router, "/snapshots/{table}", **openapi.days())
    async def snapshot_days(table: TableName) -> Response:
        """The days of which the table is published."""
        found = await parts.run(partial(published.days, parts.settings, SNAPSHOTS[table]))
        return Response(encode({"table": table, "days": found}), media_type=JSON)

    @_reading(router, "/snapshots/{table}/{day}", **openapi.rows())
    async def snapshot(
        request: Request,
        *,
        table: TableName,
        day: IsoDate,
        customer_id: str | None = None,
        limit: Limit = None,
        offset: Offset = 0,
    ) -> Response:
        """The rows of one day, in their published order."""
        if customer_id is not None and "customer_id" not in SNAPSHOTS[table].schema.names:
            raise Refused(404, "No such rows", f"{table} has no rows of single customers")
        read = partial(
            published.snapshot, parts.settings, SNAPSHOTS[table], day, customer_id=customer_id
        )
        return await _page(parts, request, limit, offset, read)

    @_reading(router, "/customers/{customer_id:path}/history", **openapi.history())
    async def customer_history(
        request: Request,
        *,
        customer_id: str,
        start: Annotated[IsoDate, Query(alias="from")] = date.min,
        end: Annotated[IsoDate, Query(alias="to")] = date.max,
        limit: Limit = None,
        offset: Offset = 0,
    ) -> Response:
        """A customer's rows of `customer_rfm`, from day to day."""
        read = partial(published.history, parts.settings, customer_id, first=start, last=end)
        return await _page(parts, request, limit, offset, read)

    return router


async def _page(
    parts: Parts, request: Request, limit: int | None, offset: int, read: Callable[..., Found]
) -> Response:
    kind = preferred(", ".join(request.headers.getlist("accept")))
    if kind == JSON:
        limit = check_limit(limit or DEFAULT_LIMIT)
    page = Page(limit, offset)

    def content() -> tuple[bytes, int]:
        found = read(page=page)
        if kind in FILES:
            return FILES[kind](found.rows), found.total
        told = {"total": found.total, "offset": offset, "rows": rows_as_json(found.rows)}
        return encode(told), found.total

    with ExitStack() as held:
        large = limit is None or limit > MOST_ROWS
        if large:
            held.enter_context(parts.places.taken())
        try:
            body, total = await parts.run(content, large=large)
        except (SnapshotMissing, NoSuchCustomer) as error:
            raise Refused(404, "Not published", str(error)) from None
        except NotAsPublished as error:
            logger.error("%s", error)  # it names a path, which is not for customers
            told = f"{error.table.name} of {error.day} is damaged in the store: it is not read"
            raise Refused(503, "Damaged", told, DAMAGED_RETRY) from None
        counted = {"X-Total-Count": str(total), "Vary": "Accept"}
        return Holding(body, held.pop_all(), kind, counted)


def operations_router(parts: Parts) -> APIRouter:
    """For whoever looks after the service; open to everybody, and without anybody's data."""
    router = APIRouter(tags=["operations"])

    @_reading(router, "/health")
    async def health() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @_reading(router, "/ready", **openapi.ready())
    async def ready() -> dict[str, str]:
        """Whether a call can be answered: one is, and somebody can be let in."""
        if not parts.has_credentials:
            raise Refused(503, "Not ready", "the credentials are gone or broken: nobody is let in")
        try:
            await parts.probe()
        except Exception as error:
            logger.exception("not ready")
            why = f"an example can't be computed ({type(error).__name__})"
            raise Refused(503, "Not ready", why) from None
        return {"status": "ready"}

    @_reading(router, "/metrics", **openapi.metrics())
    async def metrics() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(parts.metrics.page(), media_type=CONTENT_TYPE_LATEST)

    return router
