"""Who is let in, and how often one may be wrong."""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from abintel_pipeline.service.access import credentials_file
from abintel_pipeline.service.access.attempts import FailedAttempts
from abintel_pipeline.service.access.credentials import Credentials
from abintel_pipeline.service.access.credentials_file import CredentialsBroken, add_secret


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "credentials.json"


def test_a_pair_that_was_right_is_known_until_the_file_changes(file: Path):
    customer, secret = add_secret(file)
    known = Credentials(file)
    assert not known.known(str(customer), secret)
    assert known.right(str(customer), secret)
    assert known.known(str(customer), secret)
    assert not known.known(str(customer), secret[:-1])
    add_secret(file)
    assert not known.known(str(customer), secret)
    assert known.right(str(customer), secret)


def test_an_id_and_a_secret_are_not_mixed_up_where_they_meet(file: Path):
    customer, secret = add_secret(file)
    known = Credentials(file)
    assert known.right(str(customer), secret)
    assert not known.known(str(customer) + secret[0], secret[1:])


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
    assert not known.known(wrong, wrong)


def test_whatever_is_wrong_one_hash_is_made(file: Path, monkeypatch: pytest.MonkeyPatch):
    """The time of an answer tells neither whether the id exists nor how many secrets it has."""
    customer, _ = add_secret(file)
    for _ in range(3):
        add_secret(file, customer)
    known, made = Credentials(file), []
    hashed = credentials_file.Scrypt.hash
    monkeypatch.setattr(
        credentials_file.Scrypt, "hash", lambda *given: made.append(given) or hashed(*given)
    )
    for one in (str(customer), "11111111-1111-1111-1111-111111111111", "nobody"):
        assert not known.right(one, "wrong")
    assert len(made) == 3


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
    customer, secret = add_secret(file)
    other, others = add_secret(file)
    known = Credentials(file)
    assert known.usable
    whole = file.read_text()
    file.write_text(re.sub(found, damaged, whole, count=1))
    for pair in ((customer, secret), (other, others)):
        assert not known.right(str(pair[0]), pair[1])
    assert not known.usable
    with pytest.raises(CredentialsBroken, match=f"is no credentials file .*{said}"):
        Credentials(file)
    file.write_text(whole)
    assert known.right(str(customer), secret)
    assert known.usable


def test_what_is_too_long_is_wrong_and_costs_the_same_hash(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    customer, secret = add_secret(file)
    known, hashed_texts = Credentials(file), []
    hashed = credentials_file.Scrypt.hash

    def counting(cost: credentials_file.Scrypt, text: bytes, salt: bytes) -> bytes:
        hashed_texts.append(text)
        return hashed(cost, text, salt)

    monkeypatch.setattr(credentials_file.Scrypt, "hash", counting)
    padded = f"{{{customer}}}".replace("-", "-" * 10)
    assert len(padded) > 64
    for pair in ((padded, secret), (str(customer), secret + "x" * 300), ("x" * 10**6, secret)):
        assert not known.known(*pair)
        assert not known.right(*pair)
    assert hashed_texts == [b""] * 3


def test_failures_are_counted_within_a_minute_of_the_first():
    now = [1000.0]
    attempts = FailedAttempts(3, clock=lambda: now[0])
    for _ in range(3):
        assert attempts.wait("a") == 0
        attempts.failed("a")
        now[0] += 10
    assert attempts.wait("a") == 30
    assert attempts.wait("b") == 0
    now[0] += 30
    assert attempts.wait("a") == 0
    attempts.failed("a")
    assert attempts.wait("a") == 0


def test_failures_are_forgotten_after_their_minute():
    now = [1000.0]
    attempts = FailedAttempts(3, clock=lambda: now[0])
    for n in range(100):
        attempts.failed(str(n))
    now[0] += 30
    attempts.failed("0")  # within its minute: the minute goes on as it began
    attempts.failed("later")
    now[0] += 30
    attempts.failed("last")
    assert len(attempts) == 2


def test_only_so_many_keys_are_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("abintel_pipeline.service.access.attempts.REMEMBERED", 10)
    attempts = FailedAttempts(1, clock=time.monotonic)
    for n in range(100):
        attempts.failed(str(n))
    assert [n for n in range(100) if attempts.wait(str(n))] == list(range(90, 100))
