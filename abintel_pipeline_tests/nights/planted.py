"""Faults planted into the store: the simulation must find each of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

from abintel_pipeline.store import snapshot_store
from abintel_pipeline.store.snapshot_store import SnapshotStore, Staged

PUBLISH = SnapshotStore.publish


@contextmanager
def no_fsync() -> Iterator[None]:
    """Nothing is flushed before it is published, and no folder after it."""
    with mock.patch.object(snapshot_store, "flush"):
        yield


@contextmanager
def no_fsync_of_folders() -> Iterator[None]:
    """Files are flushed, and the folders with their names are not."""
    real = snapshot_store.flush

    def flush(*paths: Path) -> None:
        real(*(path for path in paths if path.is_file()))

    with mock.patch.object(snapshot_store, "flush", flush):
        yield


@contextmanager
def renamed_before_it_is_complete() -> Iterator[None]:
    """The last bytes of a file are written once it lies in its place."""

    def publish(store: SnapshotStore, *staged: Staged, **more: Any) -> None:
        contents = [one.path.read_bytes() for one in staged]
        for one, content in zip(staged, contents, strict=True):
            with one.path.open("wb") as file:
                file.write(content[:-8])
        PUBLISH(store, *staged, **more)
        for one, content in zip(staged, contents, strict=True):
            with store.path(one.table, one.day).open("wb") as file:
                file.write(content)

    with mock.patch.object(SnapshotStore, "publish", publish):
        yield


@contextmanager
def lock_forgotten() -> Iterator[None]:
    """Two runs publish at once."""
    with mock.patch.object(snapshot_store, "publishing", return_value=nullcontext()):
        yield


@contextmanager
def inputs_not_looked_at_again() -> Iterator[None]:
    """What a day was made from may have been replaced by the time that it is published."""

    def publish(
        store: SnapshotStore,
        *staged: Staged,
        unchanged: Callable[[date], bool] = lambda _: True,
    ) -> None:
        PUBLISH(store, *staged)

    with mock.patch.object(SnapshotStore, "publish", publish):
        yield


PLANTED: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "no fsync": no_fsync,
    "no fsync of folders": no_fsync_of_folders,
    "renamed before it is complete": renamed_before_it_is_complete,
    "lock forgotten": lock_forgotten,
    "inputs not looked at again": inputs_not_looked_at_again,
}
"""Each fault by its name; it is there until the block ends."""
