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
        """Count a failure. The minute begins with the first, and then all is forgotten."""
        now = self._clock()
        # In the order in which their minutes began: the first is the oldest.
        while self._counted and now - next(iter(self._counted.values()))[0] >= WINDOW_SECONDS:
            self._counted.popitem(last=False)
        began, failures = self._counted.get(key, (now, 0))
        self._counted[key] = (began, failures + 1)
        while len(self._counted) > REMEMBERED:
            self._counted.popitem(last=False)

    def __len__(self) -> int:
        return len(self._counted)
