"""The service as a contender: `python -m benchmarks.in_service NAME JOB`.

Starts `abintel serve`, asks it, and prints one line of JSON as timed.py does; CPU and memory are
those of the service and of the processes that it starts.
"""

import asyncio
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from abintel_pipeline.service.calls.documents import FeaturesRequest
from abintel_pipeline.service.calls.examples import EXAMPLES
from benchmarks.job import ServiceJob
from benchmarks.timed import measured

HEADERS = {"Content-Type": "application/json"}
WARM_UP = 50
ASKED = 1_000
AT_ONCE = 200
WATCHED_SECONDS = 0.1
QUARTERS = 4
"""Of a run, whose largest memory is told of each: what is kept and given back comes and goes."""


def parse_alone(job: ServiceJob) -> str:
    """The fastest strict parser in use, on the same body and for the same types."""
    body = job.request.read_bytes()
    return measured(lambda: msgspec.json.decode(body, type=FeaturesRequest))


def large_request(job: ServiceJob) -> str:
    """One large request, from its first byte sent to its answer's last byte read."""
    body = job.request.read_bytes()
    with _service(job) as served:
        before, cpu_before = time.perf_counter(), served.cpu_seconds()
        status, answer = served.ask("customer_features", body)
        seconds, cpu = time.perf_counter() - before, served.cpu_seconds() - cpu_before
        assert status == 200, answer[:500]
        return _figures(seconds, cpu, served)


def small_requests(job: ServiceJob) -> str:
    """The median of the documents' example of each call, asked one after the other."""
    with _service(job) as served:
        before, cpu_before = time.perf_counter(), served.cpu_seconds()
        medians = {name: served.median(name) for name in EXAMPLES}
        seconds, cpu = time.perf_counter() - before, served.cpu_seconds() - cpu_before
        return _figures(seconds, cpu, served, medians)


def crowd(job: ServiceJob) -> str:
    """AT_ONCE clients that ask without a pause, for the job's seconds."""
    with _service(job) as served:
        before, cpu_before = time.perf_counter(), served.cpu_seconds()
        steps = asyncio.run(_crowd(served, job.seconds))
        seconds, cpu = time.perf_counter() - before, served.cpu_seconds() - cpu_before
        return _figures(seconds, cpu, served, steps)


def _figures(
    seconds: float, cpu: float, served: "Served", steps: dict[str, float] | None = None
) -> str:
    figures = {"seconds": seconds, "cpu_seconds": cpu, "peak_mb": served.peak_mb}
    return json.dumps(figures | {"steps": steps or {}})


class Served:
    """A running service and one connection to it."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self.peak_mb = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def ask(self, call: str, body: bytes) -> tuple[int, bytes]:
        self._connection.request("POST", f"/api/v1/ai/{call}", body, HEADERS)
        response = self._connection.getresponse()
        return response.status, response.read()

    def median(self, call: str) -> float:
        body = json.dumps(EXAMPLES[call].request).encode()
        taken = []
        for _ in range(WARM_UP + ASKED):
            before = time.perf_counter()
            status, _ = self.ask(call, body)
            taken.append(time.perf_counter() - before)
            assert status == 200
        return statistics.median(taken[WARM_UP:])

    def _watch(self) -> None:
        while self.process.poll() is None:
            self.peak_mb = max(self.peak_mb, self.megabytes())
            time.sleep(WATCHED_SECONDS)

    def megabytes(self) -> float:
        """What all processes take now, shared parts once, in MB of 10**6 bytes."""
        kept = 0
        for folder in self._processes():
            with suppress(OSError):
                kept += int((folder / "smaps_rollup").read_text().split("Pss:")[1].split()[0])
        return kept * 1024 / 1e6

    def cpu_seconds(self) -> float:
        """Of all processes, those that have ended too."""
        ticks = 0
        for folder in self._processes():
            with suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def _processes(self) -> list[Path]:
        found = [Path(f"/proc/{self.process.pid}")]
        for folder in found:
            with suppress(OSError):
                for children in folder.glob("task/*/children"):
                    found += [Path(f"/proc/{pid}") for pid in children.read_text().split()]
        return found


@contextmanager
def _service(job: ServiceJob) -> Iterator[Served]:
    """A service that has started, let all in, and stops at the end."""
    environment = os.environ | {
        "ABINTEL_DATA_DIR": str(job.place / "data"),
        "ABINTEL_MEMORY_LIMIT": job.memory_limit,
        "ABINTEL_SERVICE_MAX_BODY": "1GB",
    }
    command = [str(Path(sys.executable).parent / "abintel"), "serve", "--insecure", "--port", "0"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        started = json.loads(process.stdout.readline())
        served = Served(process, int(started["url"].rpartition(":")[2]))
        # Nobody reads the access log: it must not fill the pipe.
        drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        served.ask("customer_rfm", json.dumps(EXAMPLES["customer_rfm"].request).encode())
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        drain.wait(60)


async def _crowd(served: Served, seconds: float) -> dict[str, float]:
    """What AT_ONCE clients saw: requests, errors, seconds of an answer, memory over the run."""
    bodies = [json.dumps(example.request).encode() for example in EXAMPLES.values()]
    requests = [_request(name, body) for name, body in zip(EXAMPLES, bodies, strict=True)]
    until = time.perf_counter() + seconds
    taken: list[float] = []
    errors = 0

    async def client(number: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        while time.perf_counter() < until:
            before = time.perf_counter()
            writer.write(requests[(number + len(taken)) % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            taken.append(time.perf_counter() - before)
            errors += head.split()[1] != b"200"
        writer.close()

    async def largest_of_a_quarter() -> float:
        largest, end = 0.0, time.perf_counter() + seconds / QUARTERS
        while time.perf_counter() < end:
            largest = max(largest, served.megabytes())
            await asyncio.sleep(0.1)
        return largest

    async def memory() -> list[float]:
        return [await largest_of_a_quarter() for _ in range(QUARTERS)]

    quarters, *_ = await asyncio.gather(memory(), *(client(n) for n in range(AT_ONCE)))
    return {
        "requests": len(taken),
        "errors": errors,
        "median": statistics.median(taken),
        "p99": statistics.quantiles(taken, n=100)[98],
        "settled_mb": quarters[1],
        "end_mb": quarters[-1],
    }


def _request(call: str, body: bytes) -> bytes:
    head = (
        f"POST /api/v1/ai/{call} HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


WORK = {
    "msgspec alone": parse_alone,
    "one large request": large_request,
    "small requests": small_requests,
    "a crowd": crowd,
}


if __name__ == "__main__":
    print(WORK[sys.argv[1]](ServiceJob.from_json(sys.argv[2])), flush=True)
