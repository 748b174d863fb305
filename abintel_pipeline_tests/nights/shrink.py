"""Makes a plan that fails smaller: fewer faults, deliveries and nights, and it still fails."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from abintel_pipeline_tests.nights.plan import Plan

Fails = Callable[[Plan], bool]


def shrunk(plan: Plan, fails: Fails, most: int = 200) -> Plan:
    """A smaller plan that fails too, found with so many tries at most; none of its parts can go."""
    tries = 0
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(plan):
            tries += 1
            if tries > most:
                return plan
            if fails(candidate):
                plan, smaller = candidate, True
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Plans with a part less, the largest parts first."""
    for nights in range(1, plan.nights):
        yield replace(
            plan,
            nights=nights,
            arrivals=tuple(one for one in plan.arrivals if one.day < nights),
            faults=tuple(one for one in plan.faults if one.night < nights),
        )
    for place in range(len(plan.faults)):
        yield replace(plan, faults=plan.faults[:place] + plan.faults[place + 1 :])
    for place, one in enumerate(plan.arrivals):
        if one.version != "first":
            yield replace(plan, arrivals=plan.arrivals[:place] + plan.arrivals[place + 1 :])
    for place, one in enumerate(plan.arrivals):
        if one.version == "first" and one.night > one.day:
            on_time = (replace(one, night=one.day),)
            yield replace(
                plan, arrivals=plan.arrivals[:place] + on_time + plan.arrivals[place + 1 :]
            )
