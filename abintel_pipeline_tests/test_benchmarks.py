"""The benchmarks measure the same work on all sides, and their report says what was measured."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.shop import Shop
from benchmarks import (
    bench_growth,
    bench_range,
    bench_service,
    bench_snapshot,
    in_dagster,
    launched,
    libraries,
)
from benchmarks.comparing import Different, compare, link_requests
from benchmarks.job import RESULT_TABLES, ChainJob, JourneyJob, ServiceJob
from benchmarks.measuring import ROOT, Entry, Figures, Run, figures, rounds
from benchmarks.plan import Plan
from benchmarks.report import write_report
from benchmarks.results import Measured, at_least, at_most, keep

ORIGIN_TELLS = ("duckdb", "cores", "python -m benchmarks --only snapshot --rounds 1")


@pytest.fixture
def tiny(tmp_path: Path) -> Plan:
    return Plan(folder=tmp_path, rounds=1, scale=0.0002)


@pytest.mark.live
def test_all_contenders_write_the_same_tables_and_the_report_tells_of_each(
    tiny: Plan, monkeypatch: pytest.MonkeyPatch
):
    def no_registry(folder: Path, library: str) -> Path:
        raise libraries.NotInstalled("no registry")

    monkeypatch.setattr(libraries, "python_of", no_registry)
    measured = bench_snapshot.measure(tiny)
    keep(tiny, "snapshot", measured)
    page = write_report(tiny.results).read_text()
    assert {run.contender for run in measured.runs if not run.error} == set(bench_snapshot.CHAIN)
    for name in bench_snapshot.CHAIN:
        assert f"| {name} | 1 |" in page
    assert "| lifetimes | 0 | failed: not installed: no registry |" in page
    assert all(words in page for words in ORIGIN_TELLS)
    assert str(tiny.folder) not in page


def test_a_table_that_differs_in_one_bit_is_found(tmp_path: Path):
    day = date(2026, 1, 1)
    for name, score in (("wanted", 0.1 + 0.2), ("same", 0.1 + 0.2), ("other", 0.3)):
        for table in RESULT_TABLES:
            path = ChainJob(tmp_path / name, day).result(table)
            path.parent.mkdir(parents=True)
            pq.write_table(_row(table.name, score), path)
    compare(tmp_path / "wanted", tmp_path / "same", day)
    with pytest.raises(Different, match=r"customer_loyalty of other on 2026-01-01.*loyalty_score"):
        compare(tmp_path / "wanted", tmp_path / "other", day)


def _row(table: str, score: float) -> pa.Table:
    """One row of nulls, but for the loyalty score."""
    schema = pa.schema(
        [
            field.with_nullable(True)
            for field in TABLES[table].schema
            if field.name != "snapshot_date"
        ]
    )
    return pa.table(
        {f.name: pa.array([score if f.name == "loyalty_score" else None], f.type) for f in schema}
    )


def test_a_figure_is_the_median_time_and_the_largest_memory_of_the_runs_that_finished():
    runs = [
        Run("a", seconds=s, cpu_seconds=s, process_seconds=s, peak_mb=10 * s) for s in (1, 9, 2)
    ]
    told = figures([*runs, Run("a", error="killed"), Run("b", seconds=100.0)], "a")
    assert told == Figures(3, 2, 2, 2, 90, 0)
    assert figures([Run("a", error="killed")], "a").error == "killed"


def test_contenders_run_in_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(
        "benchmarks.measuring.run_once", lambda entry: Run(entry.contender, entry.case)
    )
    entries = [Entry(name, ChainJob(tmp_path, date(2026, 1, 1))) for name in ("a", "b")]
    runs = rounds(entries, 3, say=lambda line: None)
    assert [run.contender for run in runs] == ["a", "b"] * 3


def test_a_contender_that_failed_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("benchmarks.measuring.run_once", lambda _: Run("a", error="killed"))
    assert len(rounds([Entry("a", ChainJob(tmp_path, date(2026, 1, 1)))], 5)) == 1


def test_ranges_are_told_from_the_shortest_whatever_ran_first():
    runs = [
        Run(name, {"days": days, **day}, seconds=1.0, steps={"rfm": 1.0})
        for name, days, day in [
            (bench_range.ALONE, 365, {"day": "a"}),
            (bench_range.RANGE, 7, {}),
            (bench_range.RANGE, 365, {}),
        ]
    ]
    about = {"lines": 1, "customers": 1, "in_a_window": 1, "base": 1, "memory_limit": "4GB"}
    results = {name: Measured(runs, about) for name in ("range", "growth")}
    assert bench_range.tell(results).title == "365 snapshots in one range"
    assert list(bench_growth.by_days(results)) == [1, 7, 365]


def test_days_that_were_not_timed_cost_what_the_timed_ones_cost_on_average():
    runs = [
        Run("SQL", {"days": 10, "day": day}, seconds=seconds, steps={"write": seconds / 4})
        for day, seconds in [("a", 1.0), ("a", 3.0), ("a", 2.0), ("b", 4.0)]
    ]
    assert bench_range.extrapolated(runs, "SQL", 10) == 10 * (2 + 4) / 2
    assert bench_range.extrapolated_steps(runs, "SQL", 10) == {"write": 10 * (0.5 + 1) / 2}


def test_a_target_is_met_by_its_figure_alone():
    assert at_least("faster", 8, 8.0).met is True
    assert at_least("faster", 8, 7.99).met is False
    assert at_most("slower", 1.15, 1.16).met is False
    assert at_most("slower", 1.15, float("nan")).met is None


def test_a_range_in_the_report_is_held_against_the_extrapolated_days(tiny: Plan):
    case, day = {"days": 10}, {"days": 10, "day": "2026-01-05"}
    runs = [
        Run("pipeline", case, 5.0, 5.0, 6.0, 300.0, steps={"features": 4.0}),
        Run("pipeline, a day", day, 3.5, 3.0, 4.0, 300.0, steps={"features": 2.5}),
        Run("hand-written SQL", day, 3.0, 3.0, 4.0, 300.0),
        Run("writing floor", case, 2.0, 2.0, 3.0, 300.0),
    ]
    about = {"lines": 1000, "customers": 25, "in_a_window": 600, "memory_limit": "4GB"}
    keep(tiny, "range", Measured(runs, about))
    page = write_report(tiny.results).read_text()
    assert "| 10 snapshots against the SQL once a day | ≥ 8 × | 6.00 × | **no** |" in page
    assert "1 of 10" in page
    assert "| features | 25.00 | 4.00 |" in page


def test_what_verification_and_dagster_add_is_told_and_where_it_goes(tiny: Plan):
    one = {"days": 1}
    after_a_click = {"in the queue": 3.0, "start of its process": 5.0, "customer_rfm": 2.5}
    in_process = {"computing and publishing": 1.0, "storing events": 0.5, "events": 40}
    runs = [
        Run("formulas and store", one, 0.75, steps={"features": 0.25, "loyalty": 0.5}),
        Run("pipeline", one, 1.0, steps={"features": 0.5}),
        Run("run in process", one, 2.25, steps=in_process),
        Run("launched run", one, 60.0, steps=after_a_click),
    ]
    keep(tiny, "overhead", Measured(runs, {"memory_limit": "4GB"}))
    page = write_report(tiny.results).read_text()
    assert "| 1 | 0.75 | 0.00 | -0.25 | features 0.25 s, loyalty 0.50 s |" in page
    assert "| 1 | 1.00 | 0.25 | 0.00 | features 0.50 s |" in page
    assert (
        "| 1 | 2.25 | 1.50 | 1.25 | computing and publishing 1.00 s, storing events 0.50 s,"
        " the rest 0.75 s; 40 events |" in page
    )
    assert (
        "| 1 | 10.50 | 9.75 | 9.50 | in the queue 3.00 s, start of its process 5.00 s,"
        " customer_rfm 2.50 s |" in page
    )


@pytest.mark.live
@pytest.mark.parametrize(("number", "customers"), [(1, False), (2, True)])
def test_formulas_snapshots_and_a_run_make_the_same_and_the_parts_of_the_run_are_timed(
    tmp_path: Path, number: int, customers: bool
):
    last = date(2025, 1, 9)
    settings = Settings(_env_file=None, data_dir=tmp_path / "shop", first_day="2025-01-01")
    with Shop.open(settings) as shop:
        shop.deliver("2025-01-08", "A,O1,2025-01-08,5.00,P1", "B,O2,2025-01-07,7.00,P2")
        shop.deliver("2025-01-09", "A,O1,2025-01-08,6.00,P1", "C,O3,2025-01-09,1.00,P1")
        if customers:
            shop.deliver_customers("2025-01-09", "A,0.5")
        shop.take_in("2025-01-08", "2025-01-09")
    kinds = {"formulas and store": ChainJob, "pipeline": ChainJob, "run in process": JourneyJob}
    entries = [
        Entry(name, kind(tmp_path / name, last, "1GB", days=number)) for name, kind in kinds.items()
    ]
    for entry in entries:
        link_requests(settings.store, entry.job.store)
    runs = rounds(entries, 1, say=lambda line: None)
    assert [run.error for run in runs] == ["", "", ""]
    for entry in entries[1:]:
        compare(entries[0].job.store, entry.job.store, last)
    parts = runs[2].steps
    # Five tables a day and the three checks that a day can be rejected by, at the least.
    assert parts.pop("events") >= 8 * number
    assert set(parts) == set(in_dagster.PARTS)
    assert all(seconds > 0 for seconds in parts.values()), parts
    assert sum(parts.values()) < runs[2].seconds


def test_a_launched_run_is_taken_apart_by_its_events():
    kind = dg.DagsterEventType
    moments = {
        (kind.RUN_STARTING, None): 103.0,
        (kind.RUN_START, None): 108.0,
        (kind.STEP_START, "customer_features"): 109.0,
        (kind.STEP_SUCCESS, "customer_features"): 111.0,
        (kind.STEP_START, "customer_rfm"): 112.0,
        (kind.STEP_SUCCESS, "customer_rfm"): 115.0,
        (kind.RUN_SUCCESS, None): 116.0,
    }
    assert launched.parts_of(moments, 100.0) == {
        "in the queue": 3.0,
        "start of its process": 5.0,
        "customer_features": 2.0,
        "customer_rfm": 3.0,
        "around its steps": 3.0,
    }


def test_growth_is_drawn(tiny: Plan):
    pytest.importorskip("matplotlib")
    runs = [
        Run("pipeline", {"lines": n}, float(n), 1.0, 1.0, 300.0) for n in (1_000_000, 20_000_000)
    ]
    keep(tiny, "growth", Measured(runs, {"base": 20_000_000, "memory_limit": "4GB"}))
    assert "| 20,000,000 | 1 |" in write_report(tiny.results).read_text()
    assert (tiny.results / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_only_a_whole_run_writes_into_the_repository():
    assert Plan().results == Path(bench_range.__file__).parent
    assert Plan(scale=0.5).results.is_relative_to(Plan().folder)


def test_a_job_survives_its_trip_to_another_process(tmp_path: Path):
    job = JourneyJob(tmp_path, date(2017, 12, 31), "1GB", days=3)
    assert JourneyJob.from_json(job.as_json()).first == date(2017, 12, 29)
    assert JourneyJob.from_json(job.as_json()).place == tmp_path


@pytest.mark.live
def test_the_service_is_asked_and_the_report_tells_of_it(tiny: Plan):
    runs = [
        Run("msgspec alone", seconds=0.4, cpu_seconds=0.4, process_seconds=1.0, peak_mb=500.0),
        Run("one large request", seconds=1.0, cpu_seconds=1.5, process_seconds=9.0, peak_mb=600.0),
        Run("small requests", steps={"customer_features": 0.0101, "customer_rfm": 0.0151}),
        Run(
            "a crowd",
            steps=dict.fromkeys(("requests", "median", "p99"), 7.0)
            | {"errors": 0.0}
            | {"settled_mb": 400.0, "end_mb": 430.0},
        ),
    ]
    about = {"transactions": 1000, "customers": 100, "body_mb": 100.0, "crowd_seconds": 60}
    keep(tiny, "service", Measured(runs, about | {"versions": {"msgspec": "1"}}))
    page = write_report(tiny.results).read_text()
    assert "| a large request, against msgspec alone | ≤ 3 × | 2.50 × | yes |" in page
    assert "| a large request: peak memory, against its body | ≤ 8 × | 6.00 × | yes |" in page
    assert "| customer_features of two customers | < 15 ms | 10.1 ms | yes |" in page
    assert "| customer_rfm of two customers | < 15 ms | 15.1 ms | **no** |" in page
    assert "last quarter against second | ≤ 1.05 × | 1.07 × | **no** |" in page


@pytest.mark.live
def test_a_large_request_is_measured_against_the_parser_alone(tmp_path: Path):
    job = ServiceJob(tmp_path, date(2025, 4, 24), "1GB")
    bench_service.write_request(job.request, 200)
    alone, large = (Entry(name, job) for name in ("msgspec alone", "one large request"))
    runs = rounds([alone, large], 1, say=lambda line: None)
    assert [run.error for run in runs] == ["", ""]
    assert all(run.peak_mb > 10 for run in runs)


def test_the_way_through_the_code_gets_no_longer():
    """In a process of its own; at most what it was when it was last shortened."""
    most = {
        "three rows of CSV": (30, 219),
        "RFM of one day": (20, 154),
        "a service call": (14, 37),
    }
    command = [sys.executable, "-m", "benchmarks.way"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [line.rsplit(maxsplit=5) for line in done.stdout.splitlines()[1:]]
    found = {name: (int(files), int(moves)) for name, files, _, _, moves, _ in rows}
    longer = {
        name: now for name, now in found.items() if now > most[name] or now[1] > most[name][1]
    }
    assert (set(found), longer) == (set(most), {})
