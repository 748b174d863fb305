"""`abintel verify` as a person and as cron see it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from abintel_pipeline.cli.app import app
from abintel_pipeline.contract import TABLES
from abintel_pipeline_tests.shop import Shop, day

FIRST, SECOND = "2025-01-01", "2025-01-02"


@pytest.fixture
def published(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("ABINTEL_DATA_DIR", str(shop.settings.data_dir))
    shop.deliver(FIRST, "001,T1,2025-01-01,10.00,P1")
    shop.deliver(SECOND, "001,T2,2025-01-02,5.00,P1")
    shop.take_in(FIRST, SECOND)
    shop.snapshot(FIRST, SECOND)
    return shop


def called(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["verify", *arguments])


def test_a_store_that_is_true_ends_with_0(published: Shop) -> None:
    found = called()
    assert found.exit_code == 0, found.output
    assert "14 files verified, 0 flaws" in found.output


def test_faults_are_a_line_each_with_the_command_that_mends_them_and_end_with_1(
    published: Shop,
) -> None:
    path = published.store.path(TABLES["customer_loyalty"], day(SECOND))
    path.write_bytes(path.read_bytes()[:-1])
    found = called()
    assert found.exit_code == 1
    assert f"customer_loyalty of {SECOND} is damaged: {path} is no whole Parquet file" in (
        found.output.replace("\n", " ")
    )
    assert f"Publish again: abintel run {SECOND} {SECOND} --only snapshots" in found.output


def test_a_damaged_delivery_says_how_it_comes_back(published: Shop) -> None:
    published.store.path(TABLES["raw_transactions"], day(FIRST)).write_text("nothing")
    found = called(FIRST)
    assert found.exit_code == 1
    told = found.output.replace("\n", " ")
    command = f"abintel run {FIRST} --only deliveries"
    assert f"deliver the day again and take it in: {command}" in told
    again = CliRunner().invoke(app, command.split()[1:])
    assert again.exit_code == 0, again.output
    assert called().exit_code == 0


def test_deep_says_how_many_files_were_computed_again(published: Shop) -> None:
    (published.settings.landing / "transactions" / f"{FIRST}.csv").unlink()
    found = called(FIRST, SECOND, "--deep")
    assert found.exit_code == 0, found.output
    assert "12 files computed again, 2 not: their delivery lies nowhere as it was" in found.output


def test_an_empty_store_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABINTEL_DATA_DIR", str(tmp_path / "new"))
    found = called()
    assert found.exit_code == 0
    assert f"Nothing is published under {tmp_path / 'new' / 'store'} for these days" in found.output


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    assert called(SECOND, FIRST).exit_code == 2
