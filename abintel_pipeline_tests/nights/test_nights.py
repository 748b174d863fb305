"""Two hundred nights of faults: whatever happens, the store holds what it must."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from abintel_pipeline_tests.nights import figures
from abintel_pipeline_tests.nights.campaign import SEEDS, run_portion
from abintel_pipeline_tests.nights.figures import BEGIN, END, PAGE, Figures, write_page
from abintel_pipeline_tests.nights.ledger import Wrong
from abintel_pipeline_tests.nights.plan import (
    CAMPAIGN,
    EVERYDAY,
    FAULTS,
    Arrival,
    Fault,
    Plan,
    drawn,
)
from abintel_pipeline_tests.nights.planted import PLANTED
from abintel_pipeline_tests.nights.real_kills import kill_runs
from abintel_pipeline_tests.nights.seeds import Seeds
from abintel_pipeline_tests.nights.shrink import shrunk
from abintel_pipeline_tests.nights.world import VERSIONS

FOUND_WITHIN = 200
"""Seeds, for each planted fault."""


@pytest.mark.parametrize("first", [0, EVERYDAY.seeds_of_a_story])
def test_whatever_happens_in_a_night_the_store_holds_what_it_must(first: int) -> None:
    """Each half of the seeds has deliveries of its own, so both can be run at once."""
    with Seeds.open() as seeds:
        for seed in range(first, first + EVERYDAY.seeds_of_a_story):
            told = seeds.run(drawn(seed, EVERYDAY))
            assert told.publications > 20


def test_every_kind_of_fault_is_drawn_for_the_everyday_suite() -> None:
    assert set(FAULTS) <= {kind for seed in range(200) for kind in drawn(seed, EVERYDAY).kinds}


def test_every_kind_of_delivery_is_drawn_for_the_campaign() -> None:
    stories = range(0, SEEDS, CAMPAIGN.seeds_of_a_story)
    kinds = {kind for seed in stories for kind in drawn(seed, CAMPAIGN).kinds}
    assert {*VERSIONS, "late", "while being read"} - {"first"} <= kinds


@pytest.fixture(scope="module")
def seeds():
    with Seeds.open() as opened:
        yield opened


def test_a_seed_replays_operation_by_operation(seeds: Seeds) -> None:
    """With answers of the engine that were computed, and that were remembered."""
    plan = next(
        plan
        for plan in (drawn(seed, EVERYDAY) for seed in range(100))
        if {"runs at once", "power lost"} <= set(plan.kinds)
    )
    first, second = seeds.run(plan), seeds.run(plan)
    assert first.log == second.log
    assert (first.met, first.ended) == (second.met, second.ended)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(seeds: Seeds, name: str) -> None:
    with PLANTED[name]():
        found = next(
            (seed for seed in range(FOUND_WITHIN) if _wrong(seeds, drawn(seed, EVERYDAY))), None
        )
    assert found is not None
    assert not _wrong(seeds, drawn(found, EVERYDAY))


def test_a_plan_that_fails_is_made_smaller(seeds: Seeds) -> None:
    """Of all that happened the loss of power is left, and one delivery."""
    power = Fault("power lost", night=1, at=60, choice=1)
    others = (Fault("killed", 0, 30, 1), Fault("disk full", 2, 10, 3))
    arrivals = tuple(Arrival(day, day, "first") for day in range(4))
    corrected = Arrival(3, 1, "corrected")
    plan = Plan(0, 0, 4, (*arrivals, corrected), (*others, power))
    with PLANTED["no fsync"]():
        assert _wrong(seeds, plan)
        small = shrunk(plan, lambda one: _wrong(seeds, one))
    assert small == replace(plan, nights=2, arrivals=arrivals[:2], faults=(power,))


def test_a_campaign_counts_what_came_and_what_failed() -> None:
    whole = run_portion(range(2))
    assert (whole.seeds, whole.failed) == (2, [])
    assert whole.tried["delivery on time"] > 10
    with PLANTED["renamed before it is complete"]():
        broken = run_portion(range(1))
    assert [one.partition(":")[0] for one in broken.failed] == ["seed 0"]
    both = whole + broken
    assert "3 seeds were run, and 2 survived" in both.told()
    assert "no whole Parquet file" in both.told()


def test_the_page_of_figures_keeps_what_stands_around_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "reliability.md"
    page.write_text(PAGE.read_text())
    monkeypatch.setattr(figures, "PAGE", page)
    write_page(Figures(seeds=7, tried=Counter(killed=3), killed=Counter({"abintel run": 2})))
    told = page.read_text()
    assert "7 seeds were run, and 7 survived" in told
    assert "| killed | 3 | 3 |" in told
    assert "| `abintel run` killed by signal | 2 | 2 |" in told
    before = PAGE.read_text()
    assert told.partition(BEGIN)[0] == before.partition(BEGIN)[0]
    assert told.partition(END)[2] == before.partition(END)[2]


@pytest.mark.live
@pytest.mark.parametrize("number", range(2))
def test_real_runs_that_are_killed_leave_whole_files_and_are_made_up_for(number: int) -> None:
    killed = kill_runs(number, kills=2)
    assert killed.wrong is None
    assert killed.kills > 0


def _wrong(seeds: Seeds, plan: Plan) -> bool:
    try:
        seeds.run(plan)
    except Wrong:
        return True
    return False
