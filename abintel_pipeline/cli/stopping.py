"""SIGTERM and Ctrl-C: the same answer from a process's first moments to its last."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
SAID = "interrupted: what was published by then stays"
SERVERS = ("ui", "serve")
"""Commands that are ended so as a rule: that is no failure."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def end_at_once() -> None:
    """From now on both end the process at once: for while it imports, and has begun nothing.

    An exception won't do there: libraries that are being imported take it for a fault of their own.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


@contextmanager
def interruptible() -> Iterator[None]:
    """Both raise KeyboardInterrupt in the block. Not so in a thread, which no signal reaches."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(_number: int, _frame: FrameType | None) -> None:
    if sys.argv[1:2] and sys.argv[1] in SERVERS:
        os._exit(0)
    os.write(sys.stderr.fileno(), f"{SAID}\n".encode())
    os._exit(INTERRUPTED)
