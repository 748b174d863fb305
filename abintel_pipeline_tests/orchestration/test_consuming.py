"""Reading what was published: in a notebook, and as the input of somebody else's asset."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import ibis
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import abintel_pipeline
from abintel_pipeline.consuming import SnapshotIOManager
from abintel_pipeline.contract import TABLES
from abintel_pipeline.orchestration.partitions import range_tags
from abintel_pipeline.reading import load
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.shop import Shop, day

FRAMES = [ibis.Table, pd.DataFrame, pa.Table, pl.DataFrame, pl.LazyFrame]
DAYS = ["2025-01-01", "2025-01-02", "2025-01-04"]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Three published days; nothing here writes into it."""
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("published"))
    with Shop.open(settings) as shop:
        for number, on in enumerate(DAYS, start=1):
            shop.deliver(on, f"001,T{number},{on},{number}.50,P1", f"002,U{number},{on},1.00,P1")
            shop.take_in(on)
            shop.snapshot(on)
        yield shop


def rows_of(frame: Any) -> list[dict[str, Any]]:
    if isinstance(frame, ibis.Table):
        frame = frame.to_pyarrow()
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pd.DataFrame):
        return frame.to_dict("records")
    return frame.to_pylist() if isinstance(frame, pa.Table) else frame.to_dicts()


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_table_loads_as_the_same_type_for_none_one_and_many_days(
    published: Shop, kind: Any, count: int
):
    table = TABLES["customer_rfm"]
    frame = load(kind, published.settings, table, [day(d) for d in DAYS[:count]])
    assert isinstance(frame, kind)
    rows = rows_of(frame)
    assert [(row["snapshot_date"], row["customer_id"]) for row in rows] == [
        (day(d), c) for d in DAYS[:count] for c in ("001", "002")
    ]
    columns = frame.collect_schema().names() if isinstance(frame, pl.LazyFrame) else None
    assert list(columns or getattr(frame, "column_names", None) or frame.columns) == (
        table.schema.names
    )


def test_an_unknown_frame_is_refused_with_those_there_are(published: Shop):
    with pytest.raises(TypeError, match=r"annotate it as one of ibis.Table, pandas.DataFrame"):
        load(dict, published.settings, TABLES["customer_rfm"], [])


def test_a_notebook_reads_a_day_a_range_and_the_list_of_days(published: Shop):
    settings = published.settings
    assert abintel_pipeline.list_snapshots("customer_rfm", settings=settings) == [
        day(d) for d in DAYS
    ]
    one = abintel_pipeline.read_snapshot("customer_features", "2025-01-02", settings=settings)
    assert one.purchase_total.tolist() == [4.0, 2.0]
    both = abintel_pipeline.read_snapshots(
        "customer_features", date(2025, 1, 1), "2025-01-02", settings=settings
    )
    assert both.purchase_total.tolist() == [1.5, 1.0, 4.0, 2.0]


def test_a_day_may_be_a_timestamp(published: Shop):
    day_of = pd.Timestamp("2025-01-02 13:00")
    rows = abintel_pipeline.read_snapshot("customer_rfm", day_of, settings=published.settings)
    assert len(rows) == 2


def test_days_stored_with_other_decimals_load_as_every_frame(tmp_path: Path):
    for decimals, on in ((2, "2025-01-01"), (4, "2025-01-02")):
        settings = Settings(data_dir=tmp_path, currency_decimals=decimals)
        with Shop.open(settings) as shop:
            shop.deliver(on, f"001,T{on},{on},3.1254,P1")
            shop.take_in(on)
    for kind in FRAMES:
        frame = load(
            kind, settings, TABLES["raw_transactions"], [day("2025-01-01"), day("2025-01-02")]
        )
        assert [str(row["amount"]) for row in rows_of(frame)] == ["3.1300", "3.1254"], kind


def test_a_notebook_finds_the_store_by_the_settings_in_the_environment(
    published: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ABINTEL_DATA_DIR", str(published.settings.data_dir))
    assert len(abintel_pipeline.read_snapshot("customer_rfm", "2025-01-04")) == 2


def test_a_notebook_is_told_what_is_wrong(published: Shop):
    settings = published.settings
    with pytest.raises(abintel_pipeline.SnapshotMissing, match=r"missing \(2025-01-03\)"):
        abintel_pipeline.read_snapshots("customer_rfm", DAYS[0], DAYS[-1], settings=settings)
    with pytest.raises(ValueError, match=r"ends .* before it starts"):
        abintel_pipeline.read_snapshots("customer_rfm", DAYS[1], DAYS[0], settings=settings)
    with pytest.raises(ValueError, match="the tables are raw_transactions"):
        abintel_pipeline.read_snapshot("rfm", DAYS[0], settings=settings)


Run = Callable[..., tuple[Any, dg.ExecuteInProcessResult]]


def consumer(shop: Shop, annotation: Any, *, tolerant: bool = False, days_back: int = 0) -> Run:
    """Runs an asset that depends on customer_rfm; tells what it was given."""
    daily = dg.DailyPartitionsDefinition("2025-01-01")
    given: list[Any] = []

    def downstream(customer_rfm):
        given.append(customer_rfm)
        return dg.MaterializeResult()

    if annotation is not None:
        downstream.__annotations__["customer_rfm"] = annotation
    downstream.__annotations__["return"] = dg.MaterializeResult
    asset = dg.asset(
        partitions_def=daily,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={
            "customer_rfm": dg.AssetIn(
                input_manager_key="snapshots",
                metadata={"allow_missing_partitions": tolerant},
                partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-days_back),
            )
        },
    )(downstream)
    defs = dg.Definitions(
        [dg.AssetSpec("customer_rfm", partitions_def=daily), asset],
        resources={"snapshots": SnapshotIOManager(shop.settings)},
    )

    def run(start: str, end: str | None = None) -> tuple[Any, dg.ExecuteInProcessResult]:
        with dg.DagsterInstance.ephemeral() as instance:
            result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance,
                tags=range_tags(day(start), day(end or start)),
                raise_on_error=False,
            )
        return (given[-1] if given else None), result

    return run


@pytest.mark.parametrize("kind", FRAMES)
def test_an_asset_is_given_its_day_or_its_range_as_it_annotates(published: Shop, kind: Any):
    run = consumer(published, kind)
    frame, result = run("2025-01-02")
    assert result.success
    assert isinstance(frame, kind)
    assert len(rows_of(frame)) == 2
    frame, result = run("2025-01-01", "2025-01-02")
    assert isinstance(frame, kind)
    assert len(rows_of(frame)) == 4


def test_an_asset_without_annotation_is_given_pandas(published: Shop):
    frame, _ = consumer(published, None)("2025-01-02")
    assert isinstance(frame, pd.DataFrame)


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return str(event.step_failure_data.error)


def test_an_asset_that_asks_for_a_missing_day_is_told_which(published: Shop):
    _, result = consumer(published, pd.DataFrame)("2025-01-02", "2025-01-04")
    assert not result.success
    assert "missing (2025-01-03); published are 2025-01-01 to 2025-01-04" in failure_of(result)


def test_an_asset_may_do_without_missing_days_and_they_are_counted(
    published: Shop, capfd: pytest.CaptureFixture[str]
):
    run = consumer(published, pl.DataFrame, tolerant=True, days_back=3)
    frame, result = run("2025-01-04")
    assert frame["snapshot_date"].unique().sort().to_list() == [day(d) for d in DAYS]
    assert result.success
    told = capfd.readouterr().err
    assert "customer_rfm: 1 of 4 days are missing: 2025-01-03" in told


def test_the_io_manager_writes_nothing(published: Shop):
    context = dg.build_output_context(step_key="mine")
    with pytest.raises(dg.DagsterInvariantViolationError, match="read-only"):
        SnapshotIOManager(published.settings).handle_output(context, None)
