"""Credentials: each customer's id with the scrypt hashes of its secrets, in one file.

    {"scrypt": {"n": 16384, "r": 8, "p": 1},
     "customers": {"<uuid>": {"salt": "<hex>",
                              "secrets": [{"hash": "<hex>", "made": "2026-11-21"}]}}}

All secrets of an id share its salt: whatever is presented costs one hash, so that the time of an
answer tells neither whether the id exists nor how many secrets it has. A secret is 256 random bits,
so nothing can be learned from two of them having a salt in common.
"""

import hashlib
import hmac
import logging
import os
import secrets
import tempfile
import threading
import uuid
from collections import OrderedDict
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

logger = logging.getLogger(__name__)

SALT_BYTES = 16
KEPT = 10_000
"""Pairs that were right and needn't be hashed again: a hash takes 50 ms by design."""


class CredentialsBroken(OSError):
    """The credentials file isn't there or isn't one."""


class Scrypt(Struct, frozen=True):
    """The cost of a hash."""

    n: int = 2**14
    r: int = 8
    p: int = 1

    def hash(self, secret: bytes, salt: bytes) -> bytes:
        return hashlib.scrypt(secret, salt=salt, n=self.n, r=self.r, p=self.p, dklen=32)


class _Secret(Struct):
    hash: str
    made: date


class _Customer(Struct):
    salt: str
    secrets: list[_Secret]


class _File(Struct):
    scrypt: Scrypt = Scrypt()
    customers: dict[uuid.UUID, _Customer] = {}


def add_secret(path: Path, customer: uuid.UUID | None = None) -> tuple[uuid.UUID, str]:
    """Write one more secret of a customer, or of a new one, into the file: (id, secret).

    The secret isn't kept anywhere. Raises CredentialsBroken where the file is something else, and
    KeyError where it doesn't know the customer.
    """
    held = _read(path) if path.exists() else _File()
    if customer is None:
        customer = uuid.uuid4()
        held.customers[customer] = _Customer(secrets.token_hex(SALT_BYTES), [])
    own = held.customers[customer]
    secret = secrets.token_urlsafe(32)
    digest = held.scrypt.hash(secret.encode(), bytes.fromhex(own.salt))
    own.secrets.append(_Secret(digest.hex(), datetime.now(UTC).date()))
    _write(path, held)
    return customer, secret


def remove_old_secrets(path: Path, customer: uuid.UUID) -> int:
    """Take all secrets of a customer but the newest out of the file; how many that were.

    Raises CredentialsBroken and KeyError as `add_secret` does.
    """
    held = _read(path)
    own = held.customers[customer]
    gone = len(own.secrets) - 1
    del own.secrets[:gone]
    _write(path, held)
    return gone


def remove_customer(path: Path, customer: uuid.UUID) -> None:
    """Take a customer with all its secrets out of the file. Raises as `add_secret` does."""
    held = _read(path)
    del held.customers[customer]
    _write(path, held)


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
        self._file = _read(path)
        self._state = _state(path)

    def known(self, customer: str, secret: str) -> bool:
        """Whether this pair was found right before, which costs no hash."""
        self._refresh()
        with self._lock:
            return self._mark(customer, secret) in self._right

    def right(self, customer: str, secret: str) -> bool:
        """Whether the secret is one of the customer's. Takes the same time whatever is wrong."""
        self._refresh()
        with self._lock:
            file = self._file
        own = file.customers.get(_uuid(customer))
        salt = bytes.fromhex(own.salt) if own else self._key[:SALT_BYTES]
        digest = file.scrypt.hash(secret.encode(errors="surrogatepass"), salt)
        hashes = [bytes.fromhex(one.hash) for one in own.secrets] if own else []
        # Every hash is compared, as bytes: texts that aren't ASCII can't be.
        found = sum([hmac.compare_digest(digest, one) for one in hashes]) > 0
        if found:
            self._keep(self._mark(customer, secret), file)
        return found

    def _keep(self, mark: bytes, file: _File) -> None:
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
                self._file = _read(self._path)
            except CredentialsBroken as error:
                self._file = _File()
                logger.error("%s: nobody is let in", error)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.UUID(int=0)


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when a file is replaced or written."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def _read(path: Path) -> _File:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise CredentialsBroken(
            f"{path} can't be read ({error.strerror}): `abintel credentials add` writes it"
        ) from error
    except msgspec.MsgspecError as error:
        raise CredentialsBroken(f"{path} is no credentials file ({error})") from None


def _write(path: Path, held: _File) -> None:
    """Replace the file whole, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(held), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
