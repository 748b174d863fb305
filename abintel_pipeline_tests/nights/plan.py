"""What happens under a seed: a plan of deliveries and faults, as plain data."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from abintel_pipeline_tests.nights.world import Version

FaultKind = Literal[
    "killed",
    "disk full",
    "disk failing",
    "disk slow",
    "clock moved",
    "another store mounted",
    "power lost",
    "memory short",
    "runs at once",
]
FAULTS: tuple[FaultKind, ...] = (
    *("killed", "disk full", "disk failing", "disk slow", "clock moved"),
    *("another store mounted", "power lost", "memory short", "runs at once"),
)
OFTEN = {"killed": 4, "power lost": 3, "runs at once": 3}
"""Faults with many moments to come at are drawn more often than the others."""
OPERATIONS = 160
"""Of a night, about: later operations are met by no fault."""


@dataclass(frozen=True)
class Arrival:
    """A version of a day's delivery that comes in a night; `day` counts from 0."""

    night: int
    day: int
    version: Version
    meanwhile: bool = False
    """Not before the night's runs, but while a delivery is being read."""


@dataclass(frozen=True)
class Fault:
    """A fault in a night; `at` says at which operation, or how often before; `choice` the rest."""

    kind: FaultKind
    night: int
    at: int
    choice: int


@dataclass(frozen=True)
class Plan:
    """All that happens: the simulation draws nothing that doesn't follow from it."""

    seed: int
    world: int
    nights: int
    arrivals: tuple[Arrival, ...]
    faults: tuple[Fault, ...]

    @property
    def kinds(self) -> list[str]:
        """What is tried, each as often as it is."""
        late = ["late" for one in self.arrivals if one.version == "first" and one.night > one.day]
        others = [one.version for one in self.arrivals if one.version != "first"]
        meanwhile = ["while being read" for one in self.arrivals if one.meanwhile]
        return [*late, *others, *meanwhile, *(one.kind for one in self.faults)]


@dataclass(frozen=True)
class Scale:
    """How much seeds differ: a hundred in a row have the same deliveries, and other faults."""

    worlds: int
    nights: int


SEEDS_OF_A_STORY = 100
EVERYDAY = Scale(worlds=1, nights=4)
CAMPAIGN = Scale(worlds=25, nights=14)


def drawn(seed: int, scale: Scale) -> Plan:
    """The plan of a seed: a story of deliveries that it shares, and faults of its own."""
    story = seed // SEEDS_OF_A_STORY
    world = story % scale.worlds
    arrivals = _story(Random(f"story {story}"), scale.nights)
    random = Random(f"faults {seed}")
    faults = [_fault(random, scale.nights) for _ in range(random.randint(1, 2 + scale.nights // 3))]
    return Plan(seed, world, scale.nights, tuple(arrivals), tuple(faults))


def _story(random: Random, nights: int) -> list[Arrival]:
    arrivals = []
    for day in range(nights):
        late = random.randint(1, 3) if random.random() < 0.2 else 0
        arrivals.append(Arrival(day + late, day, "first"))
    for day in random.sample(range(nights), max(2, nights // 4)):
        arrivals += _changes(random, day, arrivals[day].night)
    return sorted(arrivals, key=lambda one: one.night)


def _changes(random: Random, day: int, came: int) -> list[Arrival]:
    """What comes after a day's first delivery, or in its place."""
    version = random.choice(("corrected", "cancelled", "renamed", "damaged", "bad", "more"))
    night = came + random.randint(0, 3)
    changes = [Arrival(night, day, version, meanwhile=random.random() < 0.3)]
    if version in ("damaged", "bad") and random.random() < 0.7:
        changes.append(Arrival(night + random.randint(1, 2), day, "corrected"))
    return changes


def _fault(random: Random, nights: int) -> Fault:
    kind = random.choices(FAULTS, [OFTEN.get(one, 1) for one in FAULTS])[0]
    most = 6 if kind == "memory short" else OPERATIONS
    return Fault(kind, random.randrange(nights), random.randint(1, most), random.getrandbits(16))
