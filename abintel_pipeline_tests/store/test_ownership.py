"""A store belongs to one pipeline, and its files go with the settings that they were made by."""

from pathlib import Path
from random import Random

import pytest

from abintel_pipeline.settings import Settings
from abintel_pipeline.store.ownership import (
    MARKER,
    StoreOfAnother,
    StoreOfOtherSettings,
    claim,
)
from abintel_pipeline_tests.nights.disk import Disk, Process, running

LINES = "currency_decimals=2\nfirst_day=2025-01-01\ntimezone=UTC\n"


def settings(data_dir: Path, **changes: object) -> Settings:
    given = {"first_day": "2025-01-01", "timezone": "UTC"} | changes
    return Settings(_env_file=None, data_dir=data_dir, store_dir=data_dir, **given)


def with_a_file(store: Path) -> Path:
    place = store / "customer_rfm" / "snapshot_date=2025-01-01" / "data.parquet"
    place.parent.mkdir(parents=True)
    place.touch()
    return store


def test_a_new_store_is_the_pipelines_that_claims_it_first(tmp_path: Path) -> None:
    store = tmp_path / "data" / "store"
    claim(settings(store), "north")
    assert (store / MARKER).read_text() == f"north\n{LINES}"
    assert [path.name for path in store.iterdir()] == [MARKER]
    claim(settings(store), "north")


def test_a_store_that_is_there_is_claimed_like_a_new_one(tmp_path: Path) -> None:
    claim(settings(tmp_path), "")
    assert (tmp_path / MARKER).read_text() == f"\n{LINES}"
    claim(settings(tmp_path), "")


def test_a_store_of_a_version_that_kept_no_settings_takes_those_of_now(tmp_path: Path) -> None:
    (with_a_file(tmp_path) / MARKER).write_text("north\n")
    claim(settings(tmp_path), "north")
    assert (tmp_path / MARKER).read_text() == f"north\n{LINES}"


def test_a_marker_of_which_nothing_was_written_is_that_of_a_pipeline_without_a_prefix(
    tmp_path: Path,
) -> None:
    (tmp_path / MARKER).touch()
    claim(settings(tmp_path), "")
    assert (tmp_path / MARKER).read_text() == f"\n{LINES}"


def test_a_line_of_a_setting_that_this_version_does_not_keep_rejects_nobody(
    tmp_path: Path,
) -> None:
    (with_a_file(tmp_path) / MARKER).write_text(f"north\ncolour=red\n{LINES}")
    claim(settings(tmp_path), "north")
    assert (tmp_path / MARKER).read_text() == f"north\n{LINES}"


@pytest.mark.parametrize(
    ("owner", "pipeline", "told"),
    [
        ("north", "south", "the pipeline 'north', and this run is one of the pipeline 'south'"),
        ("", "south", "the pipeline without a key_prefix, and this run is one of the pipeline 's"),
        ("north", "", "pipeline 'north', and this run is one of the pipeline without a key_prefix"),
    ],
)
def test_the_store_of_another_pipeline_is_rejected_in_words(
    tmp_path: Path, owner: str, pipeline: str, told: str
) -> None:
    claim(settings(tmp_path), owner)
    with pytest.raises(StoreOfAnother) as rejected:
        claim(settings(tmp_path), pipeline)
    sentence = str(rejected.value)
    assert sentence.startswith(f"{tmp_path} is the store of the pipeline ")
    assert told in sentence
    assert sentence.endswith(
        ": they would overwrite each other's tables. Give each its own data_dir or store_dir."
        f" If the pipeline was renamed, remove {tmp_path}/.pipeline"
    )
    assert (tmp_path / MARKER).read_text() == f"{owner}\n{LINES}"


@pytest.mark.parametrize(
    ("changes", "name", "stored", "given"),
    [
        ({"currency_decimals": 0}, "currency_decimals", "2", "0"),
        ({"first_day": "2024-12-31"}, "first_day", "2025-01-01", "2024-12-31"),
        ({"timezone": "Europe/Berlin"}, "timezone", "UTC", "Europe/Berlin"),
    ],
)
def test_what_the_files_were_made_by_is_not_changed_under_them(
    tmp_path: Path, changes: dict[str, object], name: str, stored: str, given: str
) -> None:
    claim(settings(tmp_path), "")
    claim(settings(tmp_path, **changes), "")  # there are no files yet
    claim(settings(tmp_path), "")
    with_a_file(tmp_path)
    with pytest.raises(StoreOfOtherSettings) as refused:
        claim(settings(tmp_path, **changes), "")
    assert str(refused.value) == (
        f"the files in {tmp_path} were made with {name} {stored}, and this run has {given}: they"
        f" would not go together. Set ABINTEL_{name.upper()}={stored} again, or give the new value"
        " a data_dir of its own and backfill that. If nothing that is published depends on it,"
        f" change the line in {tmp_path}/.pipeline"
    )
    assert (tmp_path / MARKER).read_text() == f"\n{LINES}"


def test_a_claimed_store_is_claimed_after_a_loss_of_power(tmp_path: Path) -> None:
    for seed in range(5):
        disk = Disk(tmp_path, Random(seed))
        with disk.installed(), running(Process("run")):
            claim(settings(tmp_path), "north")
        disk.power.lose(Random(seed))
        assert (tmp_path / MARKER).read_text() == "north\n" + LINES
        (tmp_path / MARKER).unlink()
