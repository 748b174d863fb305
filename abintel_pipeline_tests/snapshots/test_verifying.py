"""`verify` finds published files that are damaged, missing, stale or different."""

import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.snapshots import features_snapshot
from abintel_pipeline.snapshots.recomputing import recompute
from abintel_pipeline.snapshots.verifying import Report, published_files, verify
from abintel_pipeline.store.proofs import Origin, file_metadata, seal, snapshot_rules, stored_origin
from abintel_pipeline_tests.shop import Shop, day, shop_settings

FIRST, SECOND, THIRD = "2025-01-01", "2025-01-02", "2025-01-03"
RAW, FEATURES, RFM = (
    TABLES[name] for name in ("raw_transactions", "customer_features", "customer_rfm")
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with three published days."""
    data_dir = tmp_path_factory.mktemp("made")
    with Shop.open(shop_settings(data_dir)) as shop:
        shop.deliver(FIRST, "001,T1,2025-01-01,10.00,P1", "002,T2,2025-01-01,20.00,P2")
        shop.deliver(SECOND, "001,T3,2025-01-02,5.00,P1")
        shop.deliver(THIRD, "003,T4,2025-01-03,7.00,P1")
        shop.take_in(FIRST, SECOND, THIRD)
        shop.snapshot(FIRST, SECOND, THIRD)
    return data_dir


@pytest.fixture
def published(shop: Shop, made: Path) -> Shop:
    return shop.begin_with(made)


def verified(shop: Shop, first: date = date.min, last: date = date.max) -> Report:
    files = published_files(shop.store, first, last)
    return verify(shop.settings, shop.step.connection, files)


def recomputed(shop: Shop) -> Report:
    files = published_files(shop.store, date.min, date.max)
    return recompute(shop.settings, shop.step.connection, files)


def test_what_was_published_is_true(published: Shop) -> None:
    report = verified(published)
    assert report.files == 3 * 7  # lines, rejected lines, and the five tables of a snapshot
    assert not report.flaws
    assert not report.unproved


def test_nothing_published_is_no_fault(shop: Shop) -> None:
    assert verified(shop) == Report()


def test_the_files_of_some_days_are_verified_alone(published: Shop) -> None:
    assert verified(published, day(SECOND), day(SECOND)).files == 7


def test_a_damaged_file_is_one_fault_and_does_not_stop_the_others(published: Shop) -> None:
    path = published.store.path(RFM, day(SECOND))
    spoilt = bytearray(path.read_bytes())
    spoilt[100] ^= 1
    path.write_bytes(spoilt)
    report = verified(published)
    (flaw,) = report.flaws
    assert report.files == 21
    assert str(flaw) == (
        f"customer_rfm of {SECOND} is damaged: {path} has other bytes than those that were"
        " published: it was damaged or changed"
    )
    assert flaw.advice == f"Publish it again: abintel run {SECOND} --only snapshots"
    assert report.to_recompute == [day(SECOND)]


def test_a_correction_makes_every_snapshot_stale_that_it_reaches(published: Shop) -> None:
    published.deliver(SECOND, "001,T3,2025-01-02,6.00,P1")
    published.take_in(SECOND)
    stale = {(flaw.table.name, flaw.day): str(flaw) for flaw in verified(published).flaws}
    assert stale == {
        ("customer_features", day(on)): f"customer_features of {on} is stale:"
        f" raw_transactions of {SECOND} was replaced since"
        for on in (SECOND, THIRD)
    }
    published.snapshot(SECOND, THIRD)
    assert not verified(published).flaws


def test_features_made_again_alone_leave_the_scores_stale(published: Shop) -> None:
    published.deliver(THIRD, "003,T4,2025-01-03,8.00,P1")
    published.take_in(THIRD)
    features_snapshot(published.step, day(THIRD))
    report = verified(published)
    assert {(flaw.table.name, flaw.kind) for flaw in report.flaws} == {
        ("customer_loyalty", "stale"),
        ("loyalty_summary", "stale"),
        ("customer_rfm", "stale"),
        ("rfm_thresholds", "stale"),
    }
    assert report.to_recompute == [day(THIRD)]


def test_a_late_delivery_and_one_that_is_gone_are_told_apart(published: Shop) -> None:
    shutil.rmtree(published.store.path(RAW, day(FIRST)).parent)
    published.deliver_customers(THIRD, "001,0.5")
    published.take_in(THIRD)
    told = {flaw.day: flaw.told for flaw in verified(published).flaws}
    assert told == {
        day(FIRST): f"raw_transactions of {FIRST} was removed since",
        day(SECOND): f"raw_transactions of {FIRST} was removed since",
        day(THIRD): f"raw_transactions of {FIRST} was removed since;"
        f" raw_customers of {THIRD} was published since",
    }


def test_a_delivery_that_reaches_no_snapshot_makes_none_stale(published: Shop) -> None:
    published.deliver(THIRD, "003,T4,2025-01-03,7.00,P1")
    published.deliver("2025-01-04", "003,T5,2025-01-04,7.00,P1")
    published.take_in(THIRD, "2025-01-04")
    assert not verified(published).flaws


def test_a_table_that_is_missing_beside_its_kin_is_a_fault(published: Shop) -> None:
    published.store.path(TABLES["rfm_thresholds"], day(FIRST)).unlink()
    (flaw,) = verified(published).flaws
    assert str(flaw) == (
        f"rfm_thresholds of {FIRST} is missing: customer_rfm of the same day is there"
    )


def test_files_of_earlier_versions_are_counted(published: Shop) -> None:
    path = published.store.path(RFM, day(FIRST))
    table = pq.read_table(path, partitioning=None)
    keys = (b"abintel_table", b"abintel_schema_version", b"abintel_rules")
    told = {key: table.schema.metadata[key] for key in keys}
    pq.write_table(table.replace_schema_metadata(told), path)
    report = verified(published)
    assert report.unproved == 1
    assert not report.flaws


def test_everything_computed_again_is_the_same(published: Shop) -> None:
    report = recomputed(published)
    assert report.recomputed == 21
    assert not report.flaws
    assert not list((published.store.root / ".staging").iterdir())


def forged(shop: Shop, table: str, on: str, column: str, value: object) -> None:
    """A file with another value in its first row that proves itself all the same."""
    contract, path = TABLES[table], shop.store.path(TABLES[table], day(on))
    origin = Origin(snapshot_rules(path), stored_origin(path) or {})
    rows = pq.read_table(path, partitioning=None).to_pylist()
    rows[0][column] = value
    schema = pq.read_schema(path).with_metadata(file_metadata(contract, day(on), origin))
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    seal(path)


def test_values_that_are_not_those_that_come_out_are_found_by_computing(published: Shop) -> None:
    forged(published, "customer_rfm", SECOND, "recency_days", 99)
    assert not verified(published).flaws
    report = recomputed(published)
    assert [str(flaw) for flaw in report.flaws] == [
        f"customer_rfm of {SECOND} is different: computed again it has other rows"
    ]
    assert report.recomputed == 21


def test_what_was_taken_in_is_read_again_from_its_delivery(published: Shop) -> None:
    forged(published, "raw_transactions", SECOND, "product_id", "P9")
    report = recomputed(published)
    assert ("raw_transactions", day(SECOND)) in {(f.table.name, f.day) for f in report.flaws}


def test_a_delivery_that_lies_there_no_more_is_told_and_no_fault(published: Shop) -> None:
    (published.settings.landing / "transactions" / f"{FIRST}.csv").unlink()
    published.deliver(SECOND, "001,T3,2025-01-02,6.00,P1")
    report = recomputed(published)
    assert report.without_delivery == 4  # lines and rejected lines of two days
    assert report.recomputed == 17
    assert not report.flaws
