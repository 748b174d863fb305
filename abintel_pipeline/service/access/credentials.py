"""Says who has credentials, by the file that holds their hashes."""

import hmac
import logging
import secrets
import threading
import uuid
from collections import OrderedDict
from pathlib import Path

from abintel_pipeline.service.access.credentials_file import (
    SALT_BYTES,
    CredentialsBroken,
    Held,
    read,
)

logger = logging.getLogger(__name__)

KEPT = 10_000
"""Pairs that were right and needn't be hashed again: a hash takes 50 ms by design."""

LONGEST_ID = 64
LONGEST_SECRET = 256
"""Characters. What is longer is wrong, and is neither hashed nor kept."""

NO_ID = uuid.UUID(int=0)
"""Stands for all that is no id."""


class Credentials:
    """Says whether an id and a secret belong together. For any number of threads at a time.

    The file is read again when it has changed: a secret that was taken out is refused from then on.
    Raises CredentialsBroken where it can't be read at first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._state = _state(path)
        self._file: Held | None = read(path)

    @property
    def usable(self) -> bool:
        """Whether the file is there and whole. While it isn't, nobody is right."""
        self._refresh()
        with self._lock:
            return self._file is not None

    def known(self, customer: str, secret: str) -> bool:
        """Whether this pair was found right before, which costs no hash."""
        if _too_long(customer, secret):
            return False
        self._refresh()
        with self._lock:
            return self._mark(customer, secret) in self._right

    def right(self, customer: str, secret: str) -> bool:
        """Whether the secret is one of the customer's. Takes the same time whatever is wrong."""
        if too_long := _too_long(customer, secret):
            customer = secret = ""
        self._refresh()
        with self._lock:
            file = self._file
        held = file or Held()
        own = held.customers.get(canonical_id(customer))
        salt = bytes.fromhex(own.salt) if own else self._key[:SALT_BYTES]
        digest = held.scrypt.hash(secret.encode(errors="surrogatepass"), salt)
        hashes = [bytes.fromhex(one.hash) for one in own.secrets] if own else []
        # Every hash is compared, as bytes: texts that aren't ASCII can't be.
        found = sum([hmac.compare_digest(digest, one) for one in hashes]) > 0 and not too_long
        if found:
            self._keep(self._mark(customer, secret), file)
        return found

    def _keep(self, mark: bytes, file: Held | None) -> None:
        with self._lock:
            if file is self._file:
                self._right[mark] = None
                while len(self._right) > KEPT:
                    self._right.popitem(last=False)

    def _mark(self, customer: str, secret: str) -> bytes:
        """The pair under a key that only this process has."""
        parts = (customer.encode(errors="surrogatepass"), secret.encode(errors="surrogatepass"))
        text = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self._key, text, "sha256")

    def _refresh(self) -> None:
        """Read the file if it isn't the one that was read. While it is broken nobody is right."""
        state = _state(self._path)
        with self._lock:
            if state == self._state:
                return
            self._state = state
            self._right.clear()
            try:
                self._file = read(self._path)
            except CredentialsBroken as error:
                self._file = None
                logger.error("%s: nobody is let in", error)


def canonical_id(text: str) -> uuid.UUID:
    """The id that a text spells: there are many spellings of one. NO_ID where it is none."""
    if len(text) > LONGEST_ID:
        return NO_ID
    try:
        return uuid.UUID(text)
    except ValueError:
        return NO_ID


def _too_long(customer: str, secret: str) -> bool:
    return len(customer) > LONGEST_ID or len(secret) > LONGEST_SECRET


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when a file is replaced or written."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
