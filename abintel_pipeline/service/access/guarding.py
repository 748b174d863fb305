"""Lets in who has credentials. Whatever is wrong with them, the answer is the same."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID
from weakref import WeakValueDictionary

from starlette.requests import Request

from abintel_pipeline.service.access.credentials import Credentials, canonical_id
from abintel_pipeline.service.calls.faults import Refused

ID_HEADER = "X-Customer-Api-Id"
SECRET_HEADER = "X-Secret"


class Guard:
    """Checks the credentials of requests, which takes microseconds.

    Only the first use of a secret from 0.2.0 or earlier takes 50 ms, and so does a wrong secret for
    its id until then. These wait for each other, an address with one at a time: who sends many
    wrong ones has itself wait, and others for one of them.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._scrypt = ThreadPoolExecutor(1, "scrypt")
        self._turns: WeakValueDictionary[tuple[UUID, str], asyncio.Lock] = WeakValueDictionary()

    async def admitted(self, request: Request) -> str:
        """The id of the one who asks. Raises Refused (401)."""
        customer = request.headers.get(ID_HEADER, "")
        secret = request.headers.get(SECRET_HEADER, "")
        address = request.client.host if request.client else ""
        right = self._credentials.right(customer, secret)
        if right or await self._right_by_scrypt(customer, secret, address):
            return str(canonical_id(customer))
        raise Refused(
            401,
            "Not let in",
            f"{ID_HEADER} and {SECRET_HEADER} are not a pair that is known here",
            {"WWW-Authenticate": "APIKey"},
        )

    async def _right_by_scrypt(self, customer: str, secret: str, address: str) -> bool:
        if not self._credentials.needs_scrypt(customer):
            return False
        turn = self._turns.setdefault((canonical_id(customer), address), asyncio.Lock())
        async with turn:
            if self._credentials.right(customer, secret):  # it was found while this one waited
                return True
            run = asyncio.get_running_loop().run_in_executor
            return await run(self._scrypt, self._credentials.right_by_scrypt, customer, secret)
