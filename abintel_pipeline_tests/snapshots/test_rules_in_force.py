"""A snapshot is computed from files of its own rules, and its file says the truth about them."""

import warnings

import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.reading import MixedRules, read_snapshots
from abintel_pipeline.rules import Rules
from abintel_pipeline.snapshots import (
    StepContext,
    features_snapshot,
    loyalty_snapshot,
    rfm_snapshot,
)
from abintel_pipeline.snapshots.rules_in_force import OtherRules
from abintel_pipeline.store.proofs import snapshot_rules
from abintel_pipeline_tests.shop import Shop, day

FIRST, LAST = "2025-01-01", "2025-01-10"


@pytest.fixture
def published(shop: Shop) -> Shop:
    """Ten days of history: two deliveries nine days apart, and the snapshot of the last."""
    shop.deliver(FIRST, "001,T1,2025-01-01,10.00,P1", "002,T2,2025-01-01,20.00,P2")
    shop.deliver(LAST, "001,T3,2025-01-10,5.00,P1")
    shop.take_in(FIRST, LAST)
    shop.snapshot(LAST)
    return shop


def ruled(shop: Shop, **changes: object) -> StepContext:
    rules = Rules(**changes)  # type: ignore[arg-type]
    return StepContext(shop.step.connection, shop.settings, rules)


def test_features_of_a_shorter_window_are_no_ground_for_rfm_of_a_longer_one(
    published: Shop,
) -> None:
    short = ruled(published, history_days=3)
    features_snapshot(short, day(LAST))
    loyalty_snapshot(short, day(LAST))
    before = published.bytes_of("customer_rfm", LAST)
    with pytest.raises(OtherRules) as error:
        rfm_snapshot(published.step, day(LAST))
    assert str(error.value) == (
        f"customer_features of {LAST} was made by other rules than this run's (history_days 3"
        f" there, 540 now): make it again by the rules of now: abintel run {LAST} --only snapshots"
    )
    assert published.bytes_of("customer_rfm", LAST) == before


def test_a_window_that_holds_every_line_either_way_does_not_matter(published: Shop) -> None:
    loyalty_snapshot(ruled(published, history_days=400), day(LAST))
    rules = snapshot_rules(published.store.path(TABLES["customer_loyalty"], day(LAST)))
    assert rules.history_days == 540  # as its features were made


def test_a_window_is_told_by_the_dates_of_the_lines(shop: Shop) -> None:
    """Delivered within both windows, but dated in front of the shorter one."""
    shop.deliver(LAST, "001,T1,2025-01-01,10.00,P1", "001,T3,2025-01-10,5.00,P1")
    shop.take_in(LAST)
    features_snapshot(shop.step, day(LAST))
    with pytest.raises(OtherRules, match="history_days 540 there, 9 now"):
        loyalty_snapshot(ruled(shop, history_days=9), day(LAST))
    loyalty_snapshot(ruled(shop, history_days=10), day(LAST))


def test_loyalty_of_other_weights_is_no_ground_for_rfm(published: Shop) -> None:
    loyalty_snapshot(ruled(published, weights={"purchase_total": 1}), day(LAST))
    with pytest.raises(OtherRules, match="customer_loyalty of 2025-01-10 was made by other rules"):
        rfm_snapshot(published.step, day(LAST))


def test_rules_of_the_step_itself_may_change_at_any_time(published: Shop) -> None:
    rfm_snapshot(ruled(published, bins=3), day(LAST))
    rules = snapshot_rules(published.store.path(TABLES["customer_rfm"], day(LAST)))
    assert rules.bins == 3


@pytest.fixture
def mixed(published: Shop) -> Shop:
    """Two snapshots: one with 3 bins, one with 5."""
    published.snapshot("2025-01-09")
    rfm_snapshot(ruled(published, bins=3), day(LAST))
    return published


def test_days_of_other_rules_read_together_are_a_warning(mixed: Shop) -> None:
    with pytest.warns(MixedRules) as told:
        frame = read_snapshots("customer_rfm", "2025-01-09", LAST, settings=mixed.settings)
    assert len(frame) == 4
    assert [str(one.message) for one in told if one.category is MixedRules] == [
        "customer_rfm: bins was 5 on 2025-01-09 and 3 on 2025-01-10: their values do not compare."
        " Read days that were made alike, or publish these again"
    ]


def test_they_are_an_error_where_the_same_rules_are_asked_for(mixed: Shop) -> None:
    with pytest.raises(MixedRules):
        read_snapshots("customer_rfm", "2025-01-09", LAST, settings=mixed.settings, same_rules=True)


def test_rules_that_decide_nothing_of_a_table_are_no_matter(mixed: Shop) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", MixedRules)
        read_snapshots("customer_loyalty", "2025-01-09", LAST, settings=mixed.settings)
