"""Says who has credentials, by the file that holds their hashes."""

import hmac
import logging
import secrets
import threading
import uuid
from datetime import date
from pathlib import Path

from abintel_pipeline.service.access.credentials_file import (
    HASH_BYTES,
    SALT_BYTES,
    CredentialsBroken,
    Customer,
    Held,
    Secret,
    fast_hash,
    read,
)

logger = logging.getLogger(__name__)

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
        self._nobody = _nobody()
        self._used: dict[str, str] = {}  # by an old secret's hash: the fast one, once it is known
        self._state = _state(path)
        self._file: Held | None = read(path)

    @property
    def usable(self) -> bool:
        """Whether the file is there and whole. While it isn't, nobody is right."""
        return self._held() is not None

    def right(self, customer: str, secret: str) -> bool:
        """Whether the secret is one of the customer's. Takes the same time whatever is wrong.

        A secret that was made by 0.2.0 or earlier is right once `right_by_scrypt` has found it.
        """
        own = self._customer(customer) or self._nobody
        digest = fast_hash(_bytes(secret), bytes.fromhex(own.salt)).hex()
        kept = [self._used.get(one.hash, "") if one.old else one.hash for one in own.secrets]
        return sum([hmac.compare_digest(digest, one) for one in kept]) > 0

    def needs_scrypt(self, customer: str) -> bool:
        """Whether the customer has a secret from 0.2.0 or earlier that wasn't used here yet."""
        own = self._customer(customer) or self._nobody
        return any(one.old and one.hash not in self._used for one in own.secrets)

    def right_by_scrypt(self, customer: str, secret: str) -> bool:
        """Whether the secret is one of the customer's from 0.2.0 or earlier. Takes 50 ms."""
        held, own = self._held(), self._customer(customer)
        if held is None or own is None:
            return False
        salt = bytes.fromhex(own.salt)
        digest = held.scrypt.hash(_bytes(secret), salt).hex()
        found = [one for one in own.secrets if one.old and hmac.compare_digest(digest, one.hash)]
        for one in found:
            self._used[one.hash] = fast_hash(_bytes(secret), salt).hex()
        return bool(found)

    def _customer(self, customer: str) -> Customer | None:
        held = self._held()
        return held.customers.get(canonical_id(customer)) if held else None

    def _held(self) -> Held | None:
        """What the file holds; it is read if it isn't the one that was read. None: it is broken."""
        state = _state(self._path)
        with self._lock:
            if state != self._state:
                self._state = state
                try:
                    self._file = read(self._path)
                except CredentialsBroken as error:
                    self._file = None
                    logger.error("%s: nobody is let in", error)
            return self._file


def canonical_id(text: str) -> uuid.UUID:
    """The id that a text spells: there are many spellings of one. NO_ID where it is none."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return NO_ID


def _nobody() -> Customer:
    """A customer whose secret nobody has: for ids that nobody has."""
    unknown = Secret(secrets.token_hex(HASH_BYTES), date.min, "hmac-sha256")
    return Customer(secrets.token_hex(SALT_BYTES), [unknown])


def _bytes(secret: str) -> bytes:
    return secret.encode(errors="surrogatepass")


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when a file is replaced or written."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
