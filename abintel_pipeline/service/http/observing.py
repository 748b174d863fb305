"""What is seen of the service: an access log, one JSON object a line, and Prometheus metrics.

Neither holds a secret, a body, a query or a path with a customer in it: a route is told by its
template.
"""

import json
import logging
import sys
import time
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ACCESS = logging.getLogger("abintel_pipeline.service.access")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NO_ROUTE = "none"
REQUEST_ID = b"x-request-id"

UNDER_WAY: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is worked on: what the server logs of it has no other way to know."""


class Metrics:
    """The service's metrics, apart from those of any other app in the process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter(
            "abintel_requests",
            "Requests answered.",
            ["route", "method", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "abintel_request_seconds",
            "Seconds from the request's first byte to the answer's last.",
            ["route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "abintel_requests_in_flight", "Requests being worked on.", registry=self._registry
        )
        self.customers = Counter(
            "abintel_customers", "Customers computed.", ["call"], registry=self._registry
        )

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class Observed:
    """An ASGI app of which every request is counted, timed and logged, under an id of its own."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = _Seen(scope)
        UNDER_WAY.set(seen.request_id)  # until its task ends: the server logs after this returns
        self._metrics.in_flight.inc()

        async def sending(message: Message) -> None:
            seen.sent(message)
            await send(message)

        async def receiving() -> Message:
            message = await receive()
            seen.bytes_in += len(message.get("body", b""))
            return message

        try:
            await self._app(scope, receiving, sending)
        finally:
            self._metrics.in_flight.dec()
            self._tell(seen)

    def _tell(self, seen: "_Seen") -> None:
        route, method = seen.route, seen.method
        seconds = time.perf_counter() - seen.began
        self._metrics.requests.labels(route, method, seen.status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        ACCESS.info(
            "request",
            extra={
                "fields": {
                    "request_id": seen.request_id,
                    "method": method,
                    "route": route,
                    "status": seen.status,
                    "ms": round(seconds * 1000, 1),
                    "bytes_in": seen.bytes_in,
                    "bytes_out": seen.bytes_out,
                    "client": seen.client,
                    "customer_api_id": seen.admitted,
                }
            },
        )


class _Seen:
    """One request, as far as it may be told."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.began = time.perf_counter()
        self.request_id = uuid.uuid4().hex
        self.status = 0
        self.bytes_in = self.bytes_out = 0

    def sent(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", []),
                (REQUEST_ID, self.request_id.encode()),
            ]
        if self.method != "HEAD":
            self.bytes_out += len(message.get("body", b""))

    @property
    def route(self) -> str:
        return getattr(self._scope.get("route"), "path", NO_ROUTE)

    @property
    def method(self) -> str:
        method = self._scope["method"]
        return method if method in METHODS else "other"

    @property
    def client(self) -> str:
        client = self._scope.get("client")
        return client[0] if client else ""

    @property
    def admitted(self) -> str | None:
        """The id of whoever was let in; what others sent as theirs may be anything."""
        found: str | None = self._scope.get("state", {}).get("customer_api_id")
        return found


class JsonLines(logging.Formatter):
    """A log record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_of_request(record),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


def _of_request(record: logging.LogRecord) -> dict[str, str]:
    """The id of the request that failed, for the line with its traceback."""
    request_id = UNDER_WAY.get()
    return {"request_id": request_id} if record.exc_info and request_id else {}


def log_to_stdout() -> None:
    """Have the service's and the server's log written to the standard output as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    for name in ("abintel_pipeline.service", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
