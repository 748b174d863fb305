"""The service: small requests, a large one beside the parser alone, and many at once."""

import json
import random
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

from benchmarks.job import ServiceJob
from benchmarks.measuring import Entry, figures, rounds, step_seconds
from benchmarks.plan import Plan
from benchmarks.results import (
    COLUMNS,
    Measured,
    Section,
    Target,
    at_most,
    cells,
    ratio,
    seconds,
    table,
)

TRANSACTIONS = 1_000_000
OF_A_CUSTOMER = 10
TODAY = date(2025, 4, 24)
PRODUCTS = 20_000
CROWD_SECONDS = 60
MOST_SECONDS = 0.015
MOST_TIMES_PARSING = 3
MOST_TIMES_BODY = 8
MOST_GROWTH = 1.05
"""Memory in the last quarter of a minute to that in its second."""

PACKAGES = ("msgspec", "fastapi", "uvicorn", "pandera")


def measure(plan: Plan) -> Measured:
    transactions = plan.lines(TRANSACTIONS)
    place = plan.folder / f"service-{transactions}"
    job = ServiceJob(place, TODAY, plan.memory_limit, seconds=max(2.0, CROWD_SECONDS * plan.scale))
    if not job.request.is_file():
        write_request(job.request, transactions)
    names = ("msgspec alone", "one large request", "small requests", "a crowd")
    runs = rounds([Entry(name, job) for name in names], plan.rounds)
    about = {
        "transactions": transactions,
        "customers": transactions // OF_A_CUSTOMER,
        "body_mb": job.request.stat().st_size / 1e6,
        "crowd_seconds": job.seconds,
        "memory_limit": plan.memory_limit,
        "versions": {name: version(name) for name in PACKAGES},
    }
    return Measured(runs, about)


def write_request(path: Path, transactions: int) -> None:
    """A seeded request of the features call: 10 transactions per customer, a third with a score."""
    chance = random.Random(1)
    customers = []
    for number in range(transactions // OF_A_CUSTOMER):
        lines = [
            {
                "transaction_id": f"T-{number * OF_A_CUSTOMER + n:08}",
                "date": str(TODAY - timedelta(days=chance.randrange(540))),
                "amount": chance.randrange(100, 50_000) / 100,
                "product_id": f"P-{chance.randrange(PRODUCTS):05}",
            }
            for n in range(OF_A_CUSTOMER)
        ]
        score = {} if number % 3 else {"loyalty_score": round(chance.random(), 4)}
        customers.append({"customer_id": f"C-{number:07}", "transactions": lines, **score})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"today": str(TODAY), "customers": customers}))


def tell(results: dict[str, Measured]) -> Section:
    measured = results["service"]
    about, runs = measured.about, measured.runs
    parsed, large = figures(runs, "msgspec alone"), figures(runs, "one large request")
    small, crowd = step_seconds(runs, "small requests"), step_seconds(runs, "a crowd")
    times_parsing = large.seconds / parsed.seconds
    times_body = large.peak_mb / about["body_mb"]
    rows = [
        ["msgspec alone", *cells(parsed), ratio(1.0), ratio(parsed.peak_mb / about["body_mb"])],
        ["one large request", *cells(large), ratio(times_parsing), ratio(times_body)],
    ]
    lines = [
        f"`abintel serve` on loopback, asked by a client on the same machine; "
        f"{', '.join(f'{name} {number}' for name, number in about['versions'].items())}.",
        "",
        f"One request of {about['customers']:,} customers with {about['transactions']:,}"
        f" transactions ({about['body_mb']:,.0f} MB) to `customer_features`, from the first byte"
        " sent to the last byte read, beside msgspec decoding the same bytes into the same types"
        " and doing nothing else. Memory is the whole process's.",
        "",
        *table(["contender", *COLUMNS, "× parser", "× body"], rows),
        "",
        "The documents' examples, two customers each, one after the other:",
        "",
        *table(
            ["call", "median ms"],
            [[f"`{name}`", f"{1000 * median:.1f}"] for name, median in small.items()],
        ),
        "",
        "Where it goes: a third to a half of a small request is DuckDB, which plans a prepared"
        " statement anew at every run, whose cost is that of its expressions and not of its rows;"
        " as much is Pandera, half a millisecond per column. A large one is decoded, made into"
        " columns, held against the models, computed and encoded: the parser alone does the first"
        " of these.",
        "",
        *_crowd_lines(about, crowd),
    ]
    targets = [
        *(_milliseconds(name, median) for name, median in small.items()),
        at_most("a large request, against msgspec alone", MOST_TIMES_PARSING, times_parsing),
        at_most("a large request: peak memory, against its body", MOST_TIMES_BODY, times_body),
        *_crowd_targets(about, crowd),
    ]
    return Section("The service", lines, targets)


def _milliseconds(call: str, median: float) -> Target:
    wanted, measured = f"< {1000 * MOST_SECONDS:g} ms", f"{1000 * median:.1f} ms"
    return Target(f"{call} of two customers", wanted, measured, median < MOST_SECONDS)


def _crowd_lines(about: dict, crowd: dict[str, float]) -> list[str]:
    if not crowd:
        return []
    rate = crowd["requests"] / about["crowd_seconds"]
    return [
        f"200 clients that ask the three calls without a pause for {about['crowd_seconds']:g} s:"
        f" {crowd['requests']:,.0f} answers ({rate:,.0f} a second), {crowd['errors']:,.0f} errors,"
        f" median {seconds(crowd['median'])} s, 99 of 100 within {seconds(crowd['p99'])} s; memory"
        f" {crowd['settled_mb']:,.0f} MB at most in the second quarter of it,"
        f" {crowd['end_mb']:,.0f} MB in the last.",
    ]


def _crowd_targets(about: dict, crowd: dict[str, float]) -> list[Target]:
    if not crowd:
        return []
    what = f"200 at once for {about['crowd_seconds']:g} s"
    errors = Target(f"{what}: errors", "0", f"{crowd['errors']:,.0f}", crowd["errors"] == 0)
    growth = crowd["end_mb"] / crowd["settled_mb"]
    return [errors, at_most(f"{what}: memory, last quarter against second", MOST_GROWTH, growth)]
