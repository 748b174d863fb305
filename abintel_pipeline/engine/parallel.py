"""Work on several threads whose results come in the order of what was worked on."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def parallel_map(
    work: Callable[[In], Out], items: Iterable[In], threads: int
) -> Generator[tuple[In, Out], None, None]:
    """Each item and what the work makes of it, in order, while the next items are worked on.

    As many items as there are threads are taken before the first result is given. An error of the
    work comes in its item's turn; what had been begun by then, or by the time that this is closed,
    is finished unseen.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[In, Future[Out]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > threads:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
