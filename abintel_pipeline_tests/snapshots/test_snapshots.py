"""Steps without an orchestrator: what they publish, and what they say when they can't."""

from decimal import Decimal
from pathlib import Path

import pytest

from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import features_snapshot
from abintel_pipeline.store.windows import NothingDelivered, trailing_window
from abintel_pipeline_tests.shop import Shop, day


def test_a_late_correction_changes_the_snapshots_from_its_delivery_on(shop: Shop):
    shop.deliver("2025-01-01", "001,T1,2025-01-01,10.00,P1")
    shop.deliver("2025-01-03", "001,T1,2025-01-01,12.50,P1")
    shop.take_in("2025-01-01", "2025-01-02", "2025-01-03")
    totals = {}
    for on in ("2025-01-01", "2025-01-02", "2025-01-03"):
        features_snapshot(shop.step, day(on))
        totals[on] = shop.read("customer_features", on).purchase_total.tolist()
    assert totals == {"2025-01-01": [10.0], "2025-01-02": [10.0], "2025-01-03": [12.5]}


def test_the_latest_delivered_loyalty_score_is_passed_on(shop: Shop):
    shop.deliver("2025-01-01", "001,T1,2025-01-01,10.00,P1", "1,T2,2025-01-01,10.00,P1")
    shop.deliver_customers("2025-01-01", "001,0.4", "1,")
    shop.deliver_customers("2025-01-02", "001,0.97")
    shop.take_in("2025-01-01", "2025-01-02")
    for on in ("2025-01-01", "2025-01-02"):
        features_snapshot(shop.step, day(on))
    for on, scores in (("2025-01-01", [0.4, 0.0]), ("2025-01-02", [0.97, 0.0])):
        features = shop.read("customer_features", on)
        assert features.customer_id.tolist() == ["001", "1"]
        assert features.loyalty_score.tolist() == scores


def test_missing_delivery_days_are_counted_from_the_first_delivery_on(shop: Shop):
    for on in ("2025-01-03", "2025-01-06"):
        shop.deliver(on, f"001,T1,{on},10.00,P1")
        shop.take_in(on)
    window = trailing_window(shop.store, day("2025-01-07"), 30)
    assert window.start == day("2024-12-09")
    assert window.missing == [day("2025-01-04"), day("2025-01-05"), day("2025-01-07")]
    assert trailing_window(shop.store, day("2025-01-07"), 3).missing == [
        day("2025-01-05"),
        day("2025-01-07"),
    ]


def test_a_snapshot_without_any_delivery_says_what_to_do(shop: Shop):
    with pytest.raises(NothingDelivered, match="materialize raw_transactions"):
        features_snapshot(shop.step, day("2025-01-01"))


def test_a_delivery_without_rows_gives_empty_tables(shop: Shop):
    shop.deliver("2025-01-01")
    shop.take_in("2025-01-01")
    shop.snapshot("2025-01-01")
    for table in ("customer_features", "customer_loyalty", "loyalty_summary", "customer_rfm"):
        assert len(shop.read(table, "2025-01-01")) == 0


def test_customers_come_in_the_order_of_their_ids(shop: Shop):
    shop.deliver("2025-01-01", *(f"{c},T1,2025-01-01,1.00,P1" for c in ("b", "10", "a", "9", "B")))
    shop.take_in("2025-01-01")
    shop.snapshot("2025-01-01")
    for table in ("customer_features", "customer_loyalty", "customer_rfm"):
        assert shop.read(table, "2025-01-01").customer_id.tolist() == ["10", "9", "B", "a", "b"]


def test_days_stored_with_other_decimals_of_the_currency_lose_nothing(tmp_path: Path):
    for decimals, on in ((2, "2025-01-01"), (4, "2025-01-02")):
        settings = Settings(data_dir=tmp_path, currency_decimals=decimals)
        with Shop.open(settings) as shop:
            shop.deliver(on, f"001,T{on},{on},3.1254,P1")
            shop.take_in(on)
            raw = shop.read("raw_transactions", on)
            assert raw.amount.tolist() == [Decimal("3.13") if decimals == 2 else Decimal("3.1254")]
    with Shop.open(settings) as shop:
        features_snapshot(shop.step, day("2025-01-02"))
        assert shop.read("customer_features", "2025-01-02").purchase_total.tolist() == [6.2554]


def test_totals_beyond_64_bits_of_cents_are_scored(shop: Shop):
    most = "9999999999999999.99"
    lines = [f"{n % 3},T{n},2025-01-01,{most},P1" for n in range(60)]
    shop.deliver("2025-01-01", *lines, "9,T,2025-01-01,1.00,P1")
    shop.take_in("2025-01-01")
    shop.snapshot("2025-01-01")
    rfm = shop.read("customer_rfm", "2025-01-01")
    assert rfm.monetary_total.tolist() == [2e17, 2e17, 2e17, 1.0]
    assert rfm.monetary_score.tolist() == [2, 2, 2, 1]
