"""What the UI shows of an asset beside its checks: lineage, code, figures and pictures."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.definitions import build_defs
from abintel_pipeline.jobs import JOB_NAME
from abintel_pipeline.lineage import LINEAGE
from abintel_pipeline.partitions import range_tags
from abintel_pipeline.running import QUIET
from abintel_pipeline_tests.shop import Shop, day
from abintel_pipeline_tests.test_assets import metadata_of

DAYS = ["2025-01-01", "2025-01-02"]
PICTURES = {
    "rejected_transactions": {"reasons_drawn"},
    "customer_loyalty": {"scores"},
    "customer_rfm": {"recency_and_frequency", "spend"},
}
Told = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture
def told(shop: Shop) -> Told:
    """{table: {partition: metadata}} of a range of two days, on each a refused row in five."""
    cap = shop.settings.model_copy(update={"max_refused_share": 1.0})
    for on in DAYS:
        spends = (1, 2, 3, 4, "abc")
        shop.deliver(on, *(f"{n},T{on},{on},{s},P1" for n, s in enumerate(spends)))
    job = build_defs(cap).resolve_job_def(JOB_NAME)
    with dg.DagsterInstance.ephemeral() as instance:
        tags = range_tags(day(DAYS[0]), day(DAYS[1]))
        assert job.execute_in_process(instance=instance, run_config=QUIET, tags=tags).success
        return {table: metadata_of(instance, table) for table in TABLES}


def test_pictures_are_drawn_for_the_newest_day_of_a_run_alone(told: Told):
    drawn = {
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
    assert drawn == {(table, DAYS[1]): names for table, names in PICTURES.items()}


def test_numbers_that_are_worth_following_are_told_of_every_day(told: Told):
    for on in DAYS:
        summary, rfm = told["loyalty_summary"][on], told["customer_rfm"][on]
        assert 0 < summary["mean_score"] < 1
        assert sum(v for k, v in summary.items() if k.startswith("customers in ")) == 4
        assert sum(v for k, v in rfm.items() if k.startswith("customers in ")) == 4
        assert told["raw_transactions"][on]["refused_share"] == 0.2
        assert rfm["dagster/partition_row_count"] == 4


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
