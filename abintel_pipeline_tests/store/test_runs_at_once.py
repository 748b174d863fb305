"""Runs at once over one store: what is left is what one run after the other would have left."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.contract.findings import VerificationFailed
from abintel_pipeline.intake import DeliveryError, Intake, take_in_transactions
from abintel_pipeline.rules import Rules
from abintel_pipeline.snapshots import (
    features_snapshots,
    loyalty_snapshots,
    rfm_snapshots,
    take_in_days,
    transactions_intake,
)
from abintel_pipeline.snapshots.deliveries import TakeIn, take_in
from abintel_pipeline.store import locks
from abintel_pipeline.store.locks import FOLDER, publishing
from abintel_pipeline.store.snapshot_store import Outdated, SnapshotStore
from abintel_pipeline_tests.servers import eventually
from abintel_pipeline_tests.shop import Shop, day, days, shop_settings

WEEK = days("2025-01-01", "2025-01-07")
RESULTS = [t for t in TABLES if not t.startswith(("raw", "rejected"))]
STEPS = (features_snapshots, loyalty_snapshots, rfm_snapshots)
Files = dict[str, bytes]


def deliver_week(shop: Shop) -> None:
    for number, on in enumerate(WEEK, start=1):
        shop.deliver(
            str(on),
            f"ann,T{on},{on},{number}.50,P{number % 3}",
            f"bob,T{on},{on},{10 * number}.00,P{number % 2}",
        )


def make(shop: Shop) -> None:
    shop.take_in(*map(str, WEEK))
    for snapshots_of in STEPS:
        exhaust(snapshots_of(shop.step, WEEK))


def exhaust(made: Iterable[Any]) -> None:
    for _ in made:
        pass


def results(shop: Shop, tables: Iterable[str] = RESULTS) -> Files:
    """Every published file of some tables."""
    root = shop.store.root
    paths = (path for table in tables for path in (root / table).rglob("*.parquet"))
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def correct_the_second_day(shop: Shop) -> None:
    shop.deliver("2025-01-02", "ann,T2025-01-02,2025-01-02,99.00,P2", "cem,T,2025-01-02,5.00,P9")
    shop.take_in("2025-01-02")


@pytest.fixture(scope="module")
def made_week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A week that one run has made. Nothing here writes into it."""
    with Shop.open(shop_settings(tmp_path_factory.mktemp("made_week"))) as shop:
        deliver_week(shop)
        make(shop)
        yield shop


@pytest.fixture(scope="module")
def corrected_week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The same after the correction of its second day."""
    with Shop.open(shop_settings(tmp_path_factory.mktemp("corrected_week"))) as shop:
        deliver_week(shop)
        correct_the_second_day(shop)
        make(shop)
        yield shop


@pytest.fixture
def week(shop: Shop, made_week: Shop) -> Shop:
    """A week that is delivered and published."""
    return shop.begin_with(made_week.settings.data_dir)


def test_a_range_does_not_overwrite_what_a_correction_has_changed_meanwhile(
    week: Shop, corrected_week: Shop
):
    made = features_snapshots(week.step, WEEK)
    assert [next(made)[0].day, next(made)[0].day] == WEEK[:2]  # all of its lines have been read
    with Shop.open(week.settings) as other:
        correct_the_second_day(other)
        for on in ("2025-01-02", "2025-01-03"):
            other.snapshot(on)
    exhaust(made)
    tables = ["customer_features"]
    assert results(week, tables) == results(corrected_week, tables)


@pytest.mark.parametrize("snapshots_of", [loyalty_snapshots, rfm_snapshots])
def test_scores_are_those_of_the_features_that_are_published_in_the_end(
    week: Shop, corrected_week: Shop, snapshots_of: Callable[..., Iterator[Any]]
):
    made = snapshots_of(week.step, WEEK)
    next(made)
    with Shop.open(week.settings) as other:
        correct_the_second_day(other)
        exhaust(features_snapshots(other.step, WEEK[1:]))
        if snapshots_of is rfm_snapshots:
            exhaust(loyalty_snapshots(other.step, WEEK[1:]))
    exhaust(made)
    if snapshots_of is loyalty_snapshots:
        exhaust(rfm_snapshots(week.step, WEEK))
    assert results(week) == results(corrected_week)


def test_a_day_that_never_stops_changing_is_an_error_in_words(
    week: Shop, monkeypatch: pytest.MonkeyPatch
):
    numbers = iter(range(10**6))
    monkeypatch.setattr(
        SnapshotStore, "versions", lambda *_: {WEEK[0]: next(numbers)}, raising=True
    )
    with pytest.raises(Outdated, match="2025-01-01 is made from was replaced 10 times"):
        exhaust(loyalty_snapshots(week.step, WEEK))


def test_a_day_that_is_rejected_though_nothing_has_changed_stays_rejected(
    week: Shop, monkeypatch: pytest.MonkeyPatch
):
    week.deliver("2025-01-02", "cem,T,2025-01-02,5.00,P9")
    week.take_in("2025-01-02")
    exhaust(features_snapshots(week.step, [WEEK[1]]))  # other customers than loyalty has
    with pytest.raises(VerificationFailed, match="same_customers"):
        exhaust(rfm_snapshots(week.step, WEEK))


def test_only_intakes_of_days_up_to_the_last_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    awaited: list[str] = []
    monkeypatch.setattr(locks, "_await", lambda _, what: awaited.append(what))
    with (
        locks.taking_in(tmp_path, WEEK[0], WEEK[1]),
        locks.taking_in(tmp_path, WEEK[3], WEEK[4]),
        locks.taking_in(tmp_path, WEEK[4], WEEK[4]),
    ):
        locks.await_intakes(tmp_path, WEEK[3])
    assert awaited == [
        "the intake of 2025-01-01 to 2025-01-02",
        "the intake of 2025-01-04 to 2025-01-05",
    ]


def test_snapshots_wait_for_the_intake_that_another_run_is_at(shop: Shop, made_week: Shop):
    """As two backfills of the whole chain over 1 to 5 and 4 to 7 do, begun at once."""
    deliver_week(shop)
    longer = take_in_days(shop.step, WEEK[:5], take_in_transactions)
    next(longer)

    def shorter() -> None:
        with Shop.open(shop.settings) as other:
            exhaust(take_in_days(other.step, WEEK[3:], take_in_transactions))
            taken_in.set()
            for snapshots_of in STEPS:
                exhaust(snapshots_of(other.step, WEEK[3:]))

    taken_in = threading.Event()
    run = threading.Thread(target=shorter)
    run.start()
    assert taken_in.wait(60)
    run.join(0.3)
    assert results(shop) == {}
    exhaust(longer)
    for snapshots_of in STEPS:
        exhaust(snapshots_of(shop.step, WEEK[:5]))
    run.join()
    assert results(shop) == results(made_week)


def test_an_intake_of_later_days_holds_nobody_up(shop: Shop):
    deliver_week(shop)
    shop.take_in("2025-01-01")
    later = take_in_days(shop.step, WEEK[3:], take_in_transactions)
    next(later)
    exhaust(features_snapshots(shop.step, WEEK[:3]))
    assert shop.store.days(TABLES["customer_features"]) == WEEK[:3]
    later.close()
    assert [path.name for path in (shop.store.root / FOLDER).glob("intake_*")] == []


KILLED = """
import sys, time
from datetime import date
from pathlib import Path
from abintel_pipeline.store.locks import taking_in
with taking_in(Path(sys.argv[1]), date(2025, 1, 1), date(2025, 1, 9)):
    print("ready", flush=True)
    time.sleep(600)
"""


def test_an_intake_that_was_killed_holds_nobody_up(week: Shop):
    command = [sys.executable, "-c", KILLED, str(week.store.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as intake:
        assert intake.stdout is not None
        assert intake.stdout.readline() == b"ready\n"
        intake.kill()
    assert len(list((week.store.root / FOLDER).glob("intake_*"))) == 1
    exhaust(features_snapshots(week.step, WEEK))
    assert list((week.store.root / FOLDER).glob("intake_*")) == []


def test_the_two_tables_of_a_day_are_published_in_one_turn(week: Shop):
    """Else the scores of one run could lie beside the thresholds of another."""
    before = results(week)

    def other_rules() -> None:
        with Shop.open(week.settings, Rules(bins=3)) as other:
            staged.set()
            exhaust(rfm_snapshots(other.step, WEEK))

    staged = threading.Event()
    run = threading.Thread(target=other_rules)
    with publishing(week.store.root):
        run.start()
        assert staged.wait(60)
        eventually(lambda: list((week.store.root / ".staging").glob("*/rfm_thresholds/*")))
        run.join(0.2)
        assert results(week) == before
    run.join()
    after = results(week)
    changed = {name.partition("/")[0] for name in after if after[name] != before[name]}
    assert changed == {"customer_rfm", "rfm_thresholds"}


def rewriting(shop: Shop, times: int) -> TakeIn:
    """An intake after which the delivery is another one, so many times."""
    spends = iter(range(2, 2 + times))

    def how(*arguments: Any) -> Intake | None:
        taken = take_in_transactions(*arguments)
        if spend := next(spends, None):
            shop.deliver("2025-01-01", f"ann,T,2025-01-01,{spend}.00,P1")
        return taken

    return how


def test_a_delivery_that_is_replaced_while_it_is_read_is_read_again(shop: Shop):
    shop.deliver("2025-01-01", "ann,T,2025-01-01,1.00,P1")
    take_in(shop.step, day("2025-01-01"), rewriting(shop, times=1))
    assert list(map(str, shop.read("raw_transactions", "2025-01-01").amount)) == ["2.00"]


def test_a_delivery_that_does_not_come_to_rest_is_an_error_and_nothing_is_published(shop: Shop):
    shop.deliver("2025-01-01", "ann,T,2025-01-01,1.00,P1")
    transactions_intake(shop.step, day("2025-01-01"))
    with pytest.raises(DeliveryError, match=r"changes while it is read: let names end in \.part"):
        take_in(shop.step, day("2025-01-01"), rewriting(shop, times=9))
    assert list(map(str, shop.read("raw_transactions", "2025-01-01").amount)) == ["1.00"]
