"""Which pipeline a store belongs to: several may run at a time, each in a store of its own.

A small file in the store says so, because nothing else could: two pipelines that were given one
folder may be loaded by different code servers, on different machines.
"""

import uuid
from pathlib import Path

from abintel_pipeline.store.flushing import flush

MARKER = ".pipeline"


class StoreOfAnother(Exception):
    """A store that another pipeline publishes to."""

    def __init__(self, store: Path, owner: str, pipeline: str) -> None:
        super().__init__(
            f"{store} is the store of {_named(owner)}, and this run is one of {_named(pipeline)}:"
            " they would overwrite each other's tables. Give each its own data_dir or store_dir."
            f" If the pipeline was renamed, remove {store / MARKER}"
        )


def claim(store: Path, pipeline: str) -> None:
    """Make a store that is nobody's the pipeline's own. Raises StoreOfAnother if it is another's.

    `pipeline` is its prefix, empty where it has none. Of two that claim a new store in the same
    moment one is refused, at the latest in its next step.
    """
    marker = store / MARKER
    if not marker.is_file():
        store.mkdir(parents=True, exist_ok=True)
        mine = store / f"{MARKER}.{uuid.uuid4().hex}"
        mine.write_text(f"{pipeline}\n")
        # An empty marker, as a loss of power may leave it, would be another pipeline's.
        flush(mine)
        mine.replace(marker)
        for folder in (store, store.parent):
            flush(folder)
    owner = marker.read_text().strip()
    if owner != pipeline:
        raise StoreOfAnother(store, owner, pipeline)


def _named(pipeline: str) -> str:
    """A pipeline in words."""
    return f"the pipeline '{pipeline}'" if pipeline else "the pipeline without a key_prefix"
