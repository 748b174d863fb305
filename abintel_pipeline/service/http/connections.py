"""Bounds what strangers may hold: connections, and the size and time of a request's head.

uvicorn bounds the size of a head, but neither its time nor the number of connections.
"""

import asyncio
import logging
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from abintel_pipeline.service.http.sending import ABORT

HEAD_BYTES = 32_768
"""Of a head, or of the trailers of a body; what is longer is answered with 400."""

HEAD_SECONDS = 10.0
"""From a connection's start, or an answer's end, to the end of the next head."""

MOST_CONNECTIONS = 1_000

OWN_FILES = 64
"""Open files that the service needs for itself, so that connections can't take the last one."""

logger = logging.getLogger(__name__)


def connection_limit() -> int:
    """How many connections may be open, and as many wait to be accepted, within the open files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(1, min(MOST_CONNECTIONS, (files - OWN_FILES) // 2))


class Connection(H11Protocol):
    """One connection, which is ended if its head is late or if others need its place.

    Beyond the limit the oldest goes on which nobody was let in: a head of a customer comes at once,
    so it has the place that it needs, whatever strangers hold.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._limit = self.config.backlog
        self._made = self.loop.time()
        self.app_state: dict[str, Any] = {**self.app_state, ABORT: transport.abort}
        self._await_head()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._late.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering:
            self._late.cancel()

    def on_response_complete(self) -> None:
        self._await_head()
        super().on_response_complete()
        if self._is_answering:  # a request that was sent behind the last one
            self._late.cancel()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _is_admitted(self) -> bool:
        return self.scope is not None and "customer_api_id" in self.scope["state"]

    def _await_head(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _make_room(self) -> None:
        if len(self.connections) <= self._limit:
            return
        ours = [one for one in self.connections if isinstance(one, Connection)]
        is_open = [one for one in ours if not one.transport.is_closing()]
        if len(is_open) > self._limit:
            strangers = [one for one in is_open if not one._is_admitted]
            oldest = min(strangers, key=lambda one: one._made, default=self)
            logger.warning("%d connections are open: the oldest is ended", self._limit)
            oldest.transport.abort()
