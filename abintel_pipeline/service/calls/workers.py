"""Answers large requests in processes of their own.

The memory that they take comes back when the process ends, and their work doesn't hold Python's
lock, which small requests need. A process is started before it is needed: that takes 0.5 s.
"""

import gc
import multiprocessing
import os
import traceback
from collections import deque
from contextlib import closing, suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection

from abintel_pipeline.service.calls.calls import Calls
from abintel_pipeline.service.calls.decoding import Body
from abintel_pipeline.service.calls.documents import encode
from abintel_pipeline.service.calls.faults import Refused
from abintel_pipeline.settings import Settings

KEPT_BYTES = 4_000_000
"""Largest body after which a process answers another request, instead of ending."""

NICENESS = 5
"""Of the processes: where there are too few cores, small requests come first."""

GARBAGE_THRESHOLD = 50_000
"""Lists and such that are made before the youngest are looked through: a batch makes hundreds."""

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])

Answered = tuple[bytes, int]
"""A response as JSON, and how many customers it has."""


def answered(calls: Calls, name: str, body: Body) -> Answered:
    """The answer of a call."""
    response = getattr(calls, name)(body)
    return encode(response), len(response.customers)


def start_forkserver() -> None:
    """Start the process that workers are forked from, with the signals that are ignored by now."""
    forkserver.ensure_running()


class Workers:
    """Processes that answer large requests, for any number of threads at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: deque[_Worker] = deque()

    def prepare(self) -> None:
        """Start a worker for the next request, if none is there."""
        if not self._idle:
            self._idle.append(_Worker(self._settings))

    def answered(self, name: str, body: Body) -> Answered:
        """The answer of a call. Raises Refused as the call does, and WorkerLost."""
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker(self._settings)
        try:
            return worker.answered(name, body)
        finally:
            if len(body) > KEPT_BYTES:
                worker.close()
            if not worker.closed:
                self._idle.append(worker)
            self.prepare()

    def close(self) -> None:
        """End the idle workers."""
        while self._idle:
            self._idle.pop().close()


class WorkerLost(Exception):
    """The process of a large request was killed, such as by the system for want of memory."""


class _Worker:
    """A process that answers one request at a time, until the connection to it is closed."""

    def __init__(self, settings: Settings) -> None:
        self._connection, far = _CONTEXT.Pipe()
        with far:
            _CONTEXT.Process(target=_work, args=(far, settings), daemon=True).start()

    @property
    def closed(self) -> bool:
        return self._connection.closed

    def close(self) -> None:
        self._connection.close()

    def answered(self, name: str, body: Body) -> Answered:
        try:
            self._connection.send(name)
            self._connection.send_bytes(body)
            found: int | Exception = self._connection.recv()
            content = b"" if isinstance(found, Exception) else self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            self.close()
            raise WorkerLost("a large request's process was killed: is there memory?") from error
        if isinstance(found, Exception):
            raise found
        return content, found


def _work(connection: Connection, settings: Settings) -> None:
    """Answer what comes until the other end is closed, or its process is gone."""
    os.nice(NICENESS)
    gc.set_threshold(GARBAGE_THRESHOLD)
    gc.freeze()
    with closing(Calls(settings)) as calls, suppress(EOFError, OSError):
        calls.prepare()
        while True:
            name = connection.recv()
            try:
                content, customers = answered(calls, name, connection.recv_bytes())
            except Refused as error:
                connection.send(error)
            except Exception:  # not all of them can be sent
                connection.send(RuntimeError(traceback.format_exc()))
            else:
                connection.send(customers)
                connection.send_bytes(content)  # what is sent as an object is copied three times
