"""The checks that hold published files against what they say, in real runs."""

import dagster as dg
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.orchestration.automation.jobs import JOB_NAME as SNAPSHOTS
from abintel_pipeline.orchestration.automation.verification import CHECK_NAME, JOB_NAME
from abintel_pipeline.orchestration.definitions import build_defs
from abintel_pipeline_tests.shop import Shop, day

FIRST, SECOND = "2025-01-01", "2025-01-02"


@pytest.fixture
def published(shop: Shop, undrawn: None) -> Shop:
    shop.deliver(FIRST, "001,T1,2025-01-01,10.00,P1")
    shop.deliver(SECOND, "001,T2,2025-01-02,5.00,P1")
    shop.take_in(FIRST, SECOND)
    shop.snapshot(FIRST, SECOND)
    return shop


def evaluated(shop: Shop, job: str, **options: object) -> dict[str, dg.AssetCheckEvaluation]:
    """{table: the evaluation of its check} of a run of the job."""
    found = build_defs(shop.settings).resolve_job_def(job).execute_in_process(**options)
    return {
        one.asset_key.to_user_string(): one
        for one in found.get_asset_check_evaluations()
        if one.check_name == CHECK_NAME
    }


def test_the_weekly_run_looks_at_every_file_of_every_table(published: Shop) -> None:
    found = evaluated(published, JOB_NAME)
    assert set(found) == set(TABLES)
    assert all(one.passed for one in found.values())
    files = {name: one.metadata["files"].value for name, one in found.items()}
    assert files == {name: 0 if name.endswith("customers") else 2 for name in TABLES}


def test_a_damaged_file_is_an_error_of_its_table_alone(published: Shop) -> None:
    path = published.store.path(TABLES["rfm_thresholds"], day(FIRST))
    path.write_bytes(path.read_bytes()[:-1])
    found = evaluated(published, JOB_NAME)
    assert [name for name, one in found.items() if not one.passed] == ["rfm_thresholds"]
    failed = found["rfm_thresholds"]
    assert failed.severity is dg.AssetCheckSeverity.ERROR
    assert failed.description == (
        f"rfm_thresholds of {FIRST} is damaged: {path} is no whole Parquet file"
    )
    assert failed.metadata["told"].value == (
        f"- {failed.description}. Publish it again: abintel run {FIRST} --only snapshots"
    )


def test_stale_snapshots_are_a_warning(published: Shop) -> None:
    published.deliver(SECOND, "001,T2,2025-01-02,6.00,P1")
    published.take_in(SECOND)
    found = evaluated(published, JOB_NAME)
    assert [name for name, one in found.items() if not one.passed] == ["customer_features"]
    assert found["customer_features"].severity is dg.AssetCheckSeverity.WARN


def test_a_days_run_looks_at_the_days_that_it_reads(published: Shop) -> None:
    stray = published.store.path(TABLES["customer_rfm"], day(FIRST))
    stray.write_bytes(stray.read_bytes()[:-1])  # no file of the second day is made from it
    found = evaluated(published, SNAPSHOTS, partition_key=SECOND)
    assert all(one.passed for one in found.values())
    assert found["raw_transactions"].metadata["files"].value == 2  # the window's
    assert found["customer_rfm"].metadata["files"].value == 1
