"""A range of snapshots is, byte for byte, its days one by one; and what a late delivery changes."""

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from abintel_pipeline import snapshots
from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.engines import engine
from abintel_pipeline.metrics.features import customer_features
from abintel_pipeline.settings import Rules, Settings
from abintel_pipeline.snapshots import (
    NothingDelivered,
    StepContext,
    features_snapshot,
    features_snapshots,
    loyalty_snapshots,
    rfm_snapshots,
    spans,
    trailing_window,
)
from abintel_pipeline.store import SnapshotMissing
from abintel_pipeline_tests import strategies
from abintel_pipeline_tests.metrics.running import Row, lines_schema, reproducible
from abintel_pipeline_tests.oracle import features as features_by_hand
from abintel_pipeline_tests.oracle import published
from abintel_pipeline_tests.shop import Shop, day, days

RESULTS = (
    "customer_features",
    "customer_loyalty",
    "loyalty_summary",
    "customer_rfm",
    "rfm_thresholds",
)
STEPS = (features_snapshots, loyalty_snapshots, rfm_snapshots)
EVERY_DAY = [
    strategies.FIRST_DAY + timedelta(days=n) for n in range(-1, strategies.DAYS + 8)
]
World = tuple[list[Row], list[Row], Rules, list[date]]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Deliveries, scores, rules, and the days of a range, with holes now and then."""
    first = draw(st.integers(0, len(EVERY_DAY) - 1))
    length = draw(st.sampled_from([1, 2, 3, 5, 8, len(EVERY_DAY)]))
    holes = draw(st.sets(st.sampled_from(EVERY_DAY), max_size=4))
    asked = [one for one in EVERY_DAY[first : first + length] if one not in holes]
    rules = Rules(history_days=draw(strategies.windows), bins=draw(st.sampled_from([2, 3])))
    return draw(strategies.deliveries()), draw(strategies.customers()), rules, asked


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("engine"), threads=2)
    with engine(settings) as opened:
        yield opened


def deliver(step: StepContext, table: Table, schema: pa.Schema, rows: list[Row]) -> None:
    """Publish rows as they were delivered, past the intake."""
    for on in sorted({row["delivered_on"] for row in rows}):
        own = [row for row in rows if row["delivered_on"] == on]
        name = f"delivered_{table.name}"
        part = pa.Table.from_pylist(own, schema=schema)
        given = step.connection.create_table(name, part, overwrite=True)
        with step.store.staging() as folder:
            step.store.publish(step.store.stage(folder, table, on, given, step.rules))


def results(step: StepContext) -> dict[str, bytes]:
    """Every published result, by its place in the store."""
    root = step.store.root
    files = (path for name in RESULTS for path in (root / name).rglob("*.parquet"))
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def run(step: StepContext, asked: list[date]) -> None:
    """All steps of some days, where a day without any delivery is left out."""
    made = asked
    for snapshots_of in STEPS:
        try:
            for _ in snapshots_of(step, made):
                pass
        except NothingDelivered as nothing:
            made = [one for one in made if one not in nothing.days]


@reproducible(25)
@given(worlds())
def test_a_range_is_its_days_one_by_one_byte_for_byte(
    connection: Backend, tmp_path_factory: pytest.TempPathFactory, world: World
) -> None:
    lines, customers, rules, asked = world
    data = tmp_path_factory.mktemp("world")
    settings = Settings(_env_file=None, data_dir=data, **rules.model_dump())
    step = StepContext(connection, settings, rules)
    deliver(step, TABLES["raw_transactions"], lines_schema(2), lines)
    deliver(step, TABLES["raw_customers"], TABLES["raw_customers"].schema, customers)
    run(step, asked)
    together = results(step)
    for name in RESULTS:
        shutil.rmtree(step.store.root / name, ignore_errors=True)
    for one in asked:
        run(step, [one])
    apart = results(step)
    shutil.rmtree(data)
    assert together.keys() == apart.keys()
    assert [name for name in apart if together[name] != apart[name]] == []
