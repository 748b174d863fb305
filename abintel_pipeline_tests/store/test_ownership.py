"""A store belongs to one pipeline."""

from pathlib import Path

import pytest

from abintel_pipeline.store.ownership import MARKER, StoreOfAnother, claim


def test_a_new_store_is_the_pipelines_that_claims_it_first(tmp_path: Path) -> None:
    store = tmp_path / "data" / "store"
    claim(store, "north")
    assert (store / MARKER).read_text() == "north\n"
    assert [path.name for path in store.iterdir()] == [MARKER]
    claim(store, "north")


def test_a_store_that_is_there_is_claimed_like_a_new_one(tmp_path: Path) -> None:
    claim(tmp_path, "")
    assert (tmp_path / MARKER).read_text() == "\n"
    claim(tmp_path, "")


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
    claim(tmp_path, owner)
    with pytest.raises(StoreOfAnother) as rejected:
        claim(tmp_path, pipeline)
    sentence = str(rejected.value)
    assert sentence.startswith(f"{tmp_path} is the store of the pipeline ")
    assert told in sentence
    assert sentence.endswith(
        ": they would overwrite each other's tables. Give each its own data_dir or store_dir."
        f" If the pipeline was renamed, remove {tmp_path}/.pipeline"
    )
    assert (tmp_path / MARKER).read_text() == f"{owner}\n"
