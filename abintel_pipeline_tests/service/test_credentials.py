"""Who is let in."""

import os
import re
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from abintel_pipeline.service.access import credentials_file
from abintel_pipeline.service.access.credentials import Credentials
from abintel_pipeline.service.access.credentials_file import CredentialsBroken, add_secret
from abintel_pipeline_tests.service.serving import add_old_credentials


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "credentials.json"


def test_of_a_file_that_is_gone_or_broken_nobody_is_right(file: Path):
    customer, secret = add_secret(file)
    whole = file.read_bytes()
    known = Credentials(file)
    for broken in (None, b"{", b"[]", whole[:-20]):
        if broken is None:
            file.unlink()
        else:
            file.write_bytes(broken)
        assert not known.right(str(customer), secret)
    file.write_bytes(whole)
    assert known.right(str(customer), secret)
    with pytest.raises(CredentialsBroken, match="can't be read"):
        Credentials(file.with_name("other.json"))


@pytest.mark.parametrize("wrong", ["", "é" * 10, "\ud800", "x" * 100_000, "\0"])
def test_any_text_may_be_wrong(file: Path, wrong: str):
    customer, _ = add_secret(file)
    known = Credentials(file)
    assert not known.right(str(customer), wrong)
    assert not known.right(wrong, wrong)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by the name of every hash that is made."""
    made: list[str] = []
    fast, scrypt = credentials_file.fast_hash, credentials_file.Scrypt.hash
    monkeypatch.setattr(
        "abintel_pipeline.service.access.credentials.fast_hash",
        lambda *given: made.append("fast") or fast(*given),
    )
    monkeypatch.setattr(
        credentials_file.Scrypt, "hash", lambda *given: made.append("scrypt") or scrypt(*given)
    )
    return made


def test_whatever_is_wrong_one_hash_is_made(file: Path, hashed: list[str]):
    """The time of an answer tells neither whether the id exists nor how many secrets it has."""
    customer, _ = add_secret(file)
    for _ in range(3):
        add_secret(file, customer)
    known = Credentials(file)
    hashed.clear()
    for one in (str(customer), "11111111-1111-1111-1111-111111111111", "nobody", "x" * 10**6):
        assert not known.right(one, "wrong")
        assert not known.needs_scrypt(one)
    assert hashed == ["fast"] * 4


def pair(headers: dict[str, str]) -> tuple[str, str]:
    return headers["X-Customer-Api-Id"], headers["X-Secret"]


def test_an_old_secret_costs_scrypt_until_it_was_right_once(file: Path, hashed: list[str]):
    customer, secret = pair(add_old_credentials(file))
    known = Credentials(file)
    assert known.needs_scrypt(customer)
    assert not known.right(customer, secret)
    assert not known.right_by_scrypt(customer, "wrong")
    assert known.needs_scrypt(customer)
    assert known.right_by_scrypt(customer, secret)
    add_secret(file)  # the file is another one now
    hashed.clear()
    assert known.right(customer, secret)
    assert not known.right(customer, "wrong")
    assert not known.needs_scrypt(customer)
    assert hashed == ["fast"] * 2


def test_an_old_secret_is_right_until_it_is_rotated(file: Path):
    customer, secret = pair(add_old_credentials(file))
    _, newer = add_secret(file, uuid.UUID(customer))
    known = Credentials(file)
    assert known.right(customer, newer)
    assert not known.right_by_scrypt(customer, newer)
    assert known.right_by_scrypt(customer, secret)
    credentials_file.remove_old_secrets(file, uuid.UUID(customer))
    assert not known.right(customer, secret)
    assert not known.right_by_scrypt(customer, secret)
    assert not known.needs_scrypt(customer)
    assert known.right(customer, newer)
    assert '"kind": "scrypt"' not in file.read_text()


@pytest.mark.parametrize("new", [False, True], ids=["secrets of one id", "new ids"])
def test_all_secrets_that_are_added_at_the_same_time_are_right(file: Path, new: bool):
    customer = None if new else add_secret(file)[0]
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: add_secret(file, customer), range(12)))
    known = Credentials(file)
    assert all(known.right(str(one), secret) for one, secret in made)


@pytest.mark.live
def test_a_change_waits_for_another_process_to_finish_its_own(file: Path):
    customer, _ = add_secret(file)
    adding = f"from abintel_pipeline.cli.app import app; app(['credentials', 'add', '{customer}'])"
    environment = os.environ | {"ABINTEL_CREDENTIALS_FILE": str(file)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", adding], cwd=file.parent, env=environment, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    printed = [one.communicate(timeout=60)[0].decode() for one in processes]
    known = Credentials(file)
    assert all(known.right(str(customer), text.split()[-1]) for text in printed)


def test_retiring_where_no_secret_is_left_retires_none(file: Path):
    customer, _ = add_secret(file)
    text = re.sub(r'"secrets": \[.*?\]', '"secrets": []', file.read_text(), flags=re.DOTALL)
    file.write_text(text)
    assert credentials_file.remove_old_secrets(file, customer) == 0


@pytest.mark.parametrize(
    ("found", "damaged", "said"),
    [
        (r'"hash": "..', '"hash": "xy', "a hash of"),
        (r'"hash": "..', '"hash": "', "a hash of"),
        (r'"salt": "..', '"salt": "é', "a salt of"),
        (r'"n": \d+', '"n": 16383', ""),
        (r'"n": \d+', '"n": -1', ""),
        (r'"n": \d+', f'"n": {2**70}', ""),
        (r'"p": \d+', '"p": 0', ""),
        (r'"p": \d+', '"p": 100000', "above 2,097,152"),
    ],
)
def test_a_damaged_entry_breaks_the_file_and_nobody_is_let_in(
    file: Path, found: str, damaged: str, said: str
):
    customer, secret = pair(add_old_credentials(file))
    other, others = add_secret(file)
    known = Credentials(file)
    assert known.right_by_scrypt(customer, secret)
    assert known.usable
    whole = file.read_text()
    file.write_text(re.sub(found, damaged, whole, count=1))
    for one in ((customer, secret), (str(other), others)):
        assert not known.right(*one)
        assert not known.right_by_scrypt(*one)
    assert not known.usable
    with pytest.raises(CredentialsBroken, match=f"is no credentials file .*{said}"):
        Credentials(file)
    file.write_text(whole)
    assert known.right(customer, secret)
    assert known.usable
