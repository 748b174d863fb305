"""A published file says what it is, and nothing is read of one that isn't what it says."""

import json
import random
import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from blake3 import blake3

from abintel_pipeline.contract import TABLES
from abintel_pipeline.reading import read_snapshot, read_snapshots
from abintel_pipeline.snapshots import loyalty_snapshot
from abintel_pipeline.store import proofs
from abintel_pipeline.store.proofs import NotAsPublished, footer_of, hash_of, is_sealed, prove
from abintel_pipeline_tests.shop import Shop, day, shop_settings

FIRST, SECOND = "2025-01-01", "2025-01-02"
RAW, RFM = TABLES["raw_transactions"], TABLES["customer_rfm"]
PUBLISHED = [name for name in TABLES if not name.endswith("customers")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two published days; one line of the second was rejected."""
    data_dir = tmp_path_factory.mktemp("made")
    settings = shop_settings(data_dir).model_copy(update={"max_rejected_share": 1})
    with Shop.open(settings) as shop:
        shop.deliver(FIRST, "001,T1,2025-01-01,10.00,P1", "002,T2,2025-01-01,20.00,P2")
        shop.deliver(SECOND, "001,T3,2025-01-02,5.00,P1", "003,T4,2025-01-02,x,P1")
        shop.take_in(FIRST, SECOND)
        shop.snapshot(FIRST)
        shop.snapshot(SECOND)
    return data_dir


@pytest.fixture
def published(shop: Shop, made: Path) -> Shop:
    return shop.begin_with(made)


def zeroed(path: Path) -> bytes:
    """A file with zeros for the digits of its hash, by hand."""
    written, digits = path.read_bytes(), hash_of(path).encode()
    assert written.count(digits) == 1
    return written.replace(digits, b"0" * 32)


@pytest.mark.parametrize("table", PUBLISHED)
def test_a_file_holds_the_hash_of_its_own_bytes(published: Shop, table: str) -> None:
    for on in (FIRST, SECOND):
        path = published.store.path(TABLES[table], day(on))
        assert hash_of(path) == blake3(zeroed(path)).hexdigest(length=16)


@pytest.mark.parametrize("table", PUBLISHED)
def test_a_file_says_its_table_its_day_and_its_version(published: Shop, table: str) -> None:
    told = footer_of(published.store.path(TABLES[table], day(SECOND)))
    assert told["abintel_table"] == table
    assert told["abintel_day"] == SECOND
    assert told["abintel_schema_version"] == str(TABLES[table].version)


def test_a_delivery_s_files_stand_in_what_became_of_it(published: Shop) -> None:
    landed = published.settings.landing / "transactions" / f"{SECOND}.csv"
    for name in ("raw_transactions", "rejected_transactions"):
        told = footer_of(published.store.path(TABLES[name], day(SECOND)))
        assert json.loads(told["abintel_made_from"]) == {
            "deliveries": [
                {
                    "name": f"transactions/{SECOND}.csv",
                    "bytes": landed.stat().st_size,
                    "hash": blake3(landed.read_bytes()).hexdigest(length=16),
                }
            ]
        }


def test_a_snapshot_names_the_hash_of_each_file_that_it_was_made_from(published: Shop) -> None:
    def hashed(table: str, on: str) -> str:
        return hash_of(published.store.path(TABLES[table], day(on)))

    def made_from(table: str) -> object:
        told = footer_of(published.store.path(TABLES[table], day(SECOND)))
        return json.loads(told["abintel_made_from"])

    raw = {on: hashed("raw_transactions", on) for on in (FIRST, SECOND)}
    features = {SECOND: hashed("customer_features", SECOND)}
    loyalty = {SECOND: hashed("customer_loyalty", SECOND)}
    assert made_from("customer_features") == {"raw_transactions": raw, "raw_customers": {}}
    assert made_from("customer_loyalty") == {"customer_features": features}
    both = {"customer_features": features, "customer_loyalty": loyalty}
    assert made_from("customer_rfm") == made_from("rfm_thresholds") == both


@pytest.mark.parametrize("table", ["raw_transactions", "customer_rfm", "loyalty_summary"])
def test_any_flipped_bit_is_noticed(published: Shop, table: str) -> None:
    path = published.store.path(TABLES[table], day(FIRST))
    whole = path.read_bytes()
    chosen = random.Random(7)
    places = [*range(12), *range(len(whole) - 12, len(whole))]
    places += chosen.sample(range(12, len(whole) - 12), 200)
    for place in places:
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << chosen.randrange(8)
        path.write_bytes(spoilt)
        with pytest.raises(NotAsPublished):
            read_snapshot(table, FIRST, settings=published.settings)


def test_files_of_two_days_that_were_swapped_are_refused_by_the_next_step(
    published: Shop,
) -> None:
    one, two = (published.store.path(TABLES["customer_features"], day(d)) for d in (FIRST, SECOND))
    kept = one.with_name("kept")
    shutil.move(one, kept)
    shutil.move(two, one)
    shutil.move(kept, two)
    with pytest.raises(NotAsPublished) as error:
        loyalty_snapshot(published.step, day(FIRST))
    assert str(error.value) == (
        f"customer_features of {FIRST} is not used: {one} is the file of {SECOND}."
        f" Publish it again: abintel run {FIRST} --only snapshots"
    )


def rewritten(path: Path, table: pa.Table) -> None:
    """A file of other rows or columns, with the footer of the one that it replaces."""
    pq.write_table(table, path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: t.drop_columns("product_id"), "has no column product_id"),
        (
            lambda t: t.set_column(3, "amount", t["amount"].cast(pa.float64())),
            "has amount as double, the contract has decimal128(18, 2)",
        ),
        (
            lambda t: t.set_column(0, "customer_id", t["customer_id"].cast(pa.int64())),
            "has customer_id as int64, the contract has string",
        ),
        (
            lambda t: t.append_column("colour", pa.array(["red"] * t.num_rows)),
            "has a column that the contract does not have: colour",
        ),
    ],
)
@pytest.mark.parametrize("footer", ["kept", "lost"])
def test_a_raw_file_that_was_written_by_somebody_else_is_refused(
    published: Shop, change, why: str, footer: str
) -> None:
    path = published.store.path(RAW, day(FIRST))
    told = pq.read_metadata(path).metadata if footer == "kept" else {}
    table = change(pq.read_table(path, partitioning=None))
    rewritten(path, table.replace_schema_metadata(told))
    with pytest.raises(NotAsPublished, match="is not used") as error:
        published.snapshot(FIRST)
    assert why in str(error.value)


def twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table])


def without_its_first_row(table: pa.Table) -> pa.Table:
    return table.slice(1)


@pytest.mark.parametrize("change", [twice, without_its_first_row])
def test_other_rows_under_the_footer_of_a_raw_file_are_refused(published: Shop, change) -> None:
    path = published.store.path(RAW, day(FIRST))
    told = pq.read_metadata(path).metadata
    table = change(pq.read_table(path, partitioning=None))
    rewritten(path, table.replace_schema_metadata(told))
    with pytest.raises(NotAsPublished, match="has other bytes than those that were published"):
        published.snapshot(FIRST)


def test_an_amount_that_is_missing_is_refused_of_a_file_that_cannot_prove_its_bytes(
    published: Shop,
) -> None:
    path = published.store.path(RAW, day(FIRST))
    table = pq.read_table(path, partitioning=None).replace_schema_metadata({})
    nothing = pa.nulls(table.num_rows, pa.decimal128(18, 2))
    rewritten(path, table.set_column(3, "amount", nothing))
    with pytest.raises(NotAsPublished, match="has rows without amount"):
        published.snapshot(FIRST)


def test_a_file_of_a_newer_pipeline_is_refused(published: Shop) -> None:
    path = published.store.path(RFM, day(FIRST))
    table = pq.read_table(path, partitioning=None)
    told = {**table.schema.metadata, b"abintel_schema_version": b"99"}
    rewritten(path, table.replace_schema_metadata(told))
    with pytest.raises(NotAsPublished, match="has version 99 of its columns, this pipeline knows"):
        read_snapshot("customer_rfm", FIRST, settings=published.settings)


def test_a_file_of_another_table_or_of_none_is_refused(published: Shop) -> None:
    path = published.store.path(RFM, day(FIRST))
    shutil.copy(published.store.path(RAW, day(FIRST)), path)
    with pytest.raises(NotAsPublished, match="is a file of raw_transactions"):
        read_snapshot("customer_rfm", FIRST, settings=published.settings)
    path.write_text("customer_id\n001\n")
    with pytest.raises(NotAsPublished, match="is no whole Parquet file"):
        read_snapshots("customer_rfm", FIRST, SECOND, settings=published.settings)


def test_a_footer_that_makes_no_sense_is_a_sentence_wherever_it_is_asked(published: Shop) -> None:
    path = published.store.path(RFM, day(FIRST))
    whole = path.read_bytes()
    for spoilt, ask in (
        (b'"history_days": 5', proofs.snapshot_rules),
        (b'{"customer_features"', proofs.stored_origin),
    ):
        assert whole.count(spoilt)
        path.write_bytes(whole.replace(spoilt, b"\xff" * len(spoilt)))
        with pytest.raises(NotAsPublished, match="is no whole Parquet file"):
            ask(path)


def test_a_file_of_an_earlier_version_is_read_though_it_cannot_prove_itself(
    published: Shop,
) -> None:
    path = published.store.path(RFM, day(FIRST))
    before = read_snapshot("customer_rfm", FIRST, settings=published.settings)
    table = pq.read_table(path, partitioning=None)
    keys = (b"abintel_table", b"abintel_schema_version", b"abintel_rules")
    rewritten(
        path, table.replace_schema_metadata({key: table.schema.metadata[key] for key in keys})
    )
    assert not is_sealed(path)
    assert read_snapshot("customer_rfm", FIRST, settings=published.settings).equals(before)


def test_a_file_is_hashed_once_in_a_process_and_again_when_it_is_replaced(
    published: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []
    real = proofs._hash
    monkeypatch.setattr(proofs, "_hash", lambda *given: hashed.append(1) or real(*given))
    path = published.store.path(RFM, day(FIRST))
    for _ in range(3):
        prove(RFM, [(day(FIRST), path)])
    assert len(hashed) == 1
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)
    prove(RFM, [(day(FIRST), path)])
    assert len(hashed) == 2


def test_what_a_process_has_published_it_does_not_hash_again(
    published: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.snapshot(FIRST)
    monkeypatch.setattr(proofs, "_hash", lambda *_: pytest.fail("hashed again"))
    for table in ("customer_features", "customer_loyalty", "customer_rfm"):
        prove(TABLES[table], [(date(2025, 1, 1), published.store.path(TABLES[table], day(FIRST)))])


def test_accepted_rows_without_those_rejected_say_what_they_are_too(published: Shop) -> None:
    """pyarrow, which writes them, drops a schema's metadata where it stores no schema."""
    told = footer_of(published.store.path(RAW, day(SECOND)))
    assert told["abintel_table"] == "raw_transactions"


def test_other_programs_read_a_sealed_file(published: Shop) -> None:
    path = published.store.path(RFM, day(FIRST))
    assert len(pd.read_parquet(path)) == len(pl.read_parquet(path)) == 2
