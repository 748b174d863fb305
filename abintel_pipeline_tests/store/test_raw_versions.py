"""Raw files of earlier versions, as they lie in a store."""

from datetime import date
from typing import Any

import ibis
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.contract.line_traits import ORDINARY, LineTraits
from abintel_pipeline.metrics.features import customer_features
from abintel_pipeline.metrics.in_force import lines_in_force
from abintel_pipeline.metrics.range_features import customer_changes, customer_states
from abintel_pipeline.metrics.snapshot_range import SnapshotRange
from abintel_pipeline.reading import load
from abintel_pipeline.rules import Rules
from abintel_pipeline.snapshots import features_snapshots
from abintel_pipeline_tests.shop import Shop, day
from abintel_pipeline_tests.store.raw_files import VERSION_1, VERSION_2, put_lines

RAW = TABLES["raw_transactions"]
FRAMES = [pd.DataFrame, pa.Table, pl.DataFrame, pl.LazyFrame, ibis.Table]


@pytest.fixture
def mixed(shop: Shop) -> Shop:
    """A day of version 1, and a day of version 2 that corrects one of its lines."""
    put_lines(shop.store.path(RAW, day("2025-01-02")), VERSION_1, {}, {"transaction_id": "T2"})
    taken_back = {"cancelled": True}, {"line_id": "1", "date": date(2025, 1, 3)}
    put_lines(shop.store.path(RAW, day("2025-01-03")), VERSION_2, *taken_back)
    return shop


def rows_of(frame: Any) -> list[tuple[Any, ...]]:
    frame = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
    frame = frame.to_pyarrow() if isinstance(frame, ibis.Table) else frame
    if isinstance(frame, pd.DataFrame):
        frame = pa.Table.from_pandas(frame, preserve_index=False)
    table = frame.to_arrow() if isinstance(frame, pl.DataFrame) else frame
    assert table.column_names == RAW.schema.names
    return [(r["line_id"], r["cancelled"], r["delivered_on"].day) for r in table.to_pylist()]


@pytest.mark.parametrize("kind", FRAMES)
def test_a_file_of_version_1_is_read_as_lines_without_numbers_that_were_not_cancelled(
    mixed: Shop, kind: type
):
    old, new = [(None, False, 2)] * 2, [(None, True, 3), ("1", False, 3)]
    days = [day("2025-01-02"), day("2025-01-03")]
    assert rows_of(load(kind, mixed.settings, RAW, days[:1])) == old
    assert rows_of(load(kind, mixed.settings, RAW, days)) == old + new
    assert rows_of(load(kind, mixed.settings, RAW, days[::-1])) == new + old
    assert rows_of(load(kind, mixed.settings, RAW, [])) == []


def test_snapshots_are_made_of_files_of_both_versions(mixed: Shop):
    wanted = [day("2025-01-02"), day("2025-01-03")]
    for _ in features_snapshots(mixed.step, wanted):
        pass
    made = [mixed.bytes_of("customer_features", str(one)) for one in wanted]
    spent = [mixed.read("customer_features", str(one)) for one in wanted]
    assert [list(rows["purchase_total"]) for rows in spent] == [[20.0], [20.0]]
    assert [list(rows["visit_frequency"]) for rows in spent] == [[2], [2]]
    for one in wanted:  # T1 of the 2nd is gone on the 3rd, T1 of the 3rd there
        mixed.snapshot(str(one))
    assert [mixed.bytes_of("customer_features", str(one)) for one in wanted] == made


def test_the_traits_of_many_files_are_those_of_any():
    parts = [LineTraits.of_all([]), LineTraits(False, False, True, False, False, False)]
    assert LineTraits.of_all(parts) == parts[1]


def test_lines_that_are_nothing_special_cost_no_other_column():
    """What isn't among the lines isn't asked of them: the SQL reads six columns, as ever."""
    lines = ibis.table(ibis.schema(RAW.schema), name="lines")
    customers = ibis.table(ibis.schema(TABLES["raw_customers"].schema), name="customers")
    counted = lines_in_force(lines, date(2025, 1, 2), 540, traits=ORDINARY)
    alone = customer_features(counted, customers, date(2025, 1, 2), Rules(), traits=ORDINARY)
    span = SnapshotRange(date(2025, 1, 1), date(2025, 1, 9), 540)
    changes = customer_changes(lines, customers, span, traits=ORDINARY)
    states = customer_states(changes[0], customers, Rules(), traits=ORDINARY)
    assert len(changes) == 3
    for made in (alone, *changes[1:], states):
        query = str(ibis.to_sql(made.select(made.columns[0]), dialect="duckdb")).lower()
        assert "is not distinct from" not in query
        assert "anti join" not in query
        assert 'amount" < 0' not in query
