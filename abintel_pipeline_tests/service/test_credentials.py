"""Who is let in, and how often one may be wrong."""

import threading
import time
from pathlib import Path

import pytest

from abintel_pipeline.service import credentials
from abintel_pipeline.service.attempts import FailedAttempts
from abintel_pipeline.service.credentials import Credentials, add_secret


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
    with pytest.raises(credentials.CredentialsBroken, match="can't be read"):
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
    hashed = credentials.Scrypt.hash
    monkeypatch.setattr(
        credentials.Scrypt, "hash", lambda *given: made.append(given) or hashed(*given)
    )
    for one in (str(customer), "11111111-1111-1111-1111-111111111111", "nobody"):
        assert not known.right(one, "wrong")
    assert len(made) == 3


def test_adding_secrets_at_the_same_time_leaves_a_whole_file(file: Path):
    customer, _ = add_secret(file)
    threads = [threading.Thread(target=add_secret, args=(file, customer)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Credentials(file)  # never a torn file
    assert [one.name for one in file.parent.iterdir()] == [file.name]


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


def test_only_so_many_keys_are_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("abintel_pipeline.service.attempts.REMEMBERED", 10)
    attempts = FailedAttempts(1, clock=time.monotonic)
    for n in range(100):
        attempts.failed(str(n))
    assert [n for n in range(100) if attempts.wait(str(n))] == list(range(90, 100))
