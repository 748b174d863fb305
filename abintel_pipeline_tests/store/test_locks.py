"""Locks of a store: who waits for whom, and what is left."""

import errno
import logging
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from filelock import AcquireReturnProxy, FileLock, Timeout

from abintel_pipeline.store import locks
from abintel_pipeline.store.locks import (
    FOLDER,
    abandoned,
    await_intakes,
    forget_killed_intakes,
    owned,
    publishing,
    taking_in,
    turn_to_publish,
)

FIRST, SECOND, THIRD = (date(2025, 1, day) for day in (1, 2, 3))


def test_only_one_run_at_a_time_has_the_turn_to_publish(tmp_path: Path) -> None:
    store = tmp_path / "data" / "store"
    assert turn_to_publish(store) == store / FOLDER / "publishing.lock"
    with publishing(store), pytest.raises(Timeout):
        FileLock(turn_to_publish(store)).acquire(timeout=0)
    FileLock(turn_to_publish(store)).acquire(timeout=0)


def test_an_intake_names_its_days_as_long_as_it_is_under_way(tmp_path: Path) -> None:
    with taking_in(tmp_path, FIRST, THIRD):
        (path,) = (tmp_path / FOLDER).iterdir()
        assert path.name.startswith("intake_2025-01-01_2025-01-03_")
    assert list((tmp_path / FOLDER).iterdir()) == []


def awaiting(store: Path, last: date) -> Callable[[], bool]:
    """Waits for intakes on a thread; whether it is done, asked with patience."""
    done = threading.Event()

    def wait() -> None:
        await_intakes(store, last)
        done.set()

    threading.Thread(target=wait, daemon=True).start()
    return lambda: done.wait(0.2)


def test_an_intake_of_days_up_to_the_last_is_waited_for(tmp_path: Path) -> None:
    with taking_in(tmp_path, SECOND, THIRD):
        done = awaiting(tmp_path, SECOND)
        assert not done()
    assert any(done() for _ in range(50))


def test_an_intake_of_later_days_is_not_waited_for(tmp_path: Path) -> None:
    with taking_in(tmp_path, SECOND, THIRD):
        await_intakes(tmp_path, FIRST)


def test_what_a_killed_intake_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / FOLDER / "intake_2025-01-01_2025-01-02_0.lock"
    later = tmp_path / FOLDER / "intake_2025-01-03_2025-01-03_0.lock"
    left.parent.mkdir()
    left.touch()
    later.touch()
    await_intakes(tmp_path, SECOND)
    assert not left.exists()
    assert later.exists()


def test_what_somebody_removes_meanwhile_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class RemovedByHand(FileLock):
        def acquire(self, *given: Any, **named: Any) -> AcquireReturnProxy:
            held = super().acquire(*given, **named)
            Path(self.lock_file).unlink()
            return held

    monkeypatch.setattr(locks, "FileLock", RemovedByHand)
    left = tmp_path / FOLDER / "intake_2025-01-01_2025-01-02_0.lock"
    left.parent.mkdir()
    left.touch()
    await_intakes(tmp_path, SECOND)
    assert not left.exists()


def test_a_store_without_intakes_holds_nobody_up(tmp_path: Path) -> None:
    await_intakes(tmp_path / "data" / "store", THIRD)


def test_whoever_waits_for_long_says_for_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(locks, "SAID_AFTER_SECONDS", 0.05)
    with caplog.at_level(logging.WARNING, locks.__name__):
        with taking_in(tmp_path, FIRST, SECOND):
            done = awaiting(tmp_path, SECOND)
            assert not done()
        assert any(done() for _ in range(50))
    assert [record.getMessage() for record in caplog.records] == [
        "waiting for the intake of 2025-01-01 to 2025-01-02, which another run of this store is at"
    ]


def test_a_short_wait_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with taking_in(tmp_path, FIRST, SECOND):
        done = awaiting(tmp_path, SECOND)
        assert not done()
    assert any(done() for _ in range(50))
    assert caplog.records == []


def test_an_intake_under_way_is_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    left = tmp_path / FOLDER / "intake_2025-01-03_2025-01-03_0.lock"
    left.touch()
    with taking_in(tmp_path, FIRST, THIRD):
        forget_killed_intakes(tmp_path)
        (path,) = (tmp_path / FOLDER).iterdir()
        assert path != left


def test_who_waits_for_a_lock_that_its_owner_removes_gets_one_that_is_there(tmp_path: Path) -> None:
    """Else two could hold a lock of one name: the removed file's and the new one's."""
    path = tmp_path / "one.lock"
    taken, over = threading.Event(), threading.Event()

    def second() -> None:
        with owned(path):
            taken.set()
            over.wait(60)

    waiting = threading.Thread(target=second)
    with owned(path):
        waiting.start()
        assert not taken.wait(0.3)
    assert taken.wait(60)
    with abandoned(path) as gone:
        assert not gone
    over.set()
    waiting.join()
    assert not path.exists()


def test_a_lock_that_cannot_be_removed_is_let_go_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever comes later would wait for the process that met the error."""
    path = tmp_path / "intake.lock"

    def failing(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", failing)
        with pytest.raises(OSError, match="Input/output error") as first, locks.abandoned(path):
            pass
        with pytest.raises(OSError, match="Input/output error") as second:
            locks._await(path, "an intake")
    assert first.traceback
    assert second.traceback  # the frames that hold the locks are still there
    with locks.abandoned(path) as gone:
        assert gone
