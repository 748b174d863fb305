"""Credentials: each customer's id with the hashes of its secrets, in one file.

    {"customers": {"<uuid>": {"salt": "<hex>",
                              "secrets": [{"kind": "hmac-sha256", "hash": "<hex>",
                                           "made": "2026-11-21"}]}}}

A hash is an HMAC under the customer's salt. A secret is 256 random bits: nobody can try them all,
however fast a hash is. Secrets that were made by 0.2.0 or earlier have no `kind`. Their hash is
scrypt's, which takes 50 ms. The file holds its cost: {"scrypt": {"n": 16384, "r": 8, "p": 1}}.
"""

import functools
import hashlib
import hmac
import os
import secrets
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import msgspec
from filelock import FileLock
from msgspec import Struct

SALT_BYTES = 16
HASH_BYTES = 32
MOST_WORK = 2**21
"""Of n * r * p, so that a hash takes a second at most: 2**17 takes 50 ms."""


class CredentialsBroken(OSError):
    """The credentials file isn't there or isn't one."""


class Scrypt(Struct, frozen=True):
    """The cost of a hash of scrypt."""

    n: int = 2**14
    r: int = 8
    p: int = 1

    def hash(self, secret: bytes, salt: bytes) -> bytes:
        return hashlib.scrypt(secret, salt=salt, n=self.n, r=self.r, p=self.p, dklen=HASH_BYTES)


class Secret(Struct):
    """The hash of a secret, as hexadecimal digits."""

    hash: str
    made: date
    kind: Literal["hmac-sha256", "scrypt"] = "scrypt"

    @property
    def old(self) -> bool:
        """Whether the hash is scrypt's."""
        return self.kind == "scrypt"


class Customer(Struct):
    """The secrets of an id that count, oldest first."""

    salt: str
    secrets: list[Secret]


class Held(Struct, omit_defaults=True):
    """All that the file holds."""

    customers: dict[uuid.UUID, Customer] = {}
    scrypt: Scrypt = Scrypt()


def fast_hash(secret: bytes, salt: bytes) -> bytes:
    """The hash under which a secret is kept."""
    return hmac.digest(salt, secret, "sha256")


def add_secret(path: Path, customer: uuid.UUID | None = None) -> tuple[uuid.UUID, str]:
    """Write one more secret of a customer, or of a new one, into the file: (id, secret).

    The secret isn't kept anywhere. Raises CredentialsBroken where the file is something else, and
    KeyError where it doesn't know the customer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    secret = secrets.token_urlsafe(32)
    with _changed(path, may_be_new=True) as held:
        if customer is None:
            customer = uuid.uuid4()
            held.customers[customer] = Customer(secrets.token_hex(SALT_BYTES), [])
        own = held.customers[customer]
        digest = fast_hash(secret.encode(), bytes.fromhex(own.salt))
        own.secrets.append(Secret(digest.hex(), datetime.now(UTC).date(), "hmac-sha256"))
    return customer, secret


def remove_old_secrets(path: Path, customer: uuid.UUID) -> int:
    """Take all secrets of a customer but the newest out of the file; how many that were.

    Raises CredentialsBroken and KeyError as `add_secret` does.
    """
    with _changed(path) as held:
        own = held.customers[customer]
        gone = max(0, len(own.secrets) - 1)
        del own.secrets[:gone]
    return gone


def remove_customer(path: Path, customer: uuid.UUID) -> None:
    """Take a customer with all its secrets out of the file. Raises as `add_secret` does."""
    with _changed(path) as held:
        del held.customers[customer]


@contextmanager
def _changed(path: Path, *, may_be_new: bool = False) -> Iterator[Held]:
    """What the file holds, to be changed: no other change is under way until it is written."""
    if not may_be_new:
        read(path)  # where there is no file, no lock is left beside it
    with FileLock(path.with_name(f".{path.name}.lock"), mode=0o600):
        held = Held() if may_be_new and not path.exists() else read(path)
        yield held
        _write(path, held)


def read(path: Path) -> Held:
    """What the file holds, each entry of it tried. Raises CredentialsBroken."""
    try:
        held = msgspec.json.decode(path.read_bytes(), type=Held)
        _try_cost(held.scrypt)
        for customer, own in held.customers.items():
            _try_entry(customer, own)
    except OSError as error:
        raise CredentialsBroken(
            f"{path} can't be read ({error.strerror}): `abintel credentials add` writes it"
        ) from error
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
        raise CredentialsBroken(f"{path} is no credentials file ({error})") from None
    return held


@functools.cache
def _try_cost(scrypt: Scrypt) -> None:
    """Raises ValueError for a cost that OpenSSL refuses, or that would take too long."""
    if scrypt.n * scrypt.r * scrypt.p > MOST_WORK:
        raise ValueError(f"scrypt: n * r * p is above {MOST_WORK:,}")
    scrypt.hash(b"", b"")


def _try_entry(customer: uuid.UUID, own: Customer) -> None:
    for what, text in [("salt", own.salt), *(("hash", one.hash) for one in own.secrets)]:
        try:
            whole = len(bytes.fromhex(text)) == HASH_BYTES or what == "salt"
        except ValueError:
            whole = False
        if not whole:
            raise ValueError(f"a {what} of {customer} is damaged")


def _write(path: Path, held: Held) -> None:
    """Replace the file whole, readable by its owner alone."""
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
