"""Each warning shown to come, and not to come; every number worked by hand."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.contract.findings import Finding
from abintel_pipeline.engine.connection import native
from abintel_pipeline.intake import DeliveryError
from abintel_pipeline.quality.warnings import (
    Warn,
    delivery_warnings,
    features_warnings,
    loyalty_warnings,
    misplaced,
    rfm_warnings,
)
from abintel_pipeline.rules import Rules
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import (
    StepContext,
    features_snapshots,
    loyalty_snapshots,
    rfm_snapshots,
)
from abintel_pipeline_tests.shop import HEADER, Shop, day, days, shop_settings

ON = "2025-03-05"
TEN = days(ON, "2025-03-14")
transactions_warnings = delivery_warnings(TABLES["raw_transactions"])


def with_settings(shop: Shop, **changes: object) -> StepContext:
    settings = Settings(**{**shop.settings.model_dump(), **changes}, _env_file=None)
    return StepContext(shop.step.connection, settings, settings.rules)


def take_in(shop: Shop, on: str, rows: int, rejected: int = 0) -> None:
    good = [f"{n},T{n},{on},1.00,P1" for n in range(rows - rejected)]
    shop.deliver(on, *good, *(f"{n},T{n},{on},abc,P1" for n in range(rows - rejected, rows)))
    shop.take_in(on)


def only(findings: list[Finding], check: str) -> Finding:
    (found,) = [one for one in findings if one.check == check]
    assert not found.blocking
    return found


@pytest.mark.parametrize(("rows", "passed"), [(100, True), (99, False)])
def test_more_rejected_rows_than_usual_are_a_warning(shop: Shop, rows: int, passed: bool) -> None:
    """One of a hundred is 1 %, one of 99 is more."""
    take_in(shop, ON, rows, rejected=1)
    finding = only(transactions_warnings(shop.step, [day(ON)]), "rejected_share")
    assert finding.passed is passed
    assert finding.numbers == {"share": 1 / rows, "limit": 0.01}
    assert finding.sentence.startswith(f"1 of {rows} rows rejected, 1.0")


def test_rejected_customers_are_a_warning_too(shop: Shop) -> None:
    shop = Shop(with_settings(shop, max_rejected_share=1))
    shop.deliver_customers(ON, "001,0.4", "002,1.4")
    shop.take_in(ON)
    warn = delivery_warnings(TABLES["raw_customers"])
    (finding,) = warn(shop.step, [day(ON)])
    assert (finding.table, finding.passed, finding.numbers["share"]) == (
        "raw_customers",
        False,
        0.5,
    )


@pytest.mark.parametrize(
    ("rows", "passed"), [(3, True), (9, True), (2, False), (10, False), (0, False)]
)
def test_an_unusual_volume_for_the_weekday_is_a_warning(
    shop: Shop, rows: int, passed: bool
) -> None:
    """The last three Wednesdays had 4, 6 and 20 rows: a median of 6. Tuesday doesn't count."""
    for weeks, usual in ((1, 4), (2, 20), (4, 6)):
        take_in(shop, str(day(ON) - timedelta(weeks=weeks)), usual)
    take_in(shop, str(day(ON) - timedelta(days=1)), 50)
    take_in(shop, ON, rows)
    finding = only(transactions_warnings(shop.step, [day(ON)]), "delivery_volume")
    assert finding.passed is passed
    assert finding.numbers == {
        "received": rows,
        "usual": 6,
        "change": pytest.approx(abs(rows - 6) / 6),
        "limit": 0.5,
    }
    wider = with_settings(shop, warn_volume_change=1)
    assert only(transactions_warnings(wider, [day(ON)]), "delivery_volume").passed


def test_two_weeks_are_too_few_to_compare_and_nine_weeks_ago_too_long(shop: Shop) -> None:
    for weeks in (1, 2, 9):
        take_in(shop, str(day(ON) - timedelta(weeks=weeks)), 1)
    take_in(shop, ON, 50)
    finding = only(transactions_warnings(shop.step, [day(ON)]), "delivery_volume")
    assert finding.passed
    assert "too few" in finding.sentence


def test_a_delivery_that_did_not_come_is_a_warning_of_volume(shop: Shop) -> None:
    for weeks in (1, 2, 3):
        take_in(shop, str(day(ON) - timedelta(weeks=weeks)), 5)
    share, volume, *others = transactions_warnings(shop.step, [day(ON)])
    assert [one.passed for one in others] == [True, True]
    assert (share.passed, share.sentence) == (True, "nothing was delivered")
    assert (volume.passed, volume.numbers["change"]) == (False, 1.0)


@pytest.mark.parametrize(("tolerated", "passed"), [(0, False), (1, False), (2, True)])
def test_missing_delivery_days_are_a_warning(shop: Shop, tolerated: int, passed: bool) -> None:
    for on in ("2025-03-01", "2025-03-03", ON):
        take_in(shop, on, 1)
    step = with_settings(shop, warn_missing_days=tolerated)
    list(features_snapshots(step, [day(ON)]))
    finding = only(features_warnings(step, [day(ON)]), "missing_deliveries")
    assert finding.passed is passed
    assert finding.numbers == {"missing": 2, "delivered": 3, "limit": tolerated}
    assert finding.sentence == (
        "2 of 5 delivery days in the window are missing, the first 2025-03-02"
    )


def test_rows_that_the_settings_leave_out_are_told_and_count_as_received(shop: Shop) -> None:
    """Of ten rows two are a guest's and one is rejected: a tenth of what was received."""
    step = with_settings(shop, nobody_ids=("0",), max_rejected_share=1)
    again = Shop(step)
    guests = [f"0,G{n},{ON},1.00,P1" for n in range(2)]
    good = [f"{n},T{n},{ON},1.00,P1" for n in range(1, 8)]
    again.deliver(ON, *guests, *good, f"9,T9,{ON},abc,P1")
    again.take_in(ON)
    found = transactions_warnings(step, [day(ON)])
    share = only(found, "rejected_share")
    assert share.sentence == (
        "1 of 10 rows rejected, 10.00%, 2 left out by the settings; up to 1.00% is usual"
    )
    assert share.numbers == {"share": 0.1, "limit": 0.01, "left_out": 2}
    assert only(found, "delivery_volume").numbers == {"received": 10}
    assert only(found, "repeated_lines").sentence.startswith("0 of 7 accepted lines")


@pytest.mark.parametrize(("limit", "passed"), [(0.5, True), (0.49, False)])
def test_lines_that_are_exact_copies_are_a_warning(shop: Shop, limit: float, passed: bool) -> None:
    """A stands three times and B twice: three copies of six lines.

    C has another amount than A. The day before has the same lines once.
    """
    before = str(day(ON) - timedelta(days=1))
    a, b, c = (f"1,T1,{before},1.00,P1", f"2,T2,{before},1.00,P1", f"1,T1,{before},2.00,P1")
    for on, lines in ((before, (a, b, c)), (ON, (a, b, a, c, b, a))):
        shop.deliver(on, *lines)
        shop.take_in(on)
    step = with_settings(shop, warn_repeated_share=limit)
    found = transactions_warnings(step, [day(before), day(ON)])
    earlier, then = (one for one in found if one.check == "repeated_lines")
    assert (earlier.passed, earlier.numbers["copies"]) == (True, 0)
    assert then.numbers == {"copies": 3, "share": 0.5, "limit": limit}
    assert then.passed is passed
    assert then.sentence.startswith("3 of 6 accepted lines are exact copies of another, 50.00%")
    assert ("written twice" in then.sentence) is not passed


def test_lines_with_a_number_each_cannot_be_copies_and_cost_no_query(shop: Shop) -> None:
    shop.deliver(ON, f"1,T1,{ON},1.00,P1,1", f"1,T1,{ON},1.00,P1,2", header=f"{HEADER},line_id")
    shop.take_in(ON)
    counted = Counted(shop.step.connection)
    step = StepContext(counted, shop.settings, shop.step.rules)
    finding = only(transactions_warnings(step, [day(ON)]), "repeated_lines")
    assert (finding.passed, finding.numbers["copies"], counted.queries) == (True, 0, 0)


def test_lines_without_ids_can_be_copies_too(shop: Shop) -> None:
    step = with_settings(shop, transaction_columns={"transaction_id": None, "product_id": None})
    again = Shop(step)
    again.deliver(ON, *[f"1,{ON},1.00"] * 3, header="customer_id,date,amount")
    again.take_in(ON)
    assert only(transactions_warnings(step, [day(ON)]), "repeated_lines").numbers["copies"] == 2


def test_days_stored_with_other_decimals_are_compared_as_they_are(shop: Shop) -> None:
    """1.25 and 1.75 are two amounts, also where the first day of the query has none after 1."""
    before = str(day(ON) - timedelta(days=1))
    whole = Shop(with_settings(shop, currency_decimals=0))
    for one, on, amounts in ((whole, before, (1, 1)), (shop, ON, (1.75, 2.25))):
        one.deliver(on, *(f"1,T1,{before},{amount},P1" for amount in amounts))
        one.take_in(on)
    found = transactions_warnings(shop.step, [day(before), day(ON)])
    counts = [one.numbers["copies"] for one in found if one.check == "repeated_lines"]
    assert counts == [1, 0]


def with_orders(shop: Shop, orders: list[int]) -> Finding:
    """What is told of a snapshot whose customers have these numbers of orders."""
    lines = [f"c{c:03},T{n},{ON},1.00,P1" for c, count in enumerate(orders) for n in range(count)]
    shop.deliver(ON, *lines)
    shop.take_in(ON)
    list(features_snapshots(shop.step, [day(ON)]))
    return only(features_warnings(shop.step, [day(ON)]), "customer_share")


@pytest.mark.parametrize(("most", "passed"), [(2, True), (3, False)])
def test_one_customer_with_a_large_part_of_all_orders_is_a_warning(
    shop: Shop, most: int, passed: bool
) -> None:
    """Beside 20 customers with one each 2 of 22 are 9.1 %, and 3 of 23 are 13.0 %."""
    finding = with_orders(shop, [1] * 20 + [most])
    assert finding.passed is passed
    assert finding.numbers == {
        "customers": 21, "orders": 20 + most, "share": most / (20 + most), "limit": 0.1
    }  # fmt: skip
    assert finding.sentence.startswith(f"customer c020 has {most} of {20 + most} orders")
    assert ("""ABINTEL_NOBODY_IDS='["c020"]' leaves""" in finding.sentence) is not passed


def test_of_customers_with_as_many_orders_the_first_is_named(shop: Shop) -> None:
    assert with_orders(shop, [1, 5, 5, *[1] * 20]).sentence.startswith("customer c001 has 5 of")


def test_fewer_than_twenty_customers_are_too_few_to_compare(shop: Shop) -> None:
    finding = with_orders(shop, [5] + [1] * 18)
    assert (finding.passed, finding.sentence) == (
        True,
        "19 customers with 23 orders are too few to compare",
    )


MISPLACED = [SimpleNamespace(name=f"transactions/{n}.csv", why="no day") for n in range(7)]


@pytest.mark.parametrize(("files", "told"), [
    (0, "every file in the landing folder belongs to a day"),
    (1, "1 file belongs to no day: transactions/0.csv (no day)"),
    (7, "7 files belong to no day: transactions/0.csv (no day); transactions/1.csv (no day);"
        " transactions/2.csv (no day); transactions/3.csv (no day); transactions/4.csv (no day) and"
        " 2 more"),
])  # fmt: skip
def test_files_that_belong_to_no_day_are_a_warning_of_the_newest_day(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, files: int, told: str
) -> None:
    monkeypatch.setattr(misplaced, "misplaced_files", lambda _: MISPLACED[:files])
    before = day(ON) - timedelta(days=1)
    found = transactions_warnings(shop.step, [before, day(ON)], day(ON))
    earlier, newest = (one for one in found if one.check == "misplaced_files")
    assert (earlier.passed, earlier.sentence) == (True, "told of the newest day of a run")
    assert (newest.passed, newest.sentence, newest.numbers) == (not files, told, {"files": files})


def test_a_landing_folder_that_cannot_be_read_is_a_warning_and_no_error(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_: object) -> None:
        raise DeliveryError("customers can't be read")

    monkeypatch.setattr(misplaced, "misplaced_files", closed)
    finding = only(transactions_warnings(shop.step, [day(ON)], day(ON)), "misplaced_files")
    assert (finding.passed, "customers can't be read" in finding.sentence) == (False, True)


def by_spend(shop: Shop, spends: list[int], on: str = ON, **rules: object) -> Shop:
    """A snapshot of customers with these spends, whose score is their spend alone."""
    chosen = Rules(**{"weights": {"purchase_total": 1}, **rules})
    again = Shop(StepContext(shop.step.connection, shop.settings, chosen))
    again.deliver(on, *(f"{n:03},T{n}{on},{on},{s}.00,P1" for n, s in enumerate(spends)))
    again.take_in(on)
    again.snapshot(on)
    return again


def test_an_empty_segment_is_a_warning_with_what_would_fill_it(shop: Shop) -> None:
    """Of 0..1000, 750 scores 0.75, Gold, and 600 scores 0.6, Silver: nobody is Bronze."""
    again = by_spend(shop, [0, 100, 600, 750, 1000])
    finding = only(loyalty_warnings(again.step, [day(ON)]), "empty_segment")
    assert not finding.passed
    assert finding.sentence.startswith("Bronze (from 0.3) is empty; beginning at 0.1 it is not")
    assert (finding.numbers["empty"], finding.numbers["Bronze would begin at"]) == (1, 0.1)


def test_the_lowest_segment_is_filled_from_above(shop: Shop) -> None:
    thresholds = {"High": 0.5, "Some": 0.2, "None": 0.0}
    again = by_spend(shop, [1], segment_thresholds=thresholds)  # alone: 0.5
    finding = only(loyalty_warnings(again.step, [day(ON)]), "empty_segment")
    assert finding.numbers == {"empty": 2, "Some would reach": 0.5, "None would reach": 0.5}


def test_percentile_bounds_that_would_fill_a_segment_are_named_for_the_newest_day(
    shop: Shop,
) -> None:
    """A hundred customers at 0, one each at 600 and 1200, one at 10,000: 0.06, 0.12 and 1.

    p99 of 103 values is the value at place 102 · 0.99 = 100.98 of 0..102: 600 + 0.98 · 600 = 1188.
    Between 0 and 1188 the 600 scores 0.5051, Silver; the 1200 and the 10,000 are clipped to 1.
    """
    spends = [0] * 100 + [600, 1200, 10000]
    again = by_spend(shop, spends)
    finding = only(loyalty_warnings(again.step, [day(ON)], day(ON)), "empty_segment")
    filled = {k: v for k, v in finding.numbers.items() if k.endswith("percentile bounds")}
    assert filled == {"Silver with percentile bounds": 1}
    assert "with ABINTEL_BOUNDS kind percentiles it has 1 customers" in finding.sentence
    later = day(ON) + timedelta(days=1)
    by_spend(shop, [], on=str(later))
    for asked, newest in (([day(ON), later], later), ([day(ON)], later), ([day(ON)], None)):
        earlier = loyalty_warnings(again.step, asked, newest)[0]
        assert (earlier.check, earlier.day, earlier.passed) == ("empty_segment", day(ON), False)
        assert "percentile" not in earlier.sentence


def test_segments_that_all_have_customers_are_no_warning(shop: Shop) -> None:
    again = by_spend(shop, [0, 300, 500, 700, 1000])
    findings = loyalty_warnings(again.step, [day(ON)])
    assert only(findings, "empty_segment").sentence == "each of 5 segments has customers"
    assert [one.passed for one in findings] == [True, True]


def test_a_constant_metric_with_a_weight_is_a_warning(shop: Shop) -> None:
    again = by_spend(shop, [1, 2], weights={"purchase_total": 1, "visit_frequency": 3})
    finding = only(loyalty_warnings(again.step, [day(ON)]), "constant_metric")
    assert not finding.passed
    assert finding.sentence.startswith("visit_frequency is the same for every customer")
    assert (finding.numbers["constant"], finding.numbers["purchase_total"]) == (1, 1.0)


def test_a_tier_that_shifts_from_one_day_to_the_next_is_a_warning(shop: Shop) -> None:
    """With 3 bins four alike score 3, 1, 1: 5 in all, and p70 of equal totals is that: Loyal.

    On the next day one of them buys again and scores 3, 3, 3: Champion. The totals are 5, 5, 5 and
    9, p70 is 5.4 and p20 is 5: the other three are At-Risk, and nobody is Loyal.
    """
    by_spend(shop, [1, 1, 1, 1], bins=3)
    later = day(ON) + timedelta(days=1)
    shop.deliver(str(later), f"000,U,{later},5.00,P1")
    shop.take_in(str(later))
    Shop(with_settings(shop, bins=3)).snapshot(str(later))
    for limit, passed in ((1.0, True), (0.99, False)):
        step = with_settings(shop, warn_tier_shift=limit, bins=3)
        found = [one for one in rfm_warnings(step, [day(ON), later]) if one.check == "tier_shares"]
        first, then = found
        assert "no whole snapshot of the day before" in first.sentence
        assert (first.passed, first.numbers["Loyal"]) == (True, 1.0)
        assert then.passed is passed
        assert then.sentence.startswith("Loyal went from 100.0% of the customers to 0.0%")
        shares = {"Champion": 0.25, "Loyal": 0, "Potential": 0, "Promising": 0, "At-Risk": 0.75}
        assert then.numbers == {"shift": 1.0, "limit": limit, **shares}
        assert [one for one in rfm_warnings(step, [later]) if one.check == "tier_shares"] == [then]


@pytest.mark.parametrize(("customers", "passed"), [(5, True), (4, False)])
def test_a_cohort_smaller_than_the_bins_is_a_warning(
    shop: Shop, customers: int, passed: bool
) -> None:
    again = by_spend(shop, list(range(customers)))
    finding = only(rfm_warnings(again.step, [day(ON)]), "cohort_size")
    assert (finding.table, finding.passed) == ("rfm_thresholds", passed)
    assert finding.numbers == {"customers": customers, "bins": 5}


def test_a_snapshot_of_nobody_is_told_of_too(shop: Shop) -> None:
    again = by_spend(shop, [])
    loyalty = loyalty_warnings(again.step, [day(ON)])
    assert [one.check for one in loyalty] == ["empty_segment", "constant_metric"]
    rfm = rfm_warnings(again.step, [day(ON)])
    assert [(one.check, one.passed) for one in rfm] == [
        ("tier_shares", True),
        ("cohort_size", False),
    ]


class Counted:
    """An engine that counts the queries it is asked."""

    def __init__(self, connection: Any) -> None:
        self.con, self.queries = self, 0
        self._connection = native(connection)

    def execute(self, query: str) -> Any:
        self.queries += 1
        return self._connection.execute(query)


@pytest.fixture(scope="module")
def ten_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Ten snapshots in which Bronze is empty. Nothing here writes into it."""
    with Shop.open(shop_settings(tmp_path_factory.mktemp("ten_days"))) as shop:
        again = by_spend(shop, [0, 100, 600, 750, 1000])
        for make in (features_snapshots, loyalty_snapshots, rfm_snapshots):
            list(make(again.step, TEN))
        yield again


@pytest.mark.parametrize(
    ("warn", "cost"),
    [(transactions_warnings, 1), (features_warnings, 1), (loyalty_warnings, 2), (rfm_warnings, 1)],
    ids=["transactions", "features", "loyalty", "rfm"],
)
def test_warnings_of_ten_days_cost_as_many_queries_as_those_of_one(
    ten_days: Shop, warn: Warn, cost: int
) -> None:
    """Transactions: the copies. Features: the customers with most orders.

    Loyalty: the summaries, and the scores of segments if one is empty, as Bronze here is.
    """
    for asked in (TEN[:1], TEN):
        counted = Counted(ten_days.step.connection)
        found = warn(StepContext(counted, ten_days.settings, ten_days.step.rules), asked, None)
        assert {one.day for one in found} == set(asked)
        assert counted.queries == cost
