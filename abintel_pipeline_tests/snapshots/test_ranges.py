"""A range of snapshots is, byte for byte, its days one by one; and what a late delivery changes."""

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from abintel_pipeline.contract import TABLES, Table
from abintel_pipeline.engine.connection import engine
from abintel_pipeline.rules import Rules
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import (
    StepContext,
    features,
    features_snapshots,
    loyalty_snapshots,
    rfm_snapshots,
)
from abintel_pipeline.snapshots.publishing import QUANTILE_BYTES, cohorts
from abintel_pipeline.store.proofs import Origin
from abintel_pipeline.store.snapshot_store import SnapshotMissing
from abintel_pipeline.store.windows import NothingDelivered, Window, affected_snapshots, spans
from abintel_pipeline_tests import strategies
from abintel_pipeline_tests.metrics.running import Row, lines_schema, reproducible
from abintel_pipeline_tests.shop import Shop, day, days, shop_settings

RESULTS = (
    "customer_features",
    "customer_loyalty",
    "loyalty_summary",
    "customer_rfm",
    "rfm_thresholds",
)
STEPS = (features_snapshots, loyalty_snapshots, rfm_snapshots)
EVERY_DAY = [strategies.FIRST_DAY + timedelta(days=n) for n in range(-1, strategies.DAYS + 8)]
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
            step.store.publish(step.store.stage(folder, table, on, given, Origin(step.rules)))


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


@reproducible(36)
@given(worlds(), st.booleans())
def test_a_range_is_its_days_one_by_one_byte_for_byte(
    connection: Backend,
    tmp_path_factory: pytest.TempPathFactory,
    world: World,
    one_pass: bool,
) -> None:
    lines, customers, rules, asked = world
    data = tmp_path_factory.mktemp("world")
    settings = Settings(_env_file=None, data_dir=data, **rules.model_dump())
    step = StepContext(connection, settings, rules)
    deliver(step, TABLES["raw_transactions"], lines_schema(2), lines)
    deliver(step, TABLES["raw_customers"], TABLES["raw_customers"].schema, customers)
    with pytest.MonkeyPatch.context() as patch:
        if one_pass:  # even where the windows hardly overlap
            patch.setattr(features, "spans", lambda windows: [windows] if windows else [])
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


def test_each_day_is_published_before_the_next_is_begun(shop: Shop) -> None:
    for on in ("2025-01-01", "2025-01-02", "2025-01-03"):
        shop.deliver(on, f"001,T{on},{on},10.00,P1")
        shop.take_in(on)
    wanted = days("2025-01-01", "2025-01-03")
    for snapshots_of, name in zip(STEPS, RESULTS[::2], strict=False):
        seen = []
        for made in snapshots_of(shop.step, wanted):
            seen.append(made[0].day)
            assert shop.store.days(made[0].table) == seen
        assert seen == wanted, name


def test_a_range_that_begins_before_the_first_delivery_is_made_as_far_as_it_can_be(
    shop: Shop,
) -> None:
    shop.deliver("2025-01-03", "001,T1,2025-01-03,10.00,P1")
    shop.take_in("2025-01-03")
    made = []
    with pytest.raises(
        NothingDelivered, match=r"2 of the snapshots asked for \(2025-01-01, "
    ) as no:
        made += [
            one.day for one, _ in features_snapshots(shop.step, days("2025-01-01", "2025-01-04"))
        ]
    assert no.value.days == days("2025-01-01", "2025-01-02")
    assert shop.store.days(TABLES["customer_features"]) == days("2025-01-03", "2025-01-04")


def test_a_range_with_features_missing_writes_nothing(shop: Shop) -> None:
    shop.deliver("2025-01-01", "001,T1,2025-01-01,10.00,P1")
    shop.take_in("2025-01-01")
    shop.snapshot("2025-01-01")
    before = results(shop.step)
    for snapshots_of in (loyalty_snapshots, rfm_snapshots):
        with pytest.raises(SnapshotMissing, match="2025-01-02"):
            list(snapshots_of(shop.step, days("2025-01-01", "2025-01-02")))
    assert results(shop.step) == before


def test_each_day_of_a_range_tells_its_own_window(shop: Shop) -> None:
    for on in ("2025-01-01", "2025-01-03"):
        shop.deliver(on, f"001,T{on},{on},10.00,P1")
        shop.take_in(on)
    told = {
        w.end: w.missing for _, w in features_snapshots(shop.step, days("2025-01-01", "2025-01-04"))
    }
    gap, today = day("2025-01-02"), day("2025-01-04")
    assert told == {
        day("2025-01-01"): [],
        gap: [gap],
        day("2025-01-03"): [gap],
        today: [gap, today],
    }


def window(end: str, length: int = 10) -> Window:
    last = day(end)
    start = last - timedelta(days=length - 1)
    return Window(start, last, [start + timedelta(days=n) for n in range(length)], start)


def test_days_are_made_together_where_their_windows_overlap_by_half() -> None:
    ends = ("2025-01-10", "2025-01-11", "2025-01-15", "2025-01-20", "2025-03-01")
    together = [[str(w.end) for w in chunk] for chunk in spans([window(end) for end in ends])]
    assert together == [["2025-01-10", "2025-01-11", "2025-01-15"], ["2025-01-20"], ["2025-03-01"]]


def test_no_pass_spans_more_than_a_year() -> None:
    first = date(2025, 1, 1)
    ends = [first + timedelta(days=n) for n in range(400)]
    chunks = spans([window(str(end), 30) for end in ends])
    assert [(chunk[0].end, len(chunk)) for chunk in chunks] == [(first, 366), (ends[366], 34)]


def test_cohorts_are_taken_together_as_far_as_the_memory_goes(shop: Shop) -> None:
    wanted = days("2025-01-01", "2025-01-05")
    for one in wanted:
        shop.deliver(str(one), f"C{one},T1,{one},1.00,P1")
        shop.take_in(str(one))
    for _ in features_snapshots(shop.step, wanted):
        pass  # 1, 2, 3, 4 and 5 customers
    fits_six = 4 * 6 * QUANTILE_BYTES
    assert cohorts(shop.store, wanted, fits_six) == [wanted[:3], wanted[3:4], wanted[4:]]
    assert cohorts(shop.store, wanted, 1) == [[one] for one in wanted]


@pytest.mark.parametrize(
    ("limit", "expected"), [("512MB", 512e6), ("1.5 GiB", 1.5 * 1024**3), ("2TB", 2e12)]
)
def test_a_memory_limit_is_a_number_of_bytes(limit: str, expected: float) -> None:
    assert Settings(_env_file=None, memory_limit=limit).memory_bytes == expected


SHORT = Rules(history_days=3)


@pytest.fixture(scope="module")
def six_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Snapshots of 2025-01-01 to 2025-01-06 with a window of three days."""
    with Shop.open(shop_settings(tmp_path_factory.mktemp("six_days")), SHORT) as short:
        for on in ("2025-01-01", "2025-01-04"):
            short.deliver(on, f"001,T{on},{on},10.00,P1")
            short.take_in(on)
        for _ in features_snapshots(short.step, days("2025-01-01", "2025-01-06")):
            pass
        return short.settings.data_dir


@pytest.fixture
def published(settings: Settings, six_days: Path) -> Iterator[Shop]:
    with Shop.open(settings, SHORT) as short:
        yield short.begin_with(six_days)


def changed(shop: Shop, run_again: list[date]) -> list[date]:
    """The days whose features come out otherwise when they are made again."""
    before = results(shop.step)
    for _ in features_snapshots(shop.step, run_again):
        pass
    return [
        one
        for one in run_again
        if before[f"customer_features/snapshot_date={one}/data.parquet"]
        != shop.bytes_of("customer_features", str(one))
    ]


@pytest.mark.parametrize(
    ("lines", "first", "last"),
    [
        (["002,T9,2025-01-03,5.00,P1"], "2025-01-03", "2025-01-05"),
        (["002,T9,2025-01-01,5.00,P1"], "2025-01-03", "2025-01-03"),
        (["002,T9,2025-01-01,5.00,P1", "002,T8,2025-01-02,5.00,P1"], "2025-01-03", "2025-01-04"),
        (["001,T2025-01-01,2025-01-01,12.00,P1"], "2025-01-03", "2025-01-03"),
        (["002,T9,2024-12-20,5.00,P1"], None, None),
        ([], None, None),
    ],
)
def test_a_delivery_affects_the_snapshots_that_come_out_otherwise(
    published: Shop, lines: list[str], first: str | None, last: str | None
) -> None:
    published.deliver("2025-01-03", *lines)
    published.take_in("2025-01-03")
    affected = affected_snapshots(published.store, day("2025-01-03"))
    assert affected == (days(first, last) if first and last else [])
    assert changed(published, days("2025-01-01", "2025-01-06")) == affected


def test_a_snapshots_own_rules_decide_whether_it_is_affected(published: Shop) -> None:
    longer = StepContext(published.step.connection, published.settings, Rules(history_days=30))
    for _ in features_snapshots(longer, days("2025-01-06", "2025-01-06")):
        pass
    published.deliver("2025-01-02", "002,T9,2025-01-02,5.00,P1")
    published.take_in("2025-01-02")
    assert affected_snapshots(published.store, day("2025-01-02")) == [
        *days("2025-01-02", "2025-01-04"),
        day("2025-01-06"),
    ]


def test_a_delivery_of_scores_affects_every_later_snapshot(published: Shop) -> None:
    published.deliver_customers("2025-01-05", "001,0.5")
    published.take_in("2025-01-05")
    assert affected_snapshots(published.store, day("2025-01-05")) == days(
        "2025-01-05", "2025-01-06"
    )


def test_nothing_taken_in_affects_nothing(published: Shop) -> None:
    assert affected_snapshots(published.store, day("2025-01-02")) == []
