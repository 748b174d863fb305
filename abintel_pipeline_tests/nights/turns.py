"""Processes at once, each on a thread, of which one goes on at a time: the seed says which."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from abintel_pipeline_tests.nights.disk import Process, running

PATIENCE = 3000
"""So often in a row a process may wait for a lock before it is said to wait for ever."""


class WaitsForEver(Exception):
    """A process waits for a lock that nobody will let go."""


@dataclass(frozen=True)
class Begin:
    """When the other processes begin, and how many operations they have before the first goes on.

    At an operation counted among all, or among those alone that readers of the store see.
    """

    at: int
    visible: bool
    stretch: int

    @classmethod
    def of(cls, at: int, choice: int) -> "Begin":
        """As a fault says: three times of four among the operations that readers see."""
        visible = choice % 4 > 0
        return cls(1 + at % 26 if visible else at, visible, 20 + choice // 32 % 200)

    def now(self, seen: dict[bool, int]) -> bool:
        return (seen[True] if self.visible else sum(seen.values())) >= self.at


class Turns:
    """Hands the turn from process to process at their operations."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._condition = threading.Condition()
        self._alive: list[Process] = []
        self._turn: Process | None = None
        self._preferred: tuple[Process, int] | None = None
        self._waited = 0
        self._begin: Begin | None = None
        self._seen: dict[bool, int] = {}

    def run(
        self, processes: Iterable[tuple[Process, Callable[[], None]]], begin: "Begin | None" = None
    ) -> None:
        """Run all to their ends. What they do must not raise.

        The others begin while the first is at an operation: `begin` says at which.
        """
        work = list(processes)
        self._alive = [one for one, _ in work]
        self._preferred, self._waited = None, 0
        self._begin, self._seen = begin, {False: 0, True: 0}
        for one in self._alive:
            one.switch, one.wait = self._switch, self._wait
        self._turn = self._alive[0]
        if len(work) == 1:
            with running(work[0][0]):
                work[0][1]()
            return
        threads = [threading.Thread(target=self._whole, args=pair) for pair in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def hold_up(self, slow: Process, operations: int) -> None:
        """The others go on for so many operations before this one does."""
        others = [one for one in self._alive if one is not slow]
        if others:
            self._preferred = (self._random.choice(others), operations)

    def _whole(self, one: Process, work: Callable[[], None]) -> None:
        self._await(one)
        try:
            with running(one):
                work()
        finally:
            with self._condition:
                self._alive.remove(one)
                self._turn = self._alive[0] if self._alive else None
                self._condition.notify_all()

    def _switch(self, one: Process, visible: bool) -> None:
        """Others are let go on more often before what readers of the store would see."""
        self._waited = 0
        if len(self._alive) > 1:
            self._seen[visible] += 1
            if self._begin:
                if self._begin.now(self._seen):
                    self.hold_up(one, self._begin.stretch)
                    self._begin = None
            elif not self._preferred and self._random.random() < (0.3 if visible else 0.04):
                self.hold_up(one, self._random.randint(1, 80))
            self._hand(one, self._next(one))

    def _wait(self, one: Process) -> None:
        self._waited += 1
        if self._waited > PATIENCE:
            raise WaitsForEver(one.name)
        self._preferred = None
        others = [other for other in self._alive if other is not one]
        if others:
            self._hand(one, self._random.choice(others))

    def _next(self, one: Process) -> Process:
        if self._preferred is None:
            return one
        other, left = self._preferred
        self._preferred = (other, left - 1) if left > 1 and other in self._alive else None
        return other if other in self._alive else one

    def _hand(self, one: Process, other: Process) -> None:
        if other is one:
            return
        with self._condition:
            self._turn = other
            self._condition.notify_all()
        self._await(one)

    def _await(self, one: Process) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._turn is one)
