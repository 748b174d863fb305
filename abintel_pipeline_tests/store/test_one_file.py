"""What one file says of itself, function by function, on files written for it."""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from blake3 import blake3

from abintel_pipeline.contract import CUSTOMER_LOYALTY, RAW_TRANSACTIONS, Table
from abintel_pipeline.rules import Rules
from abintel_pipeline.store import proofs
from abintel_pipeline.store.proofs import (
    NotAsPublished,
    Origin,
    content_hash,
    file_metadata,
    footer_of,
    hash_of,
    is_sealed,
    prove,
    read_footer,
    seal,
    snapshot_rules,
    stored_origin,
    stored_rules,
    trust,
    why_not,
)
from abintel_pipeline.store.snapshot_store import SnapshotStore
from abintel_pipeline_tests.store.raw_files import VERSION_1, VERSION_2, put_lines

FIRST, SECOND = date(2025, 1, 1), date(2025, 1, 2)
RULES = Rules(bins=3)
MADE_FROM = {"deliveries": [{"name": "Käufe.csv", "bytes": 7}]}
EARLIER = {"abintel_table": "customer_loyalty", "abintel_schema_version": "1"}
"""What versions before 0.3 wrote into a footer, but for the rules."""
ROWS = pa.table({"customer_id": ["A"], "loyalty_score": [0.5], "segment": ["Silver"]})
CHANGED = "has other bytes than those that were published: it was damaged or changed"


def put(path: Path, told: Mapping[str, str], rows: pa.Table = ROWS, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows.replace_schema_metadata(dict(told)), path, **options)
    return path


def sealed(path: Path, rows: pa.Table = ROWS) -> Path:
    put(path, file_metadata(CUSTOMER_LOYALTY, FIRST, Origin(RULES, MADE_FROM)), rows)
    seal(path)
    return path


def test_a_new_file_says_what_it_is_and_has_room_for_its_hash() -> None:
    assert file_metadata(CUSTOMER_LOYALTY, FIRST, Origin(RULES, MADE_FROM)) == {
        "abintel_table": "customer_loyalty",
        "abintel_day": "2025-01-01",
        "abintel_schema_version": "1",
        "abintel_rules": RULES.as_json(),
        "abintel_made_from": '{"deliveries":[{"name":"Käufe.csv","bytes":7}]}',
        "abintel_hash": "0" * 32,
    }


def test_a_sealed_file_is_asked_for_its_rules_its_origin_and_its_hash(tmp_path: Path) -> None:
    path = sealed(tmp_path / "file")
    assert stored_rules(path) == snapshot_rules(path) == RULES
    assert stored_origin(path) == MADE_FROM
    assert is_sealed(path)
    assert footer_of(path)["abintel_hash"] == hash_of(path)
    zeroed = path.read_bytes().replace(hash_of(path).encode(), b"0" * 32)
    assert hash_of(path) == blake3(zeroed).hexdigest(length=16)
    assert content_hash(path) == blake3(path.read_bytes()).hexdigest(length=16)


def test_a_file_of_an_earlier_version_does_not_say_all_of_it(tmp_path: Path) -> None:
    path = put(tmp_path / "file", EARLIER | {"other": "key"})
    assert footer_of(path) == EARLIER
    assert stored_rules(path) is None
    assert stored_origin(path) is None
    assert not is_sealed(path)
    assert hash_of(path) == content_hash(path)


NO_PARQUET = (
    "customer_loyalty of 2025-01-01 is not used: {} is no whole Parquet file. Publish it again:"
    " abintel run 2025-01-01 --only snapshots"
)


@pytest.mark.parametrize(
    ("told", "ask"),
    [
        ({}, snapshot_rules),
        ({"abintel_rules": "{"}, stored_rules),
        ({"abintel_rules": "{}", "abintel_made_from": "{"}, stored_origin),
        ({"abintel_rules": b"\xff"}, footer_of),
        (None, read_footer),
    ],
    ids=["no rules", "torn rules", "torn origin", "no text", "no Parquet"],
)
def test_a_footer_that_makes_no_sense_is_told_with_the_file_s_table_and_day(
    tmp_path: Path, told: dict[str, Any] | None, ask: Callable[[Path], object]
) -> None:
    path = SnapshotStore(tmp_path).path(CUSTOMER_LOYALTY, FIRST)
    put(path, EARLIER | (told or {}))
    if told is None:
        path.write_bytes(b"PAR1")
    with pytest.raises(NotAsPublished) as refused:
        ask(path)
    assert str(refused.value) == NO_PARQUET.format(path)


def test_an_error_of_the_disk_is_no_fault_of_the_file() -> None:
    class FailingDisk(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output error") as failed:
        proofs._footer(FailingDisk(b"PAR1" * 9))
    assert failed.value.errno == errno.EIO


def test_a_file_is_sealed_once_and_only_where_there_is_room(tmp_path: Path) -> None:
    path = sealed(tmp_path / "file")
    before = path.read_bytes()
    seal(path)
    assert path.read_bytes() == before
    path = put(tmp_path / "file", EARLIER)
    with pytest.raises(ValueError, match="has no room") as refused:
        seal(path)
    assert str(refused.value) == f"{path} has no room for its hash: write it with `file_metadata`"


@pytest.mark.parametrize("block", [1, 7, 16, 31, 32, 33, 1000, 1 << 20])
def test_the_hash_is_the_same_however_its_digits_lie_in_the_blocks_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    path = sealed(tmp_path / "file")
    monkeypatch.setattr(proofs, "_BLOCK", block)
    assert why_not(CUSTOMER_LOYALTY, FIRST, path) is None
    assert content_hash(path) == blake3(path.read_bytes()).hexdigest(length=16)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"customer_id\n001\n"])
def test_a_file_that_is_no_parquet_has_a_hash_too_and_is_none_of_the_store(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert hash_of(path) == content_hash(path) == blake3(content).hexdigest(length=16)
    assert why_not(CUSTOMER_LOYALTY, FIRST, path) == "is no whole Parquet file"


def without(*names: str) -> pa.Table:
    return ROWS.drop_columns(list(names))


UNVERSIONED = "does not say which version of its columns it has"
NEWER = (
    "has version 2 of its columns, this pipeline knows versions up to 1: was it written by a newer"
    " pipeline?"
)


@pytest.mark.parametrize(
    ("told", "rows", "why"),
    [
        ({}, ROWS, None),
        ({"abintel_table": None}, ROWS, "was not written by this pipeline"),
        ({"abintel_table": "customer_rfm"}, ROWS, "is a file of customer_rfm"),
        ({"abintel_day": "2025-01-02"}, ROWS, "is the file of 2025-01-02"),
        (
            {"abintel_schema_version": None},
            ROWS,
            "does not say which version of its columns it has",
        ),
        ({"abintel_schema_version": "x"}, ROWS, UNVERSIONED),
        ({"abintel_schema_version": "2"}, ROWS, NEWER),
        ({}, without("segment"), "has no column segment"),
        ({}, without("segment", "loyalty_score"), "has no column loyalty_score, segment"),
        (
            {},
            ROWS.append_column("colour", [["red"]]).append_column("size", [[1]]),
            "has a column that the contract does not have: colour, size",
        ),
        (
            {},
            ROWS.set_column(1, "loyalty_score", [pa.array([1])]),
            "has loyalty_score as int64, the contract has double",
        ),
        ({"abintel_day": "2025-01-01"}, ROWS, CHANGED),
        ({"abintel_made_from": "{}"}, ROWS, CHANGED),
        ({"abintel_hash": "0" * 32}, ROWS, CHANGED),
        ({"abintel_hash": "x"}, ROWS, CHANGED),
        ({}, pa.table(ROWS.to_pydict() | {"segment": ["Gold"]}), None),
        (
            {},
            ROWS.set_column(2, "segment", [pa.nulls(1, pa.string())]),
            "has rows without segment",
        ),
    ],
)
def test_what_is_wrong_with_a_file_of_an_earlier_version_is_told(
    tmp_path: Path, told: dict[str, str | None], rows: pa.Table, why: str | None
) -> None:
    keys = {key: value for key, value in (EARLIER | told).items() if value is not None}
    assert why_not(CUSTOMER_LOYALTY, FIRST, put(tmp_path / "file", keys, rows)) == why


def test_a_sealed_file_is_as_published_until_its_rows_change(tmp_path: Path) -> None:
    path = sealed(tmp_path / "file")
    told = dict(pq.read_metadata(path).metadata)
    assert why_not(CUSTOMER_LOYALTY, FIRST, path) is None
    put(path, told, pa.table(ROWS.to_pydict() | {"segment": ["Gold"]}))
    assert why_not(CUSTOMER_LOYALTY, FIRST, path) == CHANGED


def test_a_hash_whose_name_was_damaged_is_a_change(tmp_path: Path) -> None:
    """Its keys that tell of a hash may be damaged too; where it lies is still to be seen."""
    path = tmp_path / "file"
    put(path, EARLIER | {"xabintel_hash": "0" * 32})
    assert why_not(CUSTOMER_LOYALTY, FIRST, path) == CHANGED


def test_rows_that_look_like_a_hash_are_none(tmp_path: Path) -> None:
    rows = ROWS.set_column(0, "customer_id", [["abintel_hash: " + "0" * 32]])
    plain = {"compression": "none", "write_statistics": False, "use_dictionary": False}
    path = put(tmp_path / "file", EARLIER, rows, **plain)
    assert path.read_bytes().count(b"abintel_hash: 0") == 1
    assert hash_of(path) == content_hash(path)
    assert why_not(CUSTOMER_LOYALTY, FIRST, path) is None


TWO = replace(CUSTOMER_LOYALTY, version=2, added={"segment": None, "loyalty_score": 0.5})


@pytest.mark.parametrize(
    ("version", "rows", "why"),
    [
        ("1", without("segment"), None),
        ("1", without("segment", "loyalty_score"), None),
        ("1", without("segment", "customer_id"), "has no column customer_id"),
        ("2", without("segment"), "has no column segment"),
    ],
)
def test_only_files_of_earlier_versions_may_lack_what_was_added(
    tmp_path: Path, version: str, rows: pa.Table, why: str | None
) -> None:
    told = EARLIER | {"abintel_schema_version": version}
    assert why_not(TWO, FIRST, put(tmp_path / "file", told, rows)) == why


def test_raw_files_of_which_rows_were_rejected_said_nothing_once(tmp_path: Path) -> None:
    """Their columns are those of the first version."""
    path = put_lines(tmp_path / "file", VERSION_1, {})
    put(path, {}, pq.read_table(path))
    assert why_not(RAW_TRANSACTIONS, SECOND, path) is None
    put(path, {}, ROWS)
    assert why_not(CUSTOMER_LOYALTY, FIRST, path) == "was not written by this pipeline"


OTHER_MONEY = "has amount as {}, the contract has decimal128(18, 2)"


@pytest.mark.parametrize(
    ("money", "why"),
    [
        (pa.decimal128(18, 0), None),
        (pa.decimal128(18, 3), None),
        (
            pa.decimal128(20, 2),
            "has amount as decimal128(20, 2), the contract has decimal128(18, 2)",
        ),
        (pa.int64(), OTHER_MONEY.format("int64")),
    ],
    ids=str,
)
def test_amounts_have_the_decimals_that_the_currency_had(
    tmp_path: Path, money: pa.DataType, why: str | None
) -> None:
    schema = VERSION_2.set(3, pa.field("amount", money))
    path = put_lines(tmp_path / "file", schema, {"amount": Decimal(7) if why is None else 7})
    assert why_not(RAW_TRANSACTIONS, SECOND, path) == why


def test_a_null_is_wrong_only_where_none_may_be_and_the_footer_tells(tmp_path: Path) -> None:
    path = put_lines(tmp_path / "file", VERSION_2, {"line_id": None}, {"line_id": "1"})
    assert why_not(RAW_TRANSACTIONS, SECOND, path) is None
    schema = pa.schema([field.with_nullable(True) for field in VERSION_2])
    rows = {}, {}, {"amount": None}
    for groups in (1, 3):
        put_lines(path, schema, *rows, row_group_size=groups)
        assert why_not(RAW_TRANSACTIONS, SECOND, path) == "has rows without amount"
    put_lines(path, schema, *rows, write_statistics=False)
    assert why_not(RAW_TRANSACTIONS, SECOND, path) is None


@pytest.mark.parametrize(
    ("table", "advice"),
    [
        (CUSTOMER_LOYALTY, "Publish it again: abintel run 2025-01-01 --only snapshots"),
        (
            RAW_TRANSACTIONS,
            "Restore it from a backup, or deliver the day again and take it in: abintel run"
            " 2025-01-01 --only deliveries",
        ),
    ],
    ids=["a snapshot", "a delivery"],
)
def test_a_file_that_is_not_as_published_is_named_with_what_to_do(
    tmp_path: Path, table: Table, advice: str
) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(NotAsPublished) as refused:
        prove(table, [(FIRST, path)])
    assert str(refused.value) == (
        f"{table.name} of 2025-01-01 is not used: {path} is no whole Parquet file. {advice}"
    )
    one = refused.value
    assert (one.table, one.day, one.path) == (table, FIRST, path)
    assert one.why == "is no whole Parquet file"


def test_of_many_files_one_that_is_not_as_published_is_told(tmp_path: Path) -> None:
    good = [sealed(tmp_path / name) for name in "ab"]
    prove(CUSTOMER_LOYALTY, [(FIRST, path) for path in good])
    prove(CUSTOMER_LOYALTY, [])
    bad = tmp_path / "c"
    bad.touch()
    others = [sealed(tmp_path / name) for name in "de"]
    for some in ([others[0], bad], [*others, bad]):
        with pytest.raises(NotAsPublished) as refused:
            prove(CUSTOMER_LOYALTY, [(FIRST, path) for path in some])
        assert refused.value.path == bad


def test_a_file_that_was_proved_is_not_read_again_as_long_as_it_seems_the_same(
    tmp_path: Path,
) -> None:
    path = sealed(tmp_path / "file")
    prove(CUSTOMER_LOYALTY, [(FIRST, path)])
    known = path.stat()
    path.write_bytes(b"x" * known.st_size)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    prove(CUSTOMER_LOYALTY, [(FIRST, path)])
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns + 1))
    with pytest.raises(NotAsPublished):
        prove(CUSTOMER_LOYALTY, [(FIRST, path)])


def test_what_was_proved_of_one_day_or_table_is_not_proved_of_another(tmp_path: Path) -> None:
    path = sealed(tmp_path / "file")
    prove(CUSTOMER_LOYALTY, [(FIRST, path)])
    with pytest.raises(NotAsPublished):
        prove(CUSTOMER_LOYALTY, [(SECOND, path)])
    with pytest.raises(NotAsPublished):
        prove(replace(CUSTOMER_LOYALTY, name="other"), [(FIRST, path)])


def test_a_file_that_is_trusted_is_not_looked_at_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"anything")
    trust(CUSTOMER_LOYALTY, FIRST, path)
    prove(CUSTOMER_LOYALTY, [(FIRST, path)])
    assert why_not(CUSTOMER_LOYALTY, FIRST, path) is None
    path.write_bytes(b"anything else")
    with pytest.raises(NotAsPublished):
        prove(CUSTOMER_LOYALTY, [(FIRST, path)])


def test_the_hash_of_a_file_is_looked_up_again_when_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    known, before = path.stat(), hash_of(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert hash_of(path) == before
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns + 1))
    assert hash_of(path) == content_hash(path) != before


def test_a_sealed_file_is_taken_at_its_hash_whatever_is_in_it(tmp_path: Path) -> None:
    """What is in it was verified before it was published."""
    rows = ROWS.set_column(2, "segment", [pa.nulls(1, pa.string())])
    assert why_not(CUSTOMER_LOYALTY, FIRST, sealed(tmp_path / "file", rows)) is None


def test_a_published_file_is_whole_until_it_is_damaged(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    path = store.path(CUSTOMER_LOYALTY, FIRST)
    sealed(path)
    assert store.is_whole(CUSTOMER_LOYALTY, FIRST)
    path.write_bytes(path.read_bytes()[:-1])
    assert not store.is_whole(CUSTOMER_LOYALTY, FIRST)
