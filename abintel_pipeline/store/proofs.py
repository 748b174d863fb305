"""What a published file says of itself, and whether that is true.

The footer of each file holds its table, its day, the version of its columns, the rules that decided
its values, what it was made from, and the BLAKE3 hash of its bytes. The hash stands in the bytes
that it is about: there its own digits count as zeros. So a file proves itself wherever it lies,
and no index has to be kept in step with it.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3
from pydantic import ValidationError

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.rules import Rules

TABLE_KEY = "abintel_table"
DAY_KEY = "abintel_day"
VERSION_KEY = "abintel_schema_version"
RULES_KEY = "abintel_rules"
MADE_FROM_KEY = "abintel_made_from"
HASH_KEY = "abintel_hash"

MadeFrom = Mapping[str, Any]
"""{snapshot table: {day: hash of its file}}, or {"deliveries": [{name, bytes, hash}]}."""

HASH_BYTES = 16
_UNSEALED = b"0" * 2 * HASH_BYTES
_DIGITS = re.compile(HASH_KEY.encode() + rb"[^0-9a-f]{1,8}([0-9a-f]{%d})" % (2 * HASH_BYTES))
_TAIL = 8
"""Bytes behind a Parquet footer: its length, and the mark PAR1."""
_BLOCK = 1 << 20
_THREADS = min(8, os.cpu_count() or 1)

_NO_PARQUET = "is no whole Parquet file"

_proved: dict[tuple[str, str, date], tuple[int, int, int]] = {}
"""What this process has proved, as it was then: a file is hashed once."""
_hashes: dict[str, tuple[tuple[int, int, int], str]] = {}


class NotAsPublished(Exception):
    """A file of the store isn't what it says, or not what its place says: nothing is read of it."""

    def __init__(self, table: Table, day: date, path: Path, why: str) -> None:
        self.table, self.day, self.path, self.why = table, day, path, why
        super().__init__(f"{table.name} of {day} is not used: {path} {why}. {advice(table, day)}")


@dataclass(frozen=True)
class Origin:
    """By which rules a file is made, and from what."""

    rules: Rules
    made_from: MadeFrom = field(default_factory=dict)


def file_metadata(table: Table, day: date, origin: Origin) -> dict[str, str]:
    """What a new file's footer says, the hash yet to come: see `seal`."""
    return {
        TABLE_KEY: table.name,
        DAY_KEY: day.isoformat(),
        VERSION_KEY: str(table.version),
        RULES_KEY: origin.rules.as_json(),
        MADE_FROM_KEY: json.dumps(origin.made_from, separators=(",", ":"), ensure_ascii=False),
        HASH_KEY: _UNSEALED.decode(),  # the last, as the names of files above may be anything
    }


def seal(path: Path) -> None:
    """Write a new file's hash into its footer, unless that is done."""
    with path.open("r+b") as file:
        place = _place_of_hash(file)
        if place is None:
            raise ValueError(f"{path} has no room for its hash: write it with `file_metadata`")
        if _digits_at(file, place) == _UNSEALED:
            digits = _hash(file, place).encode()
            file.seek(place)
            file.write(digits)


def hash_of(path: Path) -> str:
    """The hash that stands in a file; of a file that has none, the one that it would have.

    Looked up once in this process, unless the file is replaced.
    """
    with path.open("rb") as file:
        state = _state(os.fstat(file.fileno()))
        known = _hashes.get(str(path))
        if known is None or known[0] != state:
            place = _place_of_hash(file)
            found = _hash(file, None) if place is None else _digits_at(file, place).decode()
            known = _hashes[str(path)] = state, found
        return known[1]


def content_hash(path: Path) -> str:
    """The BLAKE3 hash of any file's bytes, 32 hexadecimal digits."""
    with path.open("rb") as file:
        return _hash(file, None)


def read_footer(path: Path) -> pq.FileMetaData:
    """The footer of a file of the store, not proved. Raises NotAsPublished where it has none."""
    with path.open("rb") as file:
        footer = _footer(file)
    if footer is None:
        raise _damaged(path)
    return footer


def _footer(file: BinaryIO) -> pq.FileMetaData | None:
    """None where pyarrow makes no sense of it; an error of the disk is raised."""
    try:
        return pq.read_metadata(file)
    except (pa.ArrowException, ValueError):
        return None
    except OSError as error:
        if error.errno is not None:
            raise
        return None  # pyarrow's word for Thrift that ends too early


def footer_of(path: Path) -> dict[str, str]:
    """What the pipeline wrote into a file's footer, by key. Raises as `read_footer` does."""
    try:
        return _told(read_footer(path))
    except UnicodeDecodeError as error:
        raise _damaged(path) from error


def stored_rules(path: Path) -> Rules | None:
    """The rules that decided the values of a published file; None where it doesn't say.

    As raw files with rejected rows didn't before version 0.3; a snapshot always does.
    """
    told = footer_of(path).get(RULES_KEY)
    try:
        return None if told is None else _parsed(told)
    except ValidationError as error:
        raise _damaged(path) from error


@cache
def _parsed(rules: str) -> Rules:
    return Rules.model_validate_json(rules)


def snapshot_rules(path: Path) -> Rules:
    """The same, of a snapshot. Raises NotAsPublished where it says none."""
    rules = stored_rules(path)
    if rules is None:
        raise _damaged(path)
    return rules


def _damaged(path: Path) -> NotAsPublished:
    """Of a file in the store, or in a folder that is laid out like one."""
    day = date.fromisoformat(path.parent.name.rpartition("=")[2])
    return NotAsPublished(TABLES[path.parent.parent.name], day, path, _NO_PARQUET)


def stored_origin(path: Path) -> MadeFrom | None:
    """What a published file was made from; None where a file of an earlier version doesn't say."""
    told = footer_of(path).get(MADE_FROM_KEY)
    try:
        return None if told is None else json.loads(told)
    except json.JSONDecodeError as error:
        raise _damaged(path) from error


def is_sealed(path: Path) -> bool:
    """Whether a file proves its bytes; files of earlier versions of the pipeline don't."""
    return HASH_KEY in footer_of(path)


def prove(table: Table, files: Iterable[tuple[date, Path]]) -> None:
    """See that each file is what was published as the table's of its day.

    Each is hashed once in this process, unless it is replaced. Raises NotAsPublished.
    """
    left = [(day, path) for day, path in files if not _is_proved(table, day, path)]
    if len(left) == 1:
        _prove(table, *left[0])
    elif left:
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(lambda one: _prove(table, *one), left):
                pass


def trust(table: Table, day: date, path: Path) -> None:
    """Take a file for proved that this process has just sealed and published."""
    found = path.stat()
    _proved[str(path), table.name, day] = _state(found)


def why_not(table: Table, day: date, path: Path) -> str | None:
    """What is wrong with a file, as the end of a sentence that begins with its path."""
    if _is_proved(table, day, path):
        return None
    with path.open("rb") as file:
        state = _state(os.fstat(file.fileno()))
        wrong = _why_not(table, day, file)
    if wrong is None:
        _proved[str(path), table.name, day] = state
    return wrong


def _prove(table: Table, day: date, path: Path) -> None:
    if wrong := why_not(table, day, path):
        raise NotAsPublished(table, day, path, wrong)


def _is_proved(table: Table, day: date, path: Path) -> bool:
    known = _proved.get((str(path), table.name, day))
    return known is not None and known == _state(path.stat())


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_mtime_ns, found.st_size


def _why_not(table: Table, day: date, file: BinaryIO) -> str | None:
    footer = _footer(file)
    if footer is None:
        return _NO_PARQUET
    try:
        told, schema = _told(footer), footer.schema.to_arrow_schema()
    except (pa.ArrowException, ValueError):
        return _NO_PARQUET
    wrong = _identity(table, day, told) or _columns(table, told, schema) or _bytes(told, file)
    return wrong or (None if HASH_KEY in told else _nulls(table, footer))


def _identity(table: Table, day: date, told: dict[str, str]) -> str | None:
    if not told and table.partition_column == "delivered_on":
        return None  # versions before 0.3 wrote raw files of which rows were rejected so
    if TABLE_KEY not in told:
        return "was not written by this pipeline"
    if told[TABLE_KEY] != table.name:
        return f"is a file of {told[TABLE_KEY]}"
    if told.get(DAY_KEY, str(day)) != str(day):
        return f"is the file of {told[DAY_KEY]}"
    return _version(table, told.get(VERSION_KEY, ""))


def _version(table: Table, version: str) -> str | None:
    if not version.isdecimal():
        return "does not say which version of its columns it has"
    if int(version) > table.version:
        return (
            f"has version {version} of its columns, this pipeline knows versions up to"
            f" {table.version}: was it written by a newer pipeline?"
        )
    return None


def _columns(table: Table, told: dict[str, str], schema: pa.Schema) -> str | None:
    """Files of earlier versions may lack the columns that were added since."""
    wanted = {f.name: f.type for f in table.schema if f.name != table.partition_column}
    old = int(told.get(VERSION_KEY, 1)) < table.version
    lacking = [n for n in wanted if n not in schema.names and not (old and n in table.added)]
    if lacking:
        return f"has no column {', '.join(lacking)}"
    if extra := [name for name in schema.names if name not in wanted]:
        return f"has a column that the contract does not have: {', '.join(extra)}"
    for one in schema:
        if not _same_type(one.type, wanted[one.name]):
            return f"has {one.name} as {one.type}, the contract has {wanted[one.name]}"
    return None


def _same_type(stored: pa.DataType, wanted: pa.DataType) -> bool:
    """Money has as many decimals as the currency had when it was stored."""
    if pa.types.is_decimal128(stored) and pa.types.is_decimal128(wanted):
        return bool(stored.precision == wanted.precision)
    return bool(stored == wanted)


def _bytes(told: dict[str, str], file: BinaryIO) -> str | None:
    place = _place_of_hash(file)
    if HASH_KEY not in told:
        # A hash that Parquet can't find, or keys that came with it: its name is damaged.
        damaged = place is not None or {DAY_KEY, MADE_FROM_KEY} & told.keys()
        return _CHANGED if damaged else None
    if place is None or _digits_at(file, place) != _hash(file, place).encode():
        return _CHANGED
    return None


def _nulls(table: Table, footer: pq.FileMetaData) -> str | None:
    """A null where none may be, as the footer tells of files that can't prove their bytes."""
    required = {one.name for one in table.schema if not one.nullable}
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        for column in map(group.column, range(group.num_columns)):
            known, name = column.statistics, column.path_in_schema
            if name in required and known and known.has_null_count and known.null_count:
                return f"has rows without {name}"
    return None


_CHANGED = "has other bytes than those that were published: it was damaged or changed"


def _told(footer: pq.FileMetaData) -> dict[str, str]:
    known = (footer.metadata or {}).items()
    return {key.decode(): value.decode() for key, value in known if key.startswith(b"abintel_")}


def _place_of_hash(file: BinaryIO) -> int | None:
    """Where in a Parquet file the digits of its hash begin."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _TAIL))
    length = int.from_bytes(file.read(4), "little")
    begin = max(0, end - _TAIL - length)
    file.seek(begin)
    found = list(_DIGITS.finditer(file.read(min(length, end))))
    return begin + found[-1].start(1) if found else None


def _digits_at(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(len(_UNSEALED))


def _hash(file: BinaryIO, place: int | None) -> str:
    """The hash of a file's bytes, with zeros for the digits at a place."""
    hasher, buffer = blake3(), memoryview(bytearray(_BLOCK))
    at = file.seek(0)
    while size := file.readinto(buffer):  # type: ignore[attr-defined]
        block = buffer[:size]
        if place is not None:
            _zeros(block, place - at)
        hasher.update(block)
        at += size
    return str(hasher.hexdigest(length=HASH_BYTES))


def _zeros(block: memoryview, place: int) -> None:
    """Overwrite as much of the digits as lies in a block; their place is counted from its start."""
    first, behind = max(place, 0), min(place + len(_UNSEALED), len(block))
    if first < behind:
        block[first:behind] = _UNSEALED[: behind - first]


def advice(table: Table, day: date) -> str:
    """What brings a file back that is damaged, lost or stale."""
    if table.partition_column == "snapshot_date":
        return f"Publish it again: abintel run {day} --only snapshots"
    return (
        f"Restore it from a backup, or deliver the day again and take it in: abintel run {day}"
        " --only deliveries"
    )
