"""What the routes work with: the calls, their threads, the guard, and the metrics."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request

from abintel_pipeline.service.access.credentials import Credentials
from abintel_pipeline.service.access.guarding import Guard
from abintel_pipeline.service.calls.calls import Calls
from abintel_pipeline.service.calls.workers import Workers
from abintel_pipeline.service.http.bodies import LargePlaces
from abintel_pipeline.service.http.observing import Metrics
from abintel_pipeline.settings import Settings

Result = TypeVar("Result")


class Parts:
    """One service's parts; everything that computes runs off the event loop."""

    def __init__(self, settings: Settings, credentials: Credentials | None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.places = LargePlaces(settings.service_large_requests)
        self._credentials = credentials
        self._guard = credentials and Guard(credentials)
        self._small = ThreadPoolExecutor(os.cpu_count() or 1, "small")
        self._large = ThreadPoolExecutor(settings.service_large_requests, "large")
        self.calls = Calls(settings)
        self.workers = Workers(settings)
        self._probing: asyncio.Future[None] | None = None

    async def warm_up(self) -> None:
        """Compile what is asked for with default rules, so that nobody waits for it."""
        self._large.submit(self.workers.prepare)
        await self.run(self.calls.prepare)

    def close(self) -> None:
        """Let threads finish what they are at, and close the engine."""
        self._small.shutdown()
        self._large.shutdown()
        self.workers.close()
        self.calls.close()

    async def admit(self, request: Request) -> None:
        """Raises Refused for a request without credentials that are known, if any are asked for."""
        guard = self._guard
        request.state.customer_api_id = await guard.admitted(request) if guard else None

    @property
    def has_credentials(self) -> bool:
        """Whether the credentials that are asked for, if they are, can be told from others."""
        return self._credentials is None or self._credentials.usable

    async def probe(self) -> None:
        """Answer an example, once for all who ask at a time: strangers may, as often as they like.

        Raises what the call raises.
        """
        if self._probing is None or self._probing.done():
            self._probing = asyncio.ensure_future(self.run(self.calls.probe))
        await asyncio.shield(self._probing)

    async def run(self, work: Callable[[], Result], *, large: bool = False) -> Result:
        """What the work returns, from a thread of the large requests or of the others."""
        pool = self._large if large else self._small
        return await asyncio.get_running_loop().run_in_executor(pool, work)
