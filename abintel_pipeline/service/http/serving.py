"""Serves the app with uvicorn, in one process, until it is told to stop."""

import ctypes
import gc
import ipaddress
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType

import uvicorn

from abintel_pipeline.service.access.credentials import Credentials
from abintel_pipeline.service.calls.workers import GARBAGE_THRESHOLD, start_forkserver
from abintel_pipeline.service.http.app import create_app
from abintel_pipeline.service.http.connections import HEAD_BYTES, Connection, connection_limit
from abintel_pipeline.service.http.observing import log_to_stdout
from abintel_pipeline.settings import Settings

SWITCH_SECONDS = 0.001
"""How long a thread that decodes a large request may keep the event loop waiting."""

ENDING = (signal.SIGTERM, signal.SIGINT)
"""The signals that end the service."""

M_MMAP_THRESHOLD = -3
MAPPED_BYTES = 128 * 1024
"""From which size on memory is mapped for its own, as glibc does at first: it would raise it."""

logger = logging.getLogger(__name__)


class CannotServe(Exception):
    """The service can't be started so; the message says what to do."""


class Server(uvicorn.Server):
    """Stops when it is told to; told again, whatever the signal, it ends at once.

    uvicorn's own is forced by a second SIGINT alone, and waits for threads even then.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            os._exit(128 + sig)
        super().handle_exit(sig, frame)


def serve(
    settings: Settings,
    host: str,
    port: int,
    *,
    insecure: bool = False,
    plain_http: bool = False,
    proxy: str | None = None,
) -> None:
    """Answer requests until SIGTERM or SIGINT; what was begun by then is finished, in its time.

    Before it answers any, KeyboardInterrupt ends it in the same way.

    `proxy`: the address of a proxy whose X-Forwarded-For is believed. Raises CannotServe without
    credentials, unless `insecure` says so on loopback; beyond loopback, unless `plain_http` says
    so; and where the port can't be had.
    """
    with suppress(KeyboardInterrupt):
        credentials = _credentials(settings, host, insecure)
        beyond = not _is_loopback(host)
        if beyond and not plain_http:
            raise CannotServe(
                f"{host} is no loopback address, and plain HTTP shows secrets to whoever reads the"
                " network: put a proxy with TLS in front and listen on 127.0.0.1, or say"
                " --plain-http"
            )
        with _listening(host, port) as listener:
            log_to_stdout()
            config = configured(settings, credentials, proxy)
            _log_start(listener, insecure, beyond)
            _serve(listener, config)
    logger.info("stopped")


def _log_start(listener: socket.socket, insecure: bool, beyond: bool) -> None:
    address, bound = listener.getsockname()[:2]
    url = f"http://{f'[{address}]' if ':' in address else address}:{bound}"
    logger.info("serving %s", url, extra={"fields": {"url": url, "insecure": insecure}})
    if beyond:
        logger.warning("plain HTTP beyond loopback: who reads the network reads the secrets")


def _serve(listener: socket.socket, config: uvicorn.Config) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(GARBAGE_THRESHOLD)
    gc.freeze()  # what was imported lives as long as the process: never look at it again
    _return_freed_memory()
    server = Server(config)

    def stop(*_: object) -> None:
        server.should_exit = True

    # Workers, which may be sent the signals too, ignore them and finish what was begun. One that
    # comes while their server starts waits until it can be answered.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    start_forkserver()
    # Until uvicorn listens to signals itself, and after: it raises them again once it has stopped,
    # and an end that was asked for is no fault.
    for number in ENDING:
        signal.signal(number, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    try:
        server.run(sockets=[listener])
    finally:
        gc.unfreeze()


def configured(
    settings: Settings, credentials: Credentials | None, proxy: str | None
) -> uvicorn.Config:
    """How uvicorn serves the app."""
    return uvicorn.Config(
        create_app(settings, credentials),
        http=Connection,
        h11_max_incomplete_event_size=HEAD_BYTES,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="none",
        proxy_headers=proxy is not None,
        forwarded_allow_ips=proxy,
        backlog=connection_limit(),
        timeout_graceful_shutdown=settings.service_stop_seconds,
    )


def _credentials(settings: Settings, host: str, insecure: bool) -> Credentials | None:
    path = settings.credentials_file
    if path is None and not insecure:
        raise CannotServe(
            "there are no credentials: set ABINTEL_CREDENTIALS_FILE and run"
            " `abintel credentials add`, or let everybody in on loopback with --insecure"
        )
    if path is not None and insecure:
        raise CannotServe("credentials are set: leave --insecure out, or unset them")
    if path is None and not _is_loopback(host):
        raise CannotServe(f"{host} is no loopback address: --insecure is for 127.0.0.1 alone")
    return Credentials(path) if path is not None else None


def _return_freed_memory() -> None:
    """Have glibc return what a freed body or answer took; it keeps it after the first of its size.

    After two answers of 130 MB 50 to 150 MB stayed for good.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((host, port), family=family, backlog=connection_limit())
    except OSError as error:
        raise CannotServe(
            f"{host}, port {port}: {error.strerror or error}: choose another"
        ) from None
