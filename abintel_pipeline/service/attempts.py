"""Counts wrong credentials, so that nobody can try many."""

import time
from collections import OrderedDict
from collections.abc import Callable

WINDOW_SECONDS = 60.0
REMEMBERED = 100_000


class FailedAttempts:
    """Failures per key within a minute; for one thread, the event loop's."""

    def __init__(self, allowed: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._allowed, self._clock = allowed, clock
        self._counted: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, key: str) -> float:
        """Seconds until the key may try again; 0 if it may now."""
        began, failures = self._counted.get(key, (0.0, 0))
        left = began + WINDOW_SECONDS - self._clock()
        return left if failures >= self._allowed and left > 0 else 0.0

    def failed(self, key: str) -> None:
        """Count a failure. The minute begins with the first."""
        began, failures = self._counted.pop(key, (self._clock(), 0))
        if self._clock() - began >= WINDOW_SECONDS:
            began, failures = self._clock(), 0
        self._counted[key] = (began, failures + 1)
        while len(self._counted) > REMEMBERED:
            self._counted.popitem(last=False)
