"""Deliveries that were taken in and whose rows somebody removed from the store."""

import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from abintel_pipeline.cli.app import app
from abintel_pipeline.contract import RAW_CUSTOMERS, RAW_TRANSACTIONS, REJECTED_OF, Table
from abintel_pipeline.contract.findings import Finding
from abintel_pipeline.orchestration.running import instance
from abintel_pipeline.quality.warnings import features_warnings
from abintel_pipeline.store.deleted import deleted_deliveries, told_deleted
from abintel_pipeline_tests.shop import Shop, day, days

WEEK = days("2025-01-01", "2025-01-07")
GONE, NEVER = day("2025-01-04"), day("2025-01-06")
LAST = WEEK[-1]


def folder(shop: Shop, raw: Table, on: object) -> Path:
    return shop.store.path(raw, on).parent  # type: ignore[arg-type]


@pytest.fixture
def week(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A week without a delivery on its sixth day, and whose fourth was removed later."""
    monkeypatch.setenv("ABINTEL_DATA_DIR", str(shop.settings.data_dir))
    monkeypatch.setenv("ABINTEL_FIRST_DAY", "2025-01-01")
    for on in WEEK:
        if on != NEVER:
            shop.deliver(str(on), f"ann,T{on},{on},1.00,P")
            shop.take_in(str(on))
    shop.snapshot(str(LAST))
    shutil.rmtree(folder(shop, RAW_TRANSACTIONS, GONE))
    return shop


def finding(shop: Shop) -> Finding:
    """Where up to three missing days are no warning."""
    settings = shop.settings.model_copy(update={"warn_missing_days": 3})
    found = features_warnings(replace(shop.step, settings=settings), [LAST])
    return next(one for one in found if one.check == "missing_deliveries")


def abintel(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_a_removed_day_is_known_and_a_day_that_never_came_is_not(week: Shop):
    assert deleted_deliveries(week.store) == {RAW_TRANSACTIONS: [GONE]}
    assert deleted_deliveries(week.store, end=day("2025-01-03")) == {}


def test_the_check_tells_a_deleted_day_from_a_missing_one(week: Shop):
    found = finding(week)
    assert not found.passed
    assert found.numbers == {"missing": 1, "delivered": 5, "limit": 3, "deleted": 1}
    missing, deleted = found.sentence.split("; ")
    assert missing == "1 of 7 delivery days in the window are missing, the first 2025-01-06"
    assert deleted == told_deleted(week.store, RAW_TRANSACTIONS, [GONE])
    assert deleted == (
        "the transactions of 2025-01-04 were taken in, and have since been deleted from the store."
        " To bring them back, have the delivery in the landing folder and run"
        " `abintel run 2025-01-04 --only deliveries`, then renew what `abintel affected 2025-01-04`"
        f" names. To accept it, remove {folder(week, REJECTED_OF[RAW_TRANSACTIONS.name], GONE)} too"
    )


def test_the_command_it_names_brings_it_back(week: Shop, undrawn: None):
    ran = abintel("run", str(GONE), "--only", "deliveries")
    assert ran.exit_code == 0, ran.output
    assert "Deleted" not in ran.stdout
    affected = abintel("affected", str(GONE))
    assert "abintel run 2025-01-07 2025-01-07 --only snapshots" in affected.stdout
    assert finding(week).numbers == {"missing": 1, "delivered": 6, "limit": 3}


def test_the_folder_it_names_removed_accepts_it(week: Shop):
    shutil.rmtree(folder(week, REJECTED_OF[RAW_TRANSACTIONS.name], GONE))
    assert finding(week).numbers == {"missing": 2, "delivered": 5, "limit": 3}
    assert "deleted" not in finding(week).sentence


def test_show_affected_and_run_say_the_same(week: Shop, undrawn: None):
    told = told_deleted(week.store, RAW_TRANSACTIONS, [GONE])
    shown = abintel("show", str(LAST))
    assert "Missing delivery days: 1 (2025-01-06)" in shown.stdout
    assert f"Deleted: {told}" in shown.stdout
    affected = abintel("affected", str(GONE))
    assert (affected.exit_code, affected.stderr) == (1, f"{told}\n")
    for path in (week.settings.landing / "transactions").glob(f"{GONE}*"):
        path.unlink()
    ran = abintel("run", str(GONE), str(NEVER), "--only", "deliveries")
    assert ran.exit_code == 0, ran.output
    assert "No delivery of transactions: 2025-01-06. Looked for in" in ran.stdout
    assert f"Deleted: {told}" in ran.stdout


def test_the_asset_pages_say_it_too(week: Shop, undrawn: None):
    (week.settings.landing / "transactions" / f"{GONE}.csv").unlink()
    assert abintel("run", str(GONE), str(LAST)).exit_code == 0
    with instance(week.settings) as opened:

        def told(table: str, on: object) -> dict[str, object]:
            records = opened.fetch_materializations(
                dg.AssetRecordsFilter(dg.AssetKey(table), asset_partitions=[str(on)]), limit=1
            ).records
            metadata = records[0].asset_materialization.metadata  # type: ignore[union-attr]
            return {name: value.value for name, value in metadata.items()}

        raw = {on: told("raw_transactions", on)["delivery"] for on in (GONE, NEVER, LAST)}
        assert raw == {GONE: "deleted", NEVER: "missing", LAST: "taken in"}
        features = told("customer_features", LAST)
        assert features["deleted_deliveries"] == [str(GONE)]
        assert features["missing_deliveries"] == [str(NEVER)]


def test_scores_of_customers_that_were_removed_are_told_however_old(week: Shop):
    week.deliver_customers("2025-01-01", "ann,0.5")
    week.take_in("2025-01-01", str(GONE))
    shutil.rmtree(folder(week, RAW_CUSTOMERS, WEEK[0]))
    with Shop.open(week.settings, week.step.rules.model_copy(update={"history_days": 2})) as short:
        found = finding(short)
    assert not found.passed
    told = told_deleted(week.store, RAW_CUSTOMERS, [WEEK[0]])
    assert told.startswith("the customers of 2025-01-01 were taken in, and have since been deleted")
    assert found.sentence.endswith(told)


def test_many_deleted_days_are_told_by_their_runs(week: Shop):
    told = told_deleted(week.store, RAW_TRANSACTIONS, [*WEEK[:2], *WEEK[3:5], WEEK[6]])
    assert told.startswith(
        "the transactions of 2025-01-01 to 2025-01-02, 2025-01-04 to 2025-01-05,"
    )
    assert "`abintel run 2025-01-01 2025-01-02 --only deliveries`" in told
    assert "delivered_on=2025-01-01 too, and so on for each day" in told
