"""Lets in who has credentials. Whatever is wrong with them, the answer is the same."""

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import Request

from abintel_pipeline.service.access.attempts import FailedAttempts
from abintel_pipeline.service.access.credentials import Credentials, canonical_id
from abintel_pipeline.service.calls.faults import Refused

ID_HEADER = "X-Customer-Api-Id"
SECRET_HEADER = "X-Secret"
IDS_PER_ADDRESS = 10
"""How many ids' failures an address may have before it has to wait whatever the id."""

WAITING = 100
"""Pairs that wait to be hashed. Beyond it an address is told to come again."""


class Guard:
    """Checks the credentials of requests, and has those wait who were wrong too often.

    One hash is made at a time: it takes 50 ms and 16 MB, which must not be had for the asking. A
    pair that was right before is let in without one, and without waiting.
    """

    def __init__(self, credentials: Credentials, allowed_failures: int) -> None:
        self._credentials = credentials
        self._of_pair = FailedAttempts(allowed_failures)
        self._of_address = FailedAttempts(allowed_failures * IDS_PER_ADDRESS)
        self._hashing = ThreadPoolExecutor(1, "hashing")
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def admitted(self, request: Request) -> str:
        """The id of the one who asks. Raises Refused: 401, or 429 after too many failures."""
        customer = request.headers.get(ID_HEADER, "")
        secret = request.headers.get(SECRET_HEADER, "")
        if self._credentials.known(customer, secret):
            return str(canonical_id(customer))
        address = request.client.host if request.client else ""
        # Neither another spelling of the id nor its length gets around the count.
        keys = {f"{address} {canonical_id(customer)}": self._of_pair, address: self._of_address}
        self._check_wait(keys)
        if self._waiting >= WAITING:
            raise _too_many(1)
        self._waiting += 1
        try:
            async with self._turn:
                self._check_wait(keys)
                run = asyncio.get_running_loop().run_in_executor
                if await run(self._hashing, self._credentials.right, customer, secret):
                    return str(canonical_id(customer))
                for key, attempts in keys.items():
                    attempts.failed(key)
        finally:
            self._waiting -= 1
        raise Refused(
            401,
            "Not let in",
            f"{ID_HEADER} and {SECRET_HEADER} are not a pair that is known here",
            {"WWW-Authenticate": "APIKey"},
        )

    def _check_wait(self, keys: dict[str, FailedAttempts]) -> None:
        if seconds := max(attempts.wait(key) for key, attempts in keys.items()):
            raise _too_many(seconds)


def _too_many(seconds: float) -> Refused:
    return Refused(
        429,
        "Too many failures",
        "too many wrong credentials: come again later",
        {"Retry-After": str(math.ceil(seconds))},
    )
