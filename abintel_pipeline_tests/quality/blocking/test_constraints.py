"""The constraints as SQL: none gets lost, and they find what Pandera finds."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pandera.pandas as pa
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.contract.columns import Day, Float, Text, Whole
from abintel_pipeline.contract.rfm import TIERS
from abintel_pipeline.engine.sql import copy_to_parquet
from abintel_pipeline.quality.blocking.constraints import UntranslatedCheck, constraints
from abintel_pipeline.quality.blocking.files import broken_constraints
from abintel_pipeline.store.snapshot_store import SnapshotStore, Staged
from abintel_pipeline_tests.metrics.running import reproducible

RESULTS = (
    "customer_features",
    "customer_loyalty",
    "loyalty_summary",
    "customer_rfm",
    "rfm_thresholds",
)
DAY = date(2025, 1, 1)
VALUES: dict[pyarrow.DataType, st.SearchStrategy[Any]] = {
    pyarrow.float64(): st.sampled_from(
        [0.0, 0.5, 1.0, 1.0000001, -0.01, float("nan"), float("inf"), float("-inf")]
    ),
    pyarrow.int64(): st.sampled_from([-1, 0, 1, 7]),
    pyarrow.int32(): st.sampled_from([-1, 0, 1, 2, 3, 10, 11, 30, 31]),
    pyarrow.string(): st.sampled_from(
        ["Champion", "champion", "recency", "", "555", "5555", "x555", "555x", "10-2-3", "1-2",
         "'", *TIERS, *TIERS.values()]
    ),
}  # fmt: skip


@st.composite
def frames(draw: st.DrawFn) -> tuple[Table, pyarrow.Table]:
    """A few rows of a result table, with anything at all in its cells."""
    table = TABLES[draw(st.sampled_from(RESULTS))]
    rows = draw(st.integers(1, 3))
    columns = {}
    for field in table.schema:
        if field.name == table.partition_column:
            columns[field.name] = pyarrow.array([DAY] * rows)
        else:
            cells = st.none() | VALUES[field.type]
            columns[field.name] = pyarrow.array(
                draw(st.lists(cells, min_size=rows, max_size=rows)), field.type
            )
    return table, pyarrow.table(columns)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def staged(
    connection: duckdb.DuckDBPyConnection, root: Path, table: Table, rows: pyarrow.Table
) -> Staged:
    """The rows as the store writes them."""
    path = SnapshotStore(root).path(table, DAY)
    path.parent.mkdir(parents=True, exist_ok=True)
    own = rows.drop_columns([table.partition_column])
    connection.register("own", own)
    copy_to_parquet(connection, "FROM own", path, {})
    return Staged(table, DAY, path, rows.num_rows)


def by_pandera(table: Table, rows: pyarrow.Table) -> dict[str, int]:
    """{constraint: rows that break it}, by validating the frame."""
    frame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    try:
        table.model.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        cases = cases[cases.check != "field_uniqueness"]
        names = cases.check.replace("not_nullable", "not null")
        return (cases.column + ": " + names).value_counts().to_dict()
    return {}


@reproducible(80)
@given(frames())
def test_the_conditions_find_what_pandera_finds(
    connection: duckdb.DuckDBPyConnection,
    tmp_path_factory: pytest.TempPathFactory,
    frame: tuple[Table, pyarrow.Table],
) -> None:
    table, rows = frame
    one = staged(connection, tmp_path_factory.getbasetemp() / "frames", table, rows)
    broken = broken_constraints(connection, table, [one])
    # A null breaks "not null" alone to Pandera, and every constraint of its column to SQL.
    nulls = {name: rows[name].null_count for name in rows.column_names}
    found = {
        name: of_day[DAY][0] - (0 if name.endswith("not null") else nulls[name.split(":")[0]])
        for name, of_day in broken.items()
    }
    assert {name: count for name, count in found.items() if count} == by_pandera(table, rows)


@pytest.mark.parametrize("name", RESULTS)
def test_every_constraint_of_a_result_model_has_a_condition(name: str) -> None:
    columns = dict(TABLES[name].model.to_schema().columns)
    del columns["snapshot_date"]  # it stands in the path
    wanted = sum(len(column.checks) + (not column.nullable) for column in columns.values())
    assert len(constraints(TABLES[name])) == wanted > 0


class Positive(pa.DataFrameModel):
    snapshot_date: Day
    customer_id: Text
    spend: Float = pa.Field(gt=0)


class Compared(pa.DataFrameModel):
    snapshot_date: Day
    low: Whole
    high: Whole

    @pa.dataframe_check
    @classmethod
    def _rises(cls, rows: Any) -> Any:
        return rows["low"] <= rows["high"]


class TwoKeys(pa.DataFrameModel):
    snapshot_date: Day
    customer_id: Text
    segment: Text

    class Config:
        unique: tuple[str, ...] = ("customer_id", "segment")


class Unordered(pa.DataFrameModel):
    snapshot_date: Day
    customer_id: Text = pa.Field(unique=True)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (TABLES["raw_transactions"], "a check of the whole frame"),
        (TABLES["raw_customers"], "raw_customers.customer_id: blank has no SQL condition"),
        (Table("positive", Positive, "snapshot_date", ()), "positive.spend: greater_than has no"),
        (Table("compared", Compared, "snapshot_date", ()), "a check of the whole frame"),
        (Table("keys", TwoKeys, "snapshot_date", ()), "unique over several columns"),
        (Table("unordered", Unordered, "snapshot_date", ()), "isn't in its order"),
    ],
)
def test_a_constraint_without_a_condition_is_an_error(table: Table, told: str) -> None:
    with pytest.raises(UntranslatedCheck, match=told):
        constraints(table)
