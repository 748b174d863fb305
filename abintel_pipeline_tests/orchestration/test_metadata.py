"""What the UI shows of an asset beside its checks: lineage, code, figures and pictures."""

from logging import WARNING
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.definitions import build_defs
from abintel_pipeline.orchestration.asset_page.lineage import LINEAGE
from abintel_pipeline.orchestration.asset_page.pictures import reasons
from abintel_pipeline.orchestration.assets import customer_loyalty, customer_rfm, deliveries
from abintel_pipeline.orchestration.automation.jobs import JOB_NAME
from abintel_pipeline.orchestration.partitions import range_tags
from abintel_pipeline.orchestration.running import QUIET
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import StepContext
from abintel_pipeline_tests.orchestration.test_assets import metadata_of
from abintel_pipeline_tests.shop import Shop, day, shop_settings

DAYS = ["2025-01-01", "2025-01-02"]
PICTURES = {
    "rejected_transactions": {"reasons_drawn"},
    "customer_loyalty": {"scores"},
    "customer_rfm": {"recency_and_frequency", "spend"},
}
Told = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """{table: {partition: metadata}} of a range of two days, on each a rejected row in five."""
    settings = shop_settings(tmp_path_factory.mktemp("told"))
    cap = settings.model_copy(update={"max_rejected_share": 1.0})
    with Shop.open(cap) as shop:
        for on in DAYS:
            spends = (1, 2, 3, 4, "abc")
            shop.deliver(on, *(f"{n},T{on},{on},{s},P1" for n, s in enumerate(spends)))
    job = build_defs(cap).resolve_job_def(JOB_NAME)
    with dg.DagsterInstance.ephemeral() as instance:
        tags = range_tags(day(DAYS[0]), day(DAYS[1]))
        assert job.execute_in_process(instance=instance, run_config=QUIET, tags=tags).success
        return {table: metadata_of(instance, table) for table in TABLES}


def drawn(told: Told) -> dict[tuple[str, str], set[str]]:
    """{(table, partition): its pictures}"""
    return {
        (table, on): names
        for table, days in told.items()
        for on, metadata in days.items()
        if (
            names := {
                name
                for name, value in metadata.items()
                if str(value).startswith("![](data:image/png;base64,")
            }
        )
    }


def test_pictures_are_drawn_for_the_newest_day_of_a_run_alone(told: Told):
    assert drawn(told) == {(table, DAYS[1]): names for table, names in PICTURES.items()}


def chain(
    settings: Settings, instance: dg.DagsterInstance
) -> tuple[dg.ExecuteInProcessResult, Told]:
    """A run of one day's whole chain, and what is told of each table."""
    job = build_defs(settings).resolve_job_def(JOB_NAME)
    result = job.execute_in_process(
        instance=instance, run_config=QUIET, partition_key=DAYS[0], raise_on_error=False
    )
    return result, {table: metadata_of(instance, table) for table in TABLES}


def test_segments_with_odd_names_have_their_pictures(shop: Shop):
    odd = {"$$$": 0.8, "$$": 0.4, "$": 0.0}
    settings = shop.settings.model_copy(update={"segment_thresholds": odd})
    shop.deliver(DAYS[0], *(f"{n},T{n},{DAYS[0]},{n}.00,P1" for n in range(9)))
    with dg.DagsterInstance.ephemeral() as instance:
        result, told = chain(settings, instance)
        assert result.success
        assert [
            entry.message for entry in instance.all_logs(result.run_id) if entry.level >= WARNING
        ] == []
    assert drawn(told) == {
        (table, DAYS[0]): names
        for table, names in PICTURES.items()
        if table != "rejected_transactions"  # none was rejected
    }
    assert told["customer_rfm"][DAYS[0]]["dagster/partition_row_count"] == 9


@pytest.mark.parametrize("asset", [deliveries, customer_loyalty, customer_rfm])
def test_a_picture_that_cannot_be_drawn_costs_a_warning_and_nothing_else(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, asset: ModuleType
):
    def broken(*_: object) -> bytes:
        raise ValueError("no ink")

    name, drawing = {
        deliveries: ("rejected_transactions", "rejected_by_reason"),
        customer_loyalty: ("customer_loyalty", "score_histogram"),
        customer_rfm: ("customer_rfm", "spend_by_segment"),
    }[asset]
    monkeypatch.setattr(asset, drawing, broken)
    cap = shop.settings.model_copy(update={"max_rejected_share": 1.0})
    spends = (1, 2, 3, 4, "abc")
    shop.deliver(DAYS[0], *(f"{n},T{n},{DAYS[0]},{s}.00,P1" for n, s in enumerate(spends)))
    with dg.DagsterInstance.ephemeral() as instance:
        result, told = chain(cap, instance)
        assert result.success
        warnings = [e.message for e in instance.all_logs(result.run_id) if e.level == WARNING]
    assert {
        f"the pictures of {DAYS[0]} could not be drawn: ValueError: no ink" in w for w in warnings
    } == {True}
    assert {table for table, days in told.items() if list(days) == [DAYS[0]]} == set(TABLES)
    assert name not in {table for table, _ in drawn(told)}
    assert "dagster/column_lineage" in told["customer_rfm"][DAYS[0]]


def test_numbers_that_are_worth_following_are_told_of_every_day(told: Told):
    for on in DAYS:
        summary, rfm = told["loyalty_summary"][on], told["customer_rfm"][on]
        assert 0 < summary["mean_score"] < 1
        assert sum(v for k, v in summary.items() if k.startswith("customers in ")) == 4
        assert sum(v for k, v in rfm.items() if k.startswith("customers in ")) == 4
        assert told["raw_transactions"][on]["rejected_share"] == 0.2
        assert rfm["dagster/partition_row_count"] == 4


def test_what_became_of_the_rows_is_told_of_the_delivery(shop: Shop):
    """Nine rows: a broken amount is rejected; a guest and two lost orders are left out.

    Of the five accepted two are below 0, -1.50 and -2.00; ` 4` and `5.0` are changed to 4 and 5.
    """
    source = {
        "max_rejected_share": 1.0,
        "returns": "net",
        "nobody_ids": ("0",),
        "keep_rows": {"state": ("paid",)},
    }
    rows = [
        *("1,T1,9.00,paid", "1,T2,-1.50,paid", "1,T3,-2.00,paid", " 4,T4,1.00,paid"),
        *("5.0,T5,1.00,paid", "6,T6,abc,paid", "0,T7,1.00,paid"),
        *("8,T8,1.00,lost", "9,T9,1.00,lost"),
    ]
    header = "customer_id,transaction_id,amount,state,date,product_id"
    shop.deliver(DAYS[0], *(f"{row},{DAYS[0]},P1" for row in rows), header=header)
    with dg.DagsterInstance.ephemeral() as instance:
        result, told = chain(shop.settings.model_copy(update=source), instance)
        assert result.success
    counts = {
        "received": 9,
        "accepted": 5,
        "rejected": 1,
        "rejected_share": 1 / 9,
        "left_out": 3,
        "left_out_by": {"state: lost": 2, "customer_id: 0": 1},
        "returns": 2,
        "returned": -3.5,
        "ids_changed": 2,
        "reasons": {"amount: not a number": 1},
    }
    for table in ("raw_transactions", "rejected_transactions"):
        assert {name: told[table][DAYS[0]][name] for name in counts} == counts
    step = StepContext(shop.step.connection, shop.settings, shop.step.rules)
    assert reasons(step, TABLES["rejected_transactions"], day(DAYS[0])) == [
        ("amount: not a number", 1)
    ]


def test_columns_tell_where_they_come_from(told: Told):
    lineage = told["customer_rfm"][DAYS[1]]["dagster/column_lineage"].deps_by_column
    assert lineage["monetary_score"] == [
        dg.TableColumnDep(dg.AssetKey("customer_features"), "purchase_total")
    ]
    assert "dagster/column_lineage" not in told["customer_rfm"][DAYS[0]]
    assert "dagster/column_lineage" not in told["raw_transactions"][DAYS[1]]


@pytest.mark.parametrize("table", LINEAGE)
def test_lineage_names_columns_that_there_are(shop: Shop, table: str):
    """Every column of a customer's row, read from assets that the asset depends on."""
    graph = build_defs(shop.settings).resolve_asset_graph()
    parents = {key.to_user_string() for key in graph.get(dg.AssetKey(table)).parent_keys}
    columns = set(TABLES[table].schema.names)
    assert set(LINEAGE[table]) <= columns
    if TABLES[table].order == ("customer_id",):
        assert set(LINEAGE[table]) == columns - {"snapshot_date"}
    for read in LINEAGE[table].values():
        for upstream, names in read.items():
            assert upstream in parents
            assert set(names) <= set(TABLES[upstream].schema.names)


def test_every_asset_links_to_the_function_that_makes_it(shop: Shop):
    for spec in build_defs(shop.settings).resolve_all_asset_specs():
        (place,) = spec.metadata["dagster/code_references"].code_references
        line = Path(place.file_path).read_text().splitlines()[place.line_number - 1]
        assert line.startswith(f"def {place.label}(")
        assert Path(place.file_path).parent.name == "assets"
