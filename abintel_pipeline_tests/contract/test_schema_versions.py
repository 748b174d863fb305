"""What consumers may rely on: a table's columns don't change without a new schema version.

`schema_versions.json` records every version of every table. Changing a model makes the test fail
until `version` of its Table is raised and the new columns are recorded beside the old ones.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pandera.pandas as pa
import pyarrow
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.contract.columns import Text
from abintel_pipeline.contract.rfm import RfmThresholds
from abintel_pipeline_tests.shop import Shop, day

RECORDED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("schema_versions.json").read_text()
)


def told(field: pyarrow.Field) -> str:
    """A column's name and type; Parquet and Arrow call the items of a list by other names."""
    kind = field.type
    return f"{field.name}: {f'list<{kind.value_type}>' if pyarrow.types.is_list(kind) else kind}"


def schema_of(table: Table) -> dict[str, Any]:
    """Everything about a table's files that a consumer may build on."""
    return {
        "columns": [told(field) + (" or null" if field.nullable else "") for field in table.schema],
        "partition_column": table.partition_column,
        "row_order": list(table.order),
    }


def broken_promises(tables: dict[str, Table], recorded: dict[str, dict[str, Any]]) -> list[str]:
    """What has changed without a new version; nothing if all is as recorded."""
    broken = []
    for name, table in tables.items():
        versions = recorded.get(name, {})
        if versions.get(str(table.version)) != schema_of(table):
            if str(table.version) in versions:
                broken.append(f"{name}: changed, but still version {table.version}")
            else:
                broken.append(f"{name}: version {table.version} is not recorded")
        if list(versions) != [str(number + 1) for number in range(len(versions))]:
            broken.append(f"{name}: versions {list(versions)} are not 1, 2, 3, …")
        elif len(versions) > table.version:
            broken.append(f"{name}: version {table.version} is older than what is recorded")
    return broken + [f"{name}: is gone" for name in recorded if name not in tables]


def test_no_table_has_changed_without_a_new_version():
    assert broken_promises(TABLES, RECORDED) == []


class Renamed(RfmThresholds):
    extra: Text = pa.Field(description="One column more.")


class Nullable(RfmThresholds):
    cut: Text = pa.Field(nullable=True)


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"model": Renamed}, "rfm_thresholds: changed, but still version 1"),
        ({"model": Nullable}, "rfm_thresholds: changed, but still version 1"),
        ({"order": ("metric",)}, "rfm_thresholds: changed, but still version 1"),
        ({"partition_column": "day"}, "rfm_thresholds: changed, but still version 1"),
        ({"model": Renamed, "version": 2}, "rfm_thresholds: version 2 is not recorded"),
    ],
)
def test_a_change_without_a_new_version_is_found(change: dict[str, Any], broken: str):
    table = replace(TABLES["rfm_thresholds"], **change)
    assert broken_promises({**TABLES, "rfm_thresholds": table}, RECORDED) == [broken]


def test_a_recorded_new_version_is_accepted_and_the_old_one_is_not():
    table = replace(TABLES["rfm_thresholds"], model=Renamed, version=2)
    versions = RECORDED["rfm_thresholds"] | {"2": schema_of(table)}
    recorded = {**RECORDED, "rfm_thresholds": versions}
    assert broken_promises({**TABLES, "rfm_thresholds": table}, recorded) == []
    assert broken_promises(TABLES, recorded) == [
        "rfm_thresholds: version 1 is older than what is recorded"
    ]
    without = {name: table for name, table in TABLES.items() if name != "rfm_thresholds"}
    assert broken_promises(without, RECORDED) == ["rfm_thresholds: is gone"]


def test_every_file_says_its_table_and_version_and_has_the_recorded_columns(shop: Shop):
    shop.deliver("2025-01-01", "001,T1,2025-01-01,1.00,P1", "002,T2,2025-01-01,2.00,P1")
    shop.deliver_customers("2025-01-01", "001,0.5")
    shop.take_in("2025-01-01")
    shop.snapshot("2025-01-01")
    for name, table in TABLES.items():
        path = shop.store.path(table, day("2025-01-01"))
        metadata = pq.read_metadata(path).metadata
        assert metadata[b"abintel_table"].decode() == name
        assert metadata[b"abintel_schema_version"].decode() == str(table.version)
        query = f"SELECT decode(value) FROM parquet_kv_metadata('{path}') WHERE key = ?"
        (version,) = duckdb.execute(query, [b"abintel_schema_version"]).fetchall()
        assert version == (str(table.version),)
        written = [told(field) for field in pq.read_schema(path)]
        promised = [text.removesuffix(" or null") for text in schema_of(table)["columns"]]
        day_column = [text for text in promised if text.startswith(f"{table.partition_column}:")]
        assert written == [text for text in promised if text not in day_column]
        assert len(day_column) == 1
