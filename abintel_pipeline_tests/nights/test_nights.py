"""Two hundred nights of faults: whatever happens, the store holds what it must."""

from dataclasses import replace

import pytest

from abintel_pipeline_tests.nights.ledger import Wrong
from abintel_pipeline_tests.nights.plan import (
    EVERYDAY,
    SEEDS_OF_A_STORY,
    Arrival,
    Fault,
    Plan,
    drawn,
)
from abintel_pipeline_tests.nights.planted import PLANTED
from abintel_pipeline_tests.nights.seeds import Seeds
from abintel_pipeline_tests.nights.shrink import shrunk

EVERY_KIND = {
    *("killed", "disk full", "disk failing", "disk slow", "clock moved", "power lost"),
    *("another store mounted", "memory short", "runs at once", "delivery while another is read"),
    *("delivery on time", "delivery late", "delivery renamed", "delivery cancelled"),
    *("delivery bad", "delivery damaged", "delivery corrected"),
}
FOUND_WITHIN = 60
"""Seeds, for each planted fault."""


@pytest.mark.parametrize("first", [0, SEEDS_OF_A_STORY])
def test_whatever_happens_in_a_night_the_store_holds_what_it_must(first: int) -> None:
    """Each half of the seeds has deliveries of its own, so both can be run at once."""
    with Seeds.open() as seeds:
        for seed in range(first, first + SEEDS_OF_A_STORY):
            told = seeds.run(drawn(seed, EVERYDAY))
            assert told.publications > 20


def test_every_kind_of_fault_is_drawn() -> None:
    drawn_kinds = {kind for seed in range(200) for kind in drawn(seed, EVERYDAY).kinds}
    assert {one.removeprefix("delivery ") for one in EVERY_KIND} - {
        *("on time", "while another is read")
    } <= drawn_kinds


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


def _wrong(seeds: Seeds, plan: Plan) -> bool:
    try:
        seeds.run(plan)
    except Wrong:
        return True
    return False
