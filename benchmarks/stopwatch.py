"""How long parts of a program take, that nobody wrote to be timed: functions put in their place."""

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch


class Stopwatch:
    """Seconds and calls of each part that it was told of."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    @contextmanager
    def running(self, what: str) -> Iterator[None]:
        before = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] += time.perf_counter() - before

    def timed(self, what: str, function: Callable) -> Callable:
        """The function, its time put down."""

        @functools.wraps(function)
        def call(*arguments: object, **named: object) -> object:
            self.calls[what] += 1
            with self.running(what):
                return function(*arguments, **named)

        return call

    def timed_yields(self, what: str, function: Callable) -> Callable:
        """The generator function, its own time put down, not that of whoever takes from it."""

        @functools.wraps(function)
        def call(*arguments: object, **named: object) -> Iterator[object]:
            self.calls[what] += 1
            given = iter(function(*arguments, **named))
            while True:
                with self.running(what):
                    try:
                        one = next(given)
                    except StopIteration:
                        return
                yield one

        return call

    def on(self, what: str, owner: object, name: str, *, yields: bool = False) -> patch:
        """Time the function that an owner has by that name, as long as the block lasts."""
        wrap = self.timed_yields if yields else self.timed
        return patch.object(owner, name, wrap(what, getattr(owner, name)))
