"""How an answer leaves: in pieces, in time, and on a connection that ends if a body is left unread.

What isn't read of an answer is memory here. A body that was refused would be swallowed for as long
as the client sends it.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from abintel_pipeline.service.http.bodies import SLOWEST

PIECE = 256 * 1024
"""Bytes that are handed to the server at a time: it keeps no more while they aren't read."""

LINGER_SECONDS = 2.0
"""How long a refused body is still read, so that the answer isn't lost with a reset connection."""

ABORT = "abort_connection"
"""In the state of a request: what breaks its connection off, for which ASGI has no message."""

CLOSE = (b"connection", b"close")


class Holding(Response):
    """An answer until whose end something is held, such as a place for large requests."""

    def __init__(
        self, content: bytes, held: ExitStack, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, headers=headers, media_type=kind)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)


class Paced:
    """An ASGI app whose answers are sent in pieces; one that is read too slowly is broken off."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = _Answer(scope, receive, send, self._seconds).sent
        await self._app(scope, receive, send)


class _Answer:
    """One answer, and how fast the client reads it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._seconds = seconds
        self._until: float | None = None
        self._given_up = False

    async def sent(self, message: Message) -> None:
        if self._given_up:
            return
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._until) as patience:
                for piece in _pieces(message):
                    await self._send(piece)
                    self._until += len(piece.get("body", b"")) / SLOWEST
                    patience.reschedule(self._until)
        except TimeoutError:
            await self._give_up()

    async def _give_up(self) -> None:
        self._given_up = True
        abort = self._scope.get("state", {}).get(ABORT)
        if abort is not None:
            abort()
            while (await self._receive())["type"] != "http.disconnect":
                pass


def _pieces(message: Message) -> Iterator[Message]:
    """A message, or in its place several with a part of its body and an empty one at the end."""
    body = message.get("body", b"")
    if len(body) > PIECE:
        for start in range(0, len(body), PIECE):
            part = body[start : start + PIECE]
            yield {"type": message["type"], "body": part, "more_body": True}
        message = {**message, "body": b""}
    yield message


class Unread:
    """An ASGI app that says `Connection: close` where it leaves a body unread, and means it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            await exchange.end()


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class _Exchange:
    """A request with a body, and its answer."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._read = self._closing = False
        self._last: Message | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        self._read |= not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Hold the end of the answer back if the body is unread: with it the connection ends."""
        if message["type"] == "http.response.start" and not self._read:
            self._closing = True
            message = {**message, "headers": [*message.get("headers", []), CLOSE]}
        elif self._closing and not message.get("more_body", False):
            self._last = {"type": message["type"], "body": b""}
            message = {**message, "more_body": True}
        await self._send(message)

    async def end(self) -> None:
        """The client has the whole answer, and some time to read it instead of sending on."""
        if self._last is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._read:
                    await self.receive()
        await self._send(self._last)
