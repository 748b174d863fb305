"""The pipeline as Dagster sees it: keys, jobs, partitions, metadata and failures."""

import json
from typing import Any

import dagster as dg
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.definitions import build_defs
from abintel_pipeline.orchestration.assets import rejected
from abintel_pipeline.orchestration.automation.jobs import JOB_NAME
from abintel_pipeline.orchestration.partitions import range_tags
from abintel_pipeline.orchestration.running import QUIET
from abintel_pipeline_tests.shop import Shop, day


def run(
    shop: Shop, instance: dg.DagsterInstance, start: str, end: str, rules: Any = None
) -> dg.ExecuteInProcessResult:
    config: dict[str, Any] = dict(QUIET)
    if rules:
        config["resources"] = {"rules": {"config": rules}}
    return (
        build_defs(shop.settings)
        .resolve_job_def(JOB_NAME)
        .execute_in_process(
            instance=instance,
            tags=range_tags(day(start), day(end)),
            run_config=config,
            raise_on_error=False,
        )
    )


def metadata_of(instance: dg.DagsterInstance, table: str) -> dict[str, dict[str, Any]]:
    """Each partition's latest metadata, as plain values."""
    records = instance.fetch_materializations(dg.AssetKey(table), limit=100).records
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        event = record.asset_materialization
        assert event is not None
        found.setdefault(str(record.partition_key), {k: v.value for k, v in event.metadata.items()})
    return found


def test_the_code_location_holds_one_asset_per_table_jobs_schedules_and_a_sensor(shop: Shop):
    defs = build_defs(shop.settings)
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert keys == set(TABLES)
    assert [job.name for job in defs.jobs] == [JOB_NAME]
    assert [schedule.name for schedule in defs.schedules] == [
        "nightly_customer_snapshots",
        "missed_night",
        "weekly_verification",
    ]
    assert [sensor.name for sensor in defs.sensors] == ["deliveries_in_the_landing_folder"]


def test_every_asset_is_described_typed_and_grouped_by_its_model(shop: Shop):
    specs = build_defs(
        shop.settings.model_copy(update={"owners": ("team:crm",)})
    ).resolve_all_asset_specs()
    assert len(specs) == len(TABLES)
    for spec in specs:
        table = TABLES[spec.key.to_user_string()]
        assert spec.description == table.description
        assert spec.group_name in ("deliveries", "snapshots")
        assert spec.owners == ["team:crm"]
        assert spec.kinds == {"duckdb", "parquet", "pandera"}
        columns = spec.metadata["dagster/column_schema"].columns
        assert [column.name for column in columns] == table.schema.names
        assert all(column.description for column in columns)


def test_a_range_is_one_run_and_each_day_its_own_partition(shop: Shop):
    for on in ("2025-01-01", "2025-01-02", "2025-01-04"):
        shop.deliver(on, f"001,T{on},{on},10.00,P1", f"002,U{on},{on},3.00,P1")
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(shop, instance, "2025-01-01", "2025-01-04").success
        days = ["2025-01-01", "2025-01-02", "2025-01-03", "2025-01-04"]
        for table in TABLES:
            assert sorted(metadata_of(instance, table)) == days
        raw = metadata_of(instance, "raw_transactions")
        assert raw["2025-01-03"]["delivery"] == "missing"
        assert (raw["2025-01-04"]["received"], raw["2025-01-04"]["accepted"]) == (2, 2)
        features = metadata_of(instance, "customer_features")["2025-01-04"]
        assert features["dagster/partition_row_count"] == 2
        assert features["missing_deliveries"] == ["2025-01-03"]
        assert features["preview"].splitlines()[0].startswith("| customer_id |")
        assert features["rules"]["bins"] == 5


def test_rules_can_be_set_for_one_run_and_are_stored_with_its_snapshot(shop: Shop):
    shop.deliver("2025-01-01", *(f"{n},T{n},2025-01-01,{n}.00,P1" for n in range(1, 9)))
    with dg.DagsterInstance.ephemeral() as instance:
        rules = {"bins": 4, "weights": {"purchase_total": 1.0}}
        assert run(shop, instance, "2025-01-01", "2025-01-01", rules).success
        assert metadata_of(instance, "customer_rfm")["2025-01-01"]["rules"]["bins"] == 4
    assert shop.read("customer_rfm", "2025-01-01").monetary_score.tolist() == [
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
    ]
    summary = shop.read("loyalty_summary", "2025-01-01")
    assert summary.weight_purchase_total.tolist() == [1.0]
    assert '"bins": 4' in summary.rules[0]


def test_what_the_launchpad_offers_can_be_launched(shop: Shop):
    """Dagster sorts the keys of a config: segments come by name, not from the highest."""
    shop.deliver("2025-01-01", *(f"{n},T{n},2025-01-01,{n}.00,P1" for n in range(1, 9)))
    offered = json.loads(json.dumps(shop.settings.rules.model_dump(mode="json"), sort_keys=True))
    del offered["currency_decimals"]
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(shop, instance, "2025-01-01", "2025-01-01", offered | {"bins": 4}).success
    (counts,) = shop.read("loyalty_summary", "2025-01-01").segment_counts
    assert list(json.loads(counts)) == ["Platinum", "Gold", "Silver", "Bronze", "At-Risk"]


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"weights": {"spend": 1.0}}, "unknown metric 'spend'"),
        ({"weights": {"purchase_total": 0.0}}, "all weights are zero"),
        ({"bins": 11}, "bins: Input should be less than or equal to 10"),
        ({"segment_thresholds": {"A": 0.2, "B": 0.2, "C": 0}}, "'A' and 'B' both start at 0.2"),
        ({"bounds": {"kind": "reference"}}, "no reference bounds"),
        ({"history_days": 0}, "history_days: Input should be greater than or equal to 1"),
    ],
)
def test_wrong_rules_fail_the_run_with_what_is_wrong(shop: Shop, rules: Any, told: str):
    shop.deliver("2025-01-01", "001,T1,2025-01-01,10.00,P1")
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(shop, instance, "2025-01-01", "2025-01-01", rules)
    failures = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    assert failures
    assert told in str(failures[0].user_failure_data.description)
    assert not shop.store.days(TABLES["raw_transactions"])


def test_a_delivery_that_fails_does_not_hold_up_the_others_of_its_range(shop: Shop):
    for on in ("2025-01-01", "2025-01-02", "2025-01-04"):
        shop.deliver(on, f"001,T{on},{on},10.00,P1")
    shop.deliver("2025-01-03", "001,T,2025-01-03,10.00,P1", header="customer_id,oops")
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(shop, instance, "2025-01-01", "2025-01-04")
        assert not result.success
        marked = instance.get_materialized_partitions(dg.AssetKey("raw_transactions"))
    published = [str(d) for d in shop.store.days(TABLES["raw_transactions"])]
    assert sorted(marked) == published == ["2025-01-01", "2025-01-02", "2025-01-04"]
    (failed,) = [e for e in result.all_events if e.is_step_failure]
    told = failed.step_failure_data.user_failure_data.description
    assert told.startswith("transactions/2025-01-03.csv, line 1: no column")


def failure(shop: Shop, start: str, end: str) -> tuple[str, dict[str, Any]]:
    """What the one failed step of a run says, and its metadata."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(shop, instance, start, end)
    (failed,) = [e for e in result.all_events if e.is_step_failure]
    told = failed.step_failure_data.user_failure_data
    return told.description, {name: value.value for name, value in told.metadata.items()}


def test_a_rejected_delivery_fails_with_its_counts_reasons_rows_and_a_picture(shop: Shop):
    """One of two rows is rejected."""
    shop.deliver("2025-01-01", "001,T1,2025-01-01,a|c,P1", "002,T2,2025-01-01,1.00,P1")
    told, metadata = failure(shop, "2025-01-01", "2025-01-01")
    assert told.startswith("transactions of 2025-01-01: 1 of 2 rows rejected (50.0%)")
    assert metadata.pop("reasons_drawn").startswith("![](data:image/png;base64,")
    assert metadata == {
        "day": "2025-01-01",
        "received": 2,
        "rejected": 1,
        "rejected_share": 0.5,
        "cap": 0.05,
        "sufficient_cap": "ABINTEL_MAX_REJECTED_SHARE=0.5",
        "reasons": {"amount: not a number": 1},
        "rejected_deliveries": (
            "| day | delivery | received | rejected | share | cap | commonest reason |\n"
            "| --- | --- | --- | --- | --- | --- | --- |\n"
            "| 2025-01-01 | transactions | 2 | 1 | 50.0% | 5.0% | amount: not a number |"
        ),
        "rejected_rows": (
            "| rows | reason | file | row | as it came |\n"
            "| --- | --- | --- | --- | --- |\n"
            "| 1 | amount: not a number | transactions/2025-01-01.csv | 2 |"
            ' {"customer_id": "001", "transaction_id": "T1", "date": "2025-01-01",'
            ' "amount": "a\\|c", "product_id": "P1"} |'
        ),
    }


def test_each_rejected_delivery_of_a_range_is_told_and_the_newest_in_full(shop: Shop):
    shop.deliver("2025-01-01", "001,T1,2025-01-01,abc,P1")
    shop.deliver("2025-01-02", "001,T1,2025-01-02,1.00,P1")
    shop.deliver("2025-01-03", "001,T1,2025-01-03,-1,P1")
    shop.deliver("2025-01-04", header="oops")
    told, metadata = failure(shop, "2025-01-01", "2025-01-04")
    assert "transactions/2025-01-04.csv, line 1: no column" in told
    lines = metadata["rejected_deliveries"].splitlines()[2:]
    assert [(line.split(" | ")[0], line.split(" | ")[-1]) for line in lines] == [
        ("| 2025-01-01", "amount: not a number |"),
        ("| 2025-01-03", "amount: negative |"),
    ]
    assert (metadata["day"], metadata["reasons"]) == ("2025-01-03", {"amount: negative": 1})
    assert shop.store.days(TABLES["raw_transactions"]) == [day("2025-01-02")]


def test_a_delivery_that_cannot_be_read_has_no_rejected_rows_to_tell_of(shop: Shop):
    shop.deliver("2025-01-01", header="oops")
    told, metadata = failure(shop, "2025-01-01", "2025-01-01")
    assert told.startswith("transactions/2025-01-01.csv, line 1: no column")
    assert metadata == {}


def test_a_failure_is_told_also_where_its_picture_cannot_be_drawn(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rejected, "reasons_drawn", lambda *_: 1 / 0)
    shop.deliver("2025-01-01", "001,T1,2025-01-01,abc,P1")
    told, metadata = failure(shop, "2025-01-01", "2025-01-01")
    assert told.startswith("transactions of 2025-01-01: 1 of 1 rows rejected")
    assert metadata["rejected"] == 1
    assert "reasons_drawn" not in metadata


def test_a_delivery_tells_which_published_snapshots_it_affects(shop: Shop):
    for on in ("2025-01-01", "2025-01-02", "2025-01-03"):
        shop.deliver(on, f"001,T{on},{on},10.00,P1")
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(shop, instance, "2025-01-01", "2025-01-03").success
        first = metadata_of(instance, "raw_transactions")["2025-01-02"]
        assert first["affected_snapshots"] == 0
        shop.deliver("2025-01-02", "001,T,2025-01-01,11.00,P1")
        assert run(shop, instance, "2025-01-02", "2025-01-02").success
        again = metadata_of(instance, "raw_transactions")["2025-01-02"]
    assert again["affected_snapshots"] == 2
    assert again["affected"] == "2025-01-02 to 2025-01-03"


def test_a_failed_delivery_leaves_what_was_published(shop: Shop):
    shop.deliver("2025-01-01", "001,T1,2025-01-01,10.00,P1")
    shop.take_in("2025-01-01")
    before = shop.bytes_of("raw_transactions", "2025-01-01")
    shop.deliver("2025-01-01", "001,T1,2025-01-01,abc,P1")
    with dg.DagsterInstance.ephemeral() as instance:
        assert not run(shop, instance, "2025-01-01", "2025-01-01").success
    assert shop.bytes_of("raw_transactions", "2025-01-01") == before
