"""Reads the body of a request: of the right kind, within the limits of size and time."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from starlette.requests import ClientDisconnect, Request

from abintel_pipeline.service.calls.faults import Refused
from abintel_pipeline.settings import Settings

SLOWEST = 100_000
"""Bytes per second that a body has to come with, once its first seconds are over."""

LARGE = 1_000_000
"""Bytes above which a request needs one of the places for large ones."""

RETRY_SECONDS = 5


class LargePlaces:
    """How many large requests may be worked on at a time. For one thread, the event loop's."""

    def __init__(self, places: int) -> None:
        self.places = self.free = places

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A place until the block ends. Raises Refused (503) where there is none."""
        if not self.free:
            raise Refused(
                503,
                "Busy",
                f"{self.places} large requests are being worked on: come again later",
                {"Retry-After": str(RETRY_SECONDS)},
            )
        self.free -= 1
        try:
            yield
        finally:
            self.free += 1


async def read_json(
    request: Request, settings: Settings, places: LargePlaces, held: ExitStack
) -> bytearray:
    """The whole body. Once more than LARGE has come it takes a place, until `held` is closed.

    Raises Refused: 415 for another content type or encoding, 413 above the largest size, 408 when
    it comes too slowly, 400 when it is broken off, 503 without a place.
    """
    _check_kind(request)
    size = _Size(settings.max_body_bytes, places, held)
    size.declared(int(request.headers.get("content-length", "0")))
    body = bytearray()
    began = asyncio.get_running_loop().time()
    patience = asyncio.timeout_at(began + settings.service_body_seconds)
    try:
        async with patience:
            async for part in request.stream():
                body += part
                size.grown_to(len(body))  # nobody has to say how much will come
                patience.reschedule(began + settings.service_body_seconds + len(body) / SLOWEST)
    except TimeoutError:
        raise Refused(
            408,
            "Too slow",
            f"only {len(body):,} bytes have come: send at least {SLOWEST // 1000} kB a second",
        ) from None
    except ClientDisconnect:
        raise Refused(400, "Broken off", f"the body ended after {len(body):,} bytes") from None
    return body


class _Size:
    """The size of a body as far as it is known, held against what is allowed."""

    def __init__(self, most: int, places: LargePlaces, held: ExitStack) -> None:
        self._most, self._places, self._held = most, places, held
        self._large = False

    def declared(self, size: int) -> None:
        """Raises Refused when it will be too large. What is only announced takes no place."""
        if size > self._most:
            raise Refused(
                413,
                "Too large",
                f"the body is larger than {self._most:,} bytes: send fewer customers at a time,"
                " or raise ABINTEL_SERVICE_MAX_BODY",
            )

    def grown_to(self, size: int) -> None:
        """Raises Refused when it is too large, or large and there is no place for it."""
        self.declared(size)
        if size > LARGE and not self._large:
            self._held.enter_context(self._places.taken())
            self._large = True


def _check_kind(request: Request) -> None:
    kind = _only(request, "content-type")
    if kind.partition(";")[0].strip().lower() != "application/json":
        said = f"not {kind[:100]!r}" if kind else "it has none"
        raise Refused(
            415, "Not JSON", f"the content type has to be application/json, {said}", _ACCEPTED
        )
    encoding = _only(request, "content-encoding") or "identity"
    coding = _only(request, "transfer-encoding") or "chunked"
    if (encoding.strip().lower(), coding.strip().lower()) != ("identity", "chunked"):
        encoded = f"{encoding}, {coding}".removeprefix("identity, ").removesuffix(", chunked")
        raise Refused(
            415,
            "Encoded",
            f"the body has the encoding {encoded[:100]!r}: send it as it is",
            _ACCEPTED,
        )


def _only(request: Request, name: str) -> str:
    """The header's values, of which all have to be the same to count as one."""
    return ", ".join(dict.fromkeys(request.headers.getlist(name)))


_ACCEPTED = {"Accept-Encoding": "identity", "Accept": "application/json"}
