"""The faults of one night, and how each comes between a process and its disk."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import duckdb

from abintel_pipeline_tests.nights.disk import (
    BROKEN,
    FULL,
    Disk,
    Killed,
    Operation,
    PowerLost,
    Process,
    failed,
    process,
)
from abintel_pipeline_tests.nights.plan import Fault

WRITING = ("write", "create", "mkdir")
"""What a full disk has no room for."""
HOUR = 3600.0


@dataclass
class Night:
    """The faults of a night that are yet to come."""

    disk: Disk
    faults: list[Fault]
    hold_up: Callable[[Process, int], None] = lambda *_: None
    """Lets the other processes go on."""
    meanwhile: Callable[[], None] = lambda: None
    """Lets a delivery come while another is being read."""
    met: list[Fault] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    _full_for: int = 0
    _asked: int = 0

    def begin(self) -> None:
        """The clock is moved, once; operations are counted from 1."""
        self.disk.count = 0
        self.disk.meddle = self._meddle
        for fault in self.of("clock moved"):
            self.met.append(fault)
            self.disk.clock += (fault.choice % 97 - 48) * HOUR

    def of(self, kind: str) -> list[Fault]:
        """The faults of a kind that are yet to come."""
        return [one for one in self.faults if one.kind == kind and one not in self.met]

    def asked(self) -> None:
        """The engine is asked: it may be short of memory."""
        self._asked += 1
        one = process()
        for fault in self.of("memory short"):
            if one is not None and self._asked == fault.at:
                self._meets(one, fault)
                raise duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate data")

    def _meets(self, one: Process, fault: Fault) -> None:
        self.met.append(fault)
        one.faults.append(fault.kind)

    def _meddle(self, one: Process, now: Operation, half: Callable[[], None]) -> None:
        if ".staging/" in now.path and now.kind == "write":
            self.meanwhile()
        for fault in [one for one in self.faults if one.at == now.number and one not in self.met]:
            come: dict[str, Callable[..., None]] = {
                "killed": self._kill,
                "power lost": self._lose_power,
                "disk full": self._fill,
                "disk failing": self._fail,
                "disk slow": self._slow,
            }
            if fault.kind in come:
                self._meets(one, fault)
                come[fault.kind](one, fault, half)
        if self._full_for and now.kind in WRITING:
            self._full_for -= 1
            one.faults.append("disk full")
            if now.kind == "write":
                half()
            raise failed(FULL)

    def _kill(self, one: Process, fault: Fault, half: Callable[[], None]) -> None:
        if fault.choice % 2:
            half()
        one.dead = Killed
        raise Killed

    def _lose_power(self, one: Process, fault: Fault, half: Callable[[], None]) -> None:
        if fault.choice % 2:
            half()
        for other in self.processes:
            other.dead = PowerLost
        raise PowerLost

    def _fill(self, one: Process, fault: Fault, half: Callable[[], None]) -> None:
        self._full_for = 1 + fault.choice % 6

    def _fail(self, one: Process, fault: Fault, half: Callable[[], None]) -> None:
        if fault.choice % 2:
            half()
        raise failed(BROKEN)

    def _slow(self, one: Process, fault: Fault, half: Callable[[], None]) -> None:
        """It takes a day and a half, in which others go on."""
        self.disk.clock += 36 * HOUR
        self.hold_up(one, 20 + fault.choice % 100)


def lose(disk: Disk, faults: Iterable[Fault]) -> None:
    """What a loss of power takes is taken; the processes have ended."""
    seed: Any = [one.choice for one in faults]
    disk.power.lose(Random(str(seed)))
