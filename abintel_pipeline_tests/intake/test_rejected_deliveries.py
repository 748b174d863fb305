"""Deliveries that are rejected as a whole: their rows are kept, and what may help is told."""

import os
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.engine.connection import native
from abintel_pipeline.intake import DeliveriesFailed, TooManyRejected, take_in_transactions
from abintel_pipeline.intake.rejected.advice import advice, settings_for
from abintel_pipeline.intake.rejected.files import (
    Example,
    Reason,
    RejectedDelivery,
    kept,
    rejected_store,
)
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import StepContext, take_in_days
from abintel_pipeline_tests.shop import HEADER, Shop, day, days

ON = "2025-01-01"
TRANSACTIONS, CUSTOMERS = TABLES["rejected_transactions"], TABLES["rejected_customers"]


def good(count: int, on: str = ON) -> list[str]:
    return [f"{n},T{n},{on},1.00,P1" for n in range(count)]


def attempt(shop: Shop, *lines: str) -> RejectedDelivery:
    """What is kept of a delivery of these lines, which is rejected as a whole."""
    shop.deliver(ON, *lines)
    with pytest.raises(TooManyRejected):
        shop.take_in(ON)
    (found,) = kept(native(shop.step.connection), shop.store, day(ON))
    return found


def test_the_rejected_rows_are_kept_with_their_counts_and_nothing_is_published(shop: Shop):
    found = attempt(shop, *good(3), f"9,T9,{ON},abc,P1")
    assert (found.received, found.rejected, found.cap) == (4, 1, Decimal("0.05"))
    rows = pq.read_table(found.path, partitioning=None).to_pylist()
    assert [(row["file"], row["row"], row["reasons"]) for row in rows] == [
        (f"transactions/{ON}.csv", 5, ["amount: not a number"])
    ]
    assert shop.store.days(TRANSACTIONS) == shop.store.days(TABLES["raw_transactions"]) == []
    assert list((shop.store.root / ".staging").iterdir()) == []


def test_the_next_attempt_replaces_them(shop: Shop):
    attempt(shop, f"9,T9,{ON},abc,P1")
    found = attempt(shop, f"9,T9,{ON},-1,P1", f"8,T9,{ON},-1,P1")
    assert [(one.name, one.rows) for one in found.reasons] == [("amount: negative", 2)]


def test_they_go_when_the_delivery_is_taken_in(shop: Shop):
    found = attempt(shop, f"9,T9,{ON},abc,P1")
    shop.deliver(ON, *good(1))
    shop.take_in(ON)
    assert kept(native(shop.step.connection), shop.store, day(ON)) == []
    assert not found.path.exists()


def test_those_older_than_what_is_published_are_not_told(shop: Shop):
    """A run that is killed after publishing leaves them behind."""
    found = attempt(shop, f"9,T9,{ON},abc,P1")
    shop.deliver(ON, *good(1))
    content = found.path.read_bytes()
    shop.take_in(ON)
    found.path.parent.mkdir()
    found.path.write_bytes(content)
    connection = native(shop.step.connection)
    assert len(kept(connection, shop.store, day(ON))) == 1
    shop.take_in(ON)
    found.path.parent.mkdir()
    found.path.write_bytes(content)
    published = shop.store.path(TRANSACTIONS, day(ON)).stat().st_mtime
    os.utime(found.path, (published - 1, published - 1))
    assert kept(connection, shop.store, day(ON)) == []


def test_each_table_has_its_own(shop: Shop):
    shop.deliver(ON, *good(1))
    shop.deliver_customers(ON, "001,1.4")
    with pytest.raises(TooManyRejected):
        shop.take_in(ON)
    (found,) = kept(native(shop.step.connection), shop.store, day(ON))
    assert (found.name, found.table) == ("customers", CUSTOMERS)
    assert shop.store.days(TRANSACTIONS) == [day(ON)]


def test_in_a_range_the_rejected_days_are_kept_and_the_others_taken_in(shop: Shop):
    for on in ("2025-01-01", "2025-01-03"):
        shop.deliver(on, *good(1, on))
    shop.deliver("2025-01-02", "9,T9,2025-01-02,abc,P1")
    shop.deliver("2025-01-04", header="oops")
    with pytest.raises(DeliveriesFailed) as failed:
        list(take_in_days(shop.step, days("2025-01-01", "2025-01-04"), take_in_transactions))
    assert [one.day for one in failed.value.rejected] == [day("2025-01-02")]
    assert len(failed.value.failed) == 2
    assert shop.store.days(TRANSACTIONS) == [day("2025-01-01"), day("2025-01-03")]
    assert rejected_store(shop.store).days(TRANSACTIONS) == [day("2025-01-02")]


@pytest.mark.parametrize(("rejected", "cap"), [(1, "0.01"), (7, "0.07"), (61, "0.61"), (100, "1")])
def test_the_cap_that_would_do_takes_the_delivery_in(shop: Shop, rejected: int, cap: str):
    strict = shop.settings.model_copy(update={"max_rejected_share": 0.0})
    again = Shop(StepContext(shop.step.connection, strict, shop.step.rules))
    bad = [f"x{n},T,{ON},abc,P1" for n in range(rejected)]
    found = attempt(again, *good(100 - rejected), *bad)
    assert found.sufficient_cap == f"ABINTEL_MAX_REJECTED_SHARE={cap}"
    enough = Settings(**{**shop.settings.model_dump(), "max_rejected_share": cap}, _env_file=None)
    Shop(StepContext(shop.step.connection, enough, shop.step.rules)).take_in(ON)
    assert shop.store.rows(TRANSACTIONS, day(ON)) == rejected


HELP = {
    "ABINTEL_DECIMAL_MARK=','": ({}, f'1,T,{ON},"12,50",P1'),
    "ABINTEL_DECIMAL_MARK=.": ({"decimal_mark": ","}, f"1,T,{ON},12.50,P1"),
    "ABINTEL_THOUSANDS_MARK": ({}, f"1,T,{ON},1'200,P1"),
    "ABINTEL_RETURNS=net": ({}, f"1,T,{ON},-1.00,P1"),
    "ABINTEL_DATE_FORMAT": ({}, "1,T,31.12.2024,1.00,P1"),
    "ABINTEL_NOBODY_IDS": ({}, f",T,{ON},1.00,P1"),
    "ABINTEL_TRANSACTION_COLUMNS": ({}, f"1,T,{ON},1.00,"),
    "ABINTEL_CSV_DELIMITER": ({}, f"1,T,{ON},12,50,P1"),
    "ABINTEL_REPEATED_LINES": (
        {"repeated_lines": "refuse"},
        f"1,T,{ON},1.00,P1\n1,T,{ON},1.00,P1",
    ),
}


@pytest.mark.parametrize("setting", HELP)
def test_the_setting_that_helps_is_named(shop: Shop, setting: str):
    changes, line = HELP[setting]
    settings = shop.settings.model_copy(update=changes)
    found = attempt(Shop(StepContext(shop.step.connection, settings, shop.step.rules)), line)
    told = advice(found, Path("landing"))
    assert told[0].startswith(setting)
    assert told[-2:] == [
        f"abintel inspect landing/transactions/{ON}.csv proposes settings",
        f"{found.sufficient_cap} drops these rows and takes in the others",
    ]
    assert len(told) == 3


def test_text_of_windows_is_told_by_its_bytes(shop: Shop):
    shop.deliver(ON)
    (shop.settings.landing / "transactions" / f"{ON}.csv").write_bytes(
        f"{HEADER}\nMüller,T,{ON},1.00,P1\n".encode("cp1252")
    )
    with pytest.raises(TooManyRejected, match="ABINTEL_ENCODING=cp1252"):
        shop.take_in(ON)


def test_a_number_that_no_setting_reads_gets_no_setting(shop: Shop):
    told = advice(attempt(shop, f"1,T,{ON},abc,P1"), Path("landing"))
    assert [one.split()[0] for one in told] == ["abintel", "ABINTEL_MAX_REJECTED_SHARE=1"]


@pytest.mark.parametrize(("commas", "told"), [(2, 1), (1, 0)])
def test_a_setting_is_named_when_most_of_the_rows_look_like_it(commas: int, told: int):
    """Two of three, or one of three."""
    rows = ['{"amount": "12,50"}'] * commas + ['{"amount": "abc"}'] * (3 - commas)
    examples = tuple(Example("transactions/x.csv", n, raw) for n, raw in enumerate(rows))
    reason = Reason("amount: not a number", 3, examples)
    assert len(list(settings_for(reason))) == told
