"""Checks and materializations as Dagster keeps them, in runs of one day and of a range alike."""

from collections import Counter
from datetime import date
from typing import Any

import dagster as dg
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.definitions import build_defs
from abintel_pipeline.orchestration.assets import STEPS, daily_assets
from abintel_pipeline.orchestration.automation import missed_night, verification
from abintel_pipeline.orchestration.automation.jobs import JOB_NAME
from abintel_pipeline.orchestration.partitions import daily_partitions, range_tags
from abintel_pipeline.orchestration.running import QUIET
from abintel_pipeline.snapshots import loyalty
from abintel_pipeline_tests.shop import Shop, day, days

pytestmark = pytest.mark.usefixtures("undrawn")

WITHOUT_PARTITIONS = (missed_night.CHECK_NAME, verification.CHECK_NAME)
CHECKS = {(table, name) for step in STEPS for table, names in step.checks.items() for name in names}
DAYS = [str(one) for one in days("2025-01-01", "2025-01-03")]


@pytest.fixture
def delivered(shop: Shop) -> Shop:
    for place, on in enumerate(DAYS, 1):
        lines = (f"{n},T{on},{on},{n * place}.00,P{n}" for n in range(1, 8))
        shop.deliver(on, *lines)
    return shop


def run(shop: Shop, instance: dg.DagsterInstance, start: str, end: str, **options: Any) -> Any:
    """A run of the chain: of a range, or of one partition where start and end are the same."""
    job = build_defs(shop.settings, **options).resolve_job_def(JOB_NAME)
    one = {"partition_key": start} if start == end else {"tags": range_tags(day(start), day(end))}
    return job.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False, **one)


def events(result: Any, kind: str) -> list[Any]:
    """Of that kind, but for the checks without partitions, which aren't about each day of a run."""
    found = (one for one in result.all_events if one.event_type_value == kind)
    return [
        one
        for one in found
        if getattr(one.event_specific_data, "check_name", "") not in WITHOUT_PARTITIONS
    ]


def statuses(
    shop: Shop, instance: dg.DagsterInstance
) -> dict[tuple[str, str], dict[str, set[str]]]:
    """{check: {status: partitions}}, as the page of partitions shows them."""
    partitions = daily_partitions(shop.settings)
    keys = [(dg.AssetCheckKey(dg.AssetKey(t), name), partitions) for t, name in sorted(CHECKS)]
    states = instance.event_log_storage.get_asset_check_state(keys)
    return {
        (key.asset_key.to_user_string(), key.name): {
            status.value: set(subset.subset_value.get_partition_keys())
            for status, subset in states[key].subsets.items()
            if not subset.is_empty
        }
        for key, _ in keys
    }


def test_every_check_is_declared_with_its_asset(shop: Shop):
    graph = build_defs(shop.settings).resolve_asset_graph()
    found = {key for key in graph.asset_check_keys if key.name not in WITHOUT_PARTITIONS}
    assert {(key.asset_key.to_user_string(), key.name) for key in found} == CHECKS
    assert len(CHECKS) == 16
    assert sum(key.name == verification.CHECK_NAME for key in graph.asset_check_keys) == len(TABLES)
    assert {key.name for key in found if graph.get(key).blocking} == {"verified"}


@pytest.mark.parametrize("together", [True, False], ids=["range", "one by one"])
def test_each_partition_has_one_materialization_and_each_of_its_checks(
    delivered: Shop, together: bool
):
    with dg.DagsterInstance.ephemeral() as instance:
        if together:
            results = [run(delivered, instance, DAYS[0], DAYS[-1])]
        else:
            results = [run(delivered, instance, one, one) for one in DAYS]
        assert all(result.success for result in results)
        made = [e.event_specific_data.materialization for r in results
                for e in events(r, "ASSET_MATERIALIZATION")]  # fmt: skip
        assert Counter((one.asset_key.to_user_string(), one.partition) for one in made) == {
            (table, on): 1 for table in TABLES for on in DAYS
        }
        evaluated = [e.event_specific_data for r in results
                     for e in events(r, "ASSET_CHECK_EVALUATION")]  # fmt: skip
        assert Counter(
            (one.asset_key.to_user_string(), one.check_name, one.partition) for one in evaluated
        ) == {(*check, on): 1 for check in CHECKS for on in DAYS}
        assert all(one.description and len(one.metadata) > 1 for one in evaluated)
        found = statuses(delivered, instance)
    constant = ("loyalty_summary", "constant_metric")
    assert found.pop(constant) == {"FAILED": set(DAYS)}  # everybody bought on the last day
    assert found == {check: {"SUCCEEDED": set(DAYS)} for check in found}
    assert len(found) == 15


def test_a_partition_is_marked_when_its_file_is_renamed(delivered: Shop):
    """Seen while the run is at work: it could be killed at that moment."""
    marked: dict[str, list[set[str]]] = {}
    with dg.DagsterInstance.ephemeral() as instance:

        def look(step: str, day: date) -> None:
            key = dg.AssetKey(next(s for s in STEPS if s.name == step).tables[-1].name)
            marked.setdefault(step, []).append(set(instance.get_materialized_partitions(key)))

        assert run(delivered, instance, DAYS[0], DAYS[-1], progress=look).success
    assert marked == {step.name: [set(DAYS[:1]), set(DAYS[:2]), set(DAYS)] for step in STEPS}


def test_a_day_that_is_rejected_fails_its_check_and_the_run_and_keeps_its_snapshot(
    delivered: Shop, monkeypatch: pytest.MonkeyPatch
):
    formula = loyalty.customer_loyalty

    def wrong(*arguments: Any, **options: Any) -> Any:
        rows = formula(*arguments, **options)
        return rows.filter((rows.customer_id != "3") | (rows.snapshot_date != day(DAYS[1])))

    with dg.DagsterInstance.ephemeral() as instance:
        assert run(delivered, instance, DAYS[0], DAYS[-1]).success
        before = delivered.bytes_of("customer_loyalty", DAYS[1])
        monkeypatch.setattr(loyalty, "customer_loyalty", wrong)
        result = run(delivered, instance, DAYS[0], DAYS[-1])
        assert not result.success
        found = statuses(delivered, instance)
    assert delivered.bytes_of("customer_loyalty", DAYS[1]) == before
    assert found["customer_loyalty", "verified"] == {
        "SUCCEEDED": {DAYS[0], DAYS[2]},
        "FAILED": {DAYS[1]},
    }
    (failed,) = [e for e in result.all_events if e.is_step_failure]
    told = failed.step_failure_data.user_failure_data
    assert told.description.startswith(
        "customer_loyalty of 2025-01-02 was not published: same_customers:"
        " 1 are in customer_features, not in customer_loyalty, such as 3"
    )
    (evaluation,) = [
        one
        for e in events(result, "ASSET_CHECK_EVALUATION")
        for one in [e.event_specific_data]
        if not one.passed and one.check_name == "verified"
    ]
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert evaluation.description.startswith("same_customers: 1 are in customer_features, not")
    numbers = {name: value.value for name, value in evaluation.metadata.items()}
    assert numbers["customer_loyalty: same_customers: customer_loyalty"] == 6
    made = {e.event_specific_data.materialization.asset_key.to_user_string()
            for e in events(result, "ASSET_MATERIALIZATION")}  # fmt: skip
    assert "customer_rfm" not in made


def test_checks_of_many_days_are_evaluated_together(
    delivered: Shop, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []
    with dg.DagsterInstance.ephemeral() as instance:
        fetch = instance.fetch_materializations

        def counting(records: Any, limit: int) -> Any:
            asked.append(len(records.storage_ids))
            return fetch(records, limit=limit)

        monkeypatch.setattr(instance, "fetch_materializations", counting)
        assert run(delivered, instance, DAYS[0], DAYS[-1]).success
    assert asked == [3] * len({table for table, _ in CHECKS})


def test_percentile_bounds_are_tried_for_the_newest_day_of_a_run_alone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    """Although the checks of its days are evaluated one by one, and each day is as the first.

    Spends of 0, 600, 1200 and 10,000 leave gaps, which the 99th percentile closes.
    """
    spends = [0] * 100 + [600, 1200, 10000]
    shop.deliver(DAYS[0], *(f"{n},T{n},{DAYS[0]},{s}.00,P1" for n, s in enumerate(spends)))
    monkeypatch.setattr(daily_assets, "DAYS_AT_A_TIME", 1)
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(shop, instance, DAYS[0], DAYS[-1])
    told = {
        one.partition: any("percentile bounds" in name for name in one.metadata)
        for e in events(result, "ASSET_CHECK_EVALUATION")
        for one in [e.event_specific_data]
        if one.check_name == "empty_segment" and not one.passed
    }
    assert told == {DAYS[0]: False, DAYS[1]: False, DAYS[2]: True}
