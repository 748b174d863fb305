"""Whose store it is, and by which settings all of its files are made.

A small file in the store says so, because nothing else could: two pipelines that were given one
folder may be loaded by different code servers, on different machines. A line for the pipeline, and
one for each of the settings that can't change while there are files.
"""

import uuid
from pathlib import Path

from abintel_pipeline.contract import TABLES
from abintel_pipeline.settings import ENV_PREFIX, Settings
from abintel_pipeline.store.flushing import flush

MARKER = ".pipeline"
FIXED = ("currency_decimals", "first_day", "timezone")
"""What the days and amounts of a store mean: files of one value don't go with those of another."""


class StoreOfAnother(Exception):
    """A store that another pipeline publishes to."""

    def __init__(self, store: Path, owner: str, pipeline: str) -> None:
        super().__init__(
            f"{store} is the store of {_named(owner)}, and this run is one of {_named(pipeline)}:"
            " they would overwrite each other's tables. Give each its own data_dir or store_dir."
            f" If the pipeline was renamed, remove {store / MARKER}"
        )


class StoreOfOtherSettings(Exception):
    """A store whose files were made by other settings, which can't be changed under them."""

    def __init__(self, store: Path, name: str, stored: str, given: str) -> None:
        super().__init__(
            f"the files in {store} were made with {name} {stored}, and this run has {given}: they"
            f" would not go together. Set {ENV_PREFIX}{name.upper()}={stored} again, or give the"
            " new value a data_dir of its own and backfill that. If nothing that is published"
            f" depends on it, change the line in {store / MARKER}"
        )


def claim(settings: Settings, pipeline: str) -> None:
    """Record the pipeline as the owner of a store that has no owner yet.

    `pipeline` is its prefix, empty where it has none. Of two that claim a new store in the same
    moment one is refused, at the latest in its next step. Raises StoreOfAnother if it is another's,
    StoreOfOtherSettings if it has files of other settings.
    """
    store, marker = settings.store, settings.store / MARKER
    mine = {name: str(getattr(settings, name)) for name in FIXED}
    if not marker.is_file():
        store.mkdir(parents=True, exist_ok=True)
        _write(marker, pipeline, mine)
    owner, *lines = marker.read_text().splitlines() or [""]
    if owner.strip() != pipeline:
        raise StoreOfAnother(store, owner.strip(), pipeline)
    fixed = dict(line.partition("=")[::2] for line in lines if "=" in line)
    if fixed == mine:
        return
    for name, stored in fixed.items():
        if stored != mine.get(name, stored) and _has_files(store):
            raise StoreOfOtherSettings(store, name, stored, mine[name])
    _write(marker, pipeline, mine)  # it is empty, or of a version that kept no settings


def _write(marker: Path, pipeline: str, fixed: dict[str, str]) -> None:
    written = marker.with_name(f"{MARKER}.{uuid.uuid4().hex}")
    lines = [pipeline, *(f"{name}={value}" for name, value in fixed.items())]
    written.write_text("\n".join(lines) + "\n")
    # An empty marker, as a loss of power may leave it, would be another pipeline's.
    flush(written)
    written.replace(marker)
    for folder in (marker.parent, marker.parent.parent):
        flush(folder)


def _has_files(store: Path) -> bool:
    return any(next((store / table).glob("*=*/*.parquet"), None) for table in TABLES)


def _named(pipeline: str) -> str:
    """A pipeline in words."""
    return f"the pipeline '{pipeline}'" if pipeline else "the pipeline without a key_prefix"
