"""A copy of the store that is made while runs publish, and what it takes to go on with it."""

import shutil
import threading
from datetime import date
from itertools import count
from pathlib import Path

from abintel_pipeline.snapshots.verifying import Report, published_files, verify
from abintel_pipeline_tests.shop import Shop, shop_settings

FIRST, SECOND, THIRD = "2025-01-01", "2025-01-02", "2025-01-03"
COPIES = 3
NOT_COPIED = shutil.ignore_patterns(".staging", ".runs")


def verified(shop: Shop) -> Report:
    files = published_files(shop.store, date.min, date.max)
    return verify(shop.settings, shop.step.connection, files)


def correct_for_ever(data_dir: Path, stop: threading.Event, corrections: list[int]) -> None:
    """Deliver the second day again and again, and publish what it reaches."""
    with Shop.open(shop_settings(data_dir)) as shop:
        for number in count(1):
            if stop.is_set():
                return
            shop.deliver(SECOND, f"001,T3,2025-01-02,{number}.00,P1")
            shop.take_in(SECOND)
            shop.snapshot(SECOND, THIRD)
            corrections.append(number)


def test_a_copy_made_while_runs_publish_is_whole_and_its_stale_days_are_recomputed(
    shop: Shop, tmp_path: Path
) -> None:
    shop.deliver(FIRST, "001,T1,2025-01-01,10.00,P1", "002,T2,2025-01-01,20.00,P2")
    shop.deliver(SECOND, "001,T3,2025-01-02,5.00,P1")
    shop.deliver(THIRD, "003,T4,2025-01-03,7.00,P1")
    shop.take_in(FIRST, SECOND, THIRD)
    shop.snapshot(FIRST, SECOND, THIRD)
    stop, corrections = threading.Event(), list[int]()
    writer = threading.Thread(
        target=correct_for_ever, args=(shop.settings.data_dir, stop, corrections)
    )
    writer.start()
    try:
        copies = [tmp_path / f"copy-{number}" for number in range(COPIES)]
        for number, copy in enumerate(copies):
            while writer.is_alive() and len(corrections) <= number:
                stop.wait(0.01)
            shutil.copytree(shop.settings.data_dir, copy, ignore=NOT_COPIED)
    finally:
        stop.set()
        writer.join()
    for copy in copies:
        with Shop.open(shop_settings(copy)) as restored:
            found = verified(restored)
            assert found.files == 21
            assert {flaw.kind for flaw in found.flaws} <= {"stale"}
            restored.snapshot(*map(str, found.to_recompute))
            assert not verified(restored).flaws
