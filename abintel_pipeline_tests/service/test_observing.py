"""What is logged of a request that fails: by the server itself, which knows no ids."""

import io
import json
import logging
import socket
import threading

import httpx
import uvicorn
from starlette.types import Receive, Scope, Send

from abintel_pipeline.service.http.observing import JsonLines, Metrics, Observed


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b""})
    raise RuntimeError("a defect")


def test_the_traceback_of_a_failure_stands_under_the_requests_id():
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("uvicorn.error")
    config = uvicorn.Config(Observed(failing, Metrics()), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    logger.addHandler(handler)
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=server.run, args=([listener],))
            thread.start()
            port = listener.getsockname()[1]
            ids = [httpx.get(f"http://127.0.0.1:{port}").headers["x-request-id"] for _ in "ab"]
            server.should_exit = True
            thread.join(30)
    finally:
        logger.removeHandler(handler)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    failures = [line for line in lines if "exception" in line]
    assert [line["request_id"] for line in failures] == ids
    assert all("RuntimeError: a defect" in line["exception"] for line in failures)
