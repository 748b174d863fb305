"""The store: whole files or none, the same bytes for the same rows, days that can be listed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random

import ibis
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.engine.connection import temporary_table
from abintel_pipeline.reading import load
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.proofs import Origin, snapshot_rules
from abintel_pipeline.store.snapshot_store import (
    ABANDONED_AFTER_SECONDS,
    STAGING,
    SnapshotMissing,
    SnapshotStore,
    Staged,
)
from abintel_pipeline_tests.nights.disk import Disk, Process, running
from abintel_pipeline_tests.shop import Shop, day, shop_settings

FEATURES = TABLES["customer_features"]


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with Shop.open(shop_settings(tmp_path_factory.mktemp("two_days"))) as shop:
        shop.deliver("2025-01-01", "001,T1,2025-01-01,10.00,P1", "002,T2,2025-01-01,20.00,P1")
        shop.deliver("2025-01-02", "001,T3,2025-01-02,5.50,P2")
        shop.take_in("2025-01-01", "2025-01-02")
        for on in ("2025-01-01", "2025-01-02"):
            shop.snapshot(on)
        return shop.settings.data_dir


@pytest.fixture
def published(shop: Shop, two_days: Path) -> Shop:
    return shop.begin_with(two_days)


def test_a_table_lies_in_one_file_per_day_named_after_its_partition_column(published: Shop):
    root = published.store.root
    assert (root / "customer_features" / "snapshot_date=2025-01-02" / "data.parquet").is_file()
    assert (root / "raw_transactions" / "delivered_on=2025-01-02" / "data.parquet").is_file()
    assert published.store.days(FEATURES) == [day("2025-01-01"), day("2025-01-02")]
    assert published.store.days(FEATURES, start=day("2025-01-02")) == [day("2025-01-02")]


def test_a_file_names_its_table_its_schema_version_and_the_rules_it_was_made_by(published: Shop):
    path = published.store.path(FEATURES, day("2025-01-02"))
    metadata = pq.read_metadata(path).metadata
    assert metadata[b"abintel_table"] == b"customer_features"
    assert metadata[b"abintel_schema_version"] == b"1"
    assert snapshot_rules(path) == published.settings.rules


@pytest.mark.parametrize("table", [t for t in TABLES if t != "rejected_transactions"])
def test_a_file_has_the_contract_s_columns_and_types_in_order(published: Shop, table: str):
    if table in ("raw_customers", "rejected_customers"):
        published.deliver_customers("2025-01-02", "001,0.5")
        published.take_in("2025-01-02")
    contract = TABLES[table]
    schema = pq.read_schema(published.store.path(contract, day("2025-01-02")))
    wanted = [f for f in contract.schema if f.name != contract.partition_column]
    assert [(f.name, str(f.type)) for f in schema] == [
        (f.name, str(f.type).replace("item:", "element:")) for f in wanted
    ]


def test_making_a_snapshot_again_gives_the_same_bytes(published: Shop):
    tables = [name for name in TABLES if not name.endswith("customers")]
    before = {name: published.bytes_of(name, "2025-01-02") for name in tables}
    published.take_in("2025-01-02")
    published.snapshot("2025-01-02")
    assert {name: published.bytes_of(name, "2025-01-02") for name in tables} == before


def bytes_of_rows(shop: Shop, table: str) -> bytes:
    """A file's bytes in front of its footer, which names the delivery by its own bytes."""
    written = shop.bytes_of(table, "2025-01-01")
    return written[: -8 - int.from_bytes(written[-8:-4], "little")]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_neither_row_order_nor_thread_count_changes_a_snapshot(tmp_path: Path, threads: int):
    lines = [
        f"{c:05},T{c}-{o},2025-01-01,{(c * 37 + o * 11) % 997 / 100:.2f},P{(c + o) % 13}"
        for c in range(3000)
        for o in range(c % 4 + 1)
    ]
    results = []
    for name, ordered in (("a", lines), ("b", lines[::-1])):
        settings = Settings(data_dir=tmp_path / name, threads=threads if name == "b" else 2)
        with Shop.open(settings) as shop:
            shop.deliver("2025-01-01", *ordered)
            shop.take_in("2025-01-01")
            shop.snapshot("2025-01-01")
            results.append([bytes_of_rows(shop, t) for t in ("customer_features", "customer_rfm")])
    assert results[0] == results[1]


def test_a_missing_day_is_named_and_so_is_what_there_is(published: Shop):
    with pytest.raises(SnapshotMissing) as error:
        published.store.read(published.step.connection, FEATURES, [day("2025-01-03")])
    assert str(error.value) == (
        "customer_features: 1 of the days asked for are missing (2025-01-03);"
        " published are 2025-01-01 to 2025-01-02"
    )


def test_a_step_that_fails_leaves_what_was_published_and_no_stage(
    published: Shop, monkeypatch: pytest.MonkeyPatch
):
    before = published.bytes_of("customer_loyalty", "2025-01-02")
    monkeypatch.setattr(
        "abintel_pipeline.snapshots.loyalty.loyalty_summary", lambda *_, **__: 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        published.snapshot("2025-01-02")
    assert published.bytes_of("customer_loyalty", "2025-01-02") == before
    assert list((published.store.root / STAGING).iterdir()) == []


STAGING_FOR_EVER = textwrap.dedent("""
    import sys, time
    from datetime import date
    from pathlib import Path
    from abintel_pipeline.store.locks import taking_in
    from abintel_pipeline.store.snapshot_store import SnapshotStore
    root = Path(sys.argv[1])
    with SnapshotStore(root).staging() as folder, taking_in(root, date(2025, 1, 1), date.max):
        (folder / "half.parquet").write_bytes(b"PAR1")
        print(folder, flush=True)
        time.sleep(600)
""")


@contextmanager
def staging_elsewhere(root: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process that stages and takes in for ever, and the folder of its stage."""
    command = [sys.executable, "-c", STAGING_FOR_EVER, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def left(root: Path) -> list[str]:
    return sorted(path.name for path in [*root.glob(".staging/*"), *root.glob(".runs/intake_*")])


def test_what_a_killed_run_left_goes_with_the_next_run_and_what_a_living_one_has_stays(
    tmp_path: Path,
):
    store = SnapshotStore(tmp_path)
    with staging_elsewhere(tmp_path) as (living, its), staging_elsewhere(tmp_path) as (killed, _):
        killed.kill()
        killed.wait()
        assert len(left(tmp_path)) == 6
        long_ago = time.time() - ABANDONED_AFTER_SECONDS - 60
        os.utime(its, (long_ago, long_ago))
        with store.staging() as own:
            assert living.poll() is None
            assert len(left(tmp_path)) == 5
            folders = {path for path in (tmp_path / STAGING).iterdir() if path.is_dir()}
            assert folders == {its, own}
            assert (its / "half.parquet").is_file()
    with store.staging():
        pass
    assert left(tmp_path) == []


def test_a_stage_without_a_lock_is_of_an_earlier_version_and_is_swept_once_it_is_old(
    published: Shop,
):
    old, young = (published.store.root / STAGING / name for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir()
        (folder / "half.parquet").write_bytes(b"PAR1")
    long_ago = time.time() - ABANDONED_AFTER_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    with published.store.staging():
        assert not old.exists()
        assert young.exists()


KILLED = textwrap.dedent("""
    import sys
    from abintel_pipeline.settings import Settings
    from abintel_pipeline_tests.shop import Shop
    with Shop.open(Settings(data_dir=sys.argv[1])) as shop:
        print("ready", flush=True)
        while True:
            shop.snapshot("2025-01-01")
""")


@pytest.mark.live
def test_a_writer_killed_at_any_moment_leaves_whole_files(tmp_path: Path):
    settings = Settings(data_dir=tmp_path / "data")
    with Shop.open(settings) as shop:
        shop.deliver("2025-01-01", *(f"{c:06},T{c},2025-01-01,{c}.10,P1" for c in range(20_000)))
        shop.take_in("2025-01-01")
        shop.snapshot("2025-01-01")
        before = {t: shop.bytes_of(t, "2025-01-01") for t in ("customer_features", "customer_rfm")}
        for attempt in range(6):
            writer = subprocess.Popen(
                [sys.executable, "-c", KILLED, str(settings.data_dir)],
                stdout=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            )
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(0.05 + 0.07 * attempt)
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
            after = {table: shop.bytes_of(table, "2025-01-01") for table in before}
            assert after == before


def test_what_is_published_for_the_first_time_survives_a_loss_of_power(published: Shop):
    content = published.bytes_of("customer_features", "2025-01-01")
    for seed in range(5):
        root = published.settings.data_dir / f"after {seed}"
        root.mkdir()
        fresh, disk = SnapshotStore(root), Disk(root, Random(seed))
        with disk.installed(), running(Process("run")), fresh.staging() as folder:
            path = SnapshotStore(folder).path(FEATURES, day("2025-01-01"))
            path.parent.mkdir(parents=True)
            disk.write(path, content)
            fresh.publish(Staged(FEATURES, day("2025-01-01"), path, 2))
        disk.power.lose(Random(seed))
        assert fresh.path(FEATURES, day("2025-01-01")).read_bytes() == content


def test_every_common_reader_finds_the_partition_column(published: Shop):
    root = published.store.root / "customer_features"
    assert published.step.connection.con.sql(
        f"SELECT DISTINCT snapshot_date FROM '{root}/*/*.parquet' ORDER BY 1"
    ).fetchall() == [(day("2025-01-01"),), (day("2025-01-02"),)]
    assert sorted(map(str, pd.read_parquet(root).snapshot_date.unique())) == [
        "2025-01-01",
        "2025-01-02",
    ]
    assert pl.read_parquet(root).schema["snapshot_date"] == pl.Date


def test_only_days_with_late_lines_are_looked_through_for_them(shop: Shop):
    shop.deliver("2025-01-01", "001,T1,2025-01-01,10.00,P1")
    shop.deliver("2025-01-02", "001,T2,2025-01-02,10.00,P1", "001,T1,2025-01-01,11.00,P1")
    shop.deliver("2025-01-03")
    shop.take_in("2025-01-01", "2025-01-02", "2025-01-03")
    raw = shop.store.days(TABLES["raw_transactions"])
    assert [str(d) for d in raw] == ["2025-01-01", "2025-01-02", "2025-01-03"]
    traits = shop.store.line_traits(raw)
    assert [one for one in raw if traits[one].late] == [day("2025-01-02")]


ODD = [
    "a*b",
    "[1]",
    "what?",
    "env=prod",
    "snapshot_date=1999-01-01",
    "customer_id=7",
    "it's",
    "ü é",
]


@pytest.mark.parametrize("folder", ODD)
def test_a_store_may_lie_in_any_folder(tmp_path: Path, folder: str):
    """DuckDB and Polars take `*` for a pattern and `k=v` for a column of the table."""
    for name in ("aXb", "1", "whatX", folder):
        with Shop.open(Settings(data_dir=tmp_path / name / "data")) as shop:
            shop.deliver("2025-01-01", f"{name},T1,2025-01-01,10.00,P1")
            shop.take_in("2025-01-01")
    with Shop.open(Settings(data_dir=tmp_path / folder / "data")) as shop:
        shop.snapshot("2025-01-01")
        for frame in (pd.DataFrame, pl.DataFrame):
            rows = load(frame, shop.settings, TABLES["customer_rfm"], [day("2025-01-01")])
            assert list(rows["customer_id"]) == [folder]
            assert list(rows["snapshot_date"]) == [day("2025-01-01")]


def test_a_folder_named_like_a_home_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Settings(data_dir="~/data").data_dir == tmp_path / "home" / "data"
    with Shop.open(Settings(data_dir=Path("./~"))) as shop:
        assert shop.settings.store == tmp_path / "home" / "store"


def test_stages_of_runs_at_once_do_not_disturb_each_other(tmp_path: Path):
    store = SnapshotStore(tmp_path)

    def stage_often(_: int) -> None:
        for _ in range(300):
            with store.staging():
                pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(stage_often, range(4)))
    assert list((tmp_path / STAGING).iterdir()) == []


def test_the_same_rows_from_another_plan_are_the_same_bytes(published: Shop):
    step = published.step
    stored = step.store.read(step.connection, FEATURES, [day("2025-01-01")])
    with temporary_table(step.connection, stored) as known, step.store.staging() as folder:
        # Of a stored table the planner knows that nothing is null; of these expressions it doesn't.
        doubtful = known.mutate(
            visit_frequency=ibis.ifelse(known.visit_frequency > 0, known.visit_frequency, None)
        )
        origin = Origin(step.rules)
        files = [
            step.store.stage(folder / name, FEATURES, day("2025-01-01"), rows, origin).path
            for name, rows in (("known", known), ("doubtful", doubtful))
        ]
        assert files[0].read_bytes() == files[1].read_bytes()
