"""A step over many days works chunk by chunk, each small enough for the engine's memory."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import TypeVar

from abintel_pipeline.contract import CUSTOMER_FEATURES
from abintel_pipeline.contract.findings import Finding, VerificationFailed
from abintel_pipeline.store.snapshot_store import SnapshotStore

QUANTILE_BYTES = 100
"""Of a customer in one cohort: five metrics of eight bytes, in lists that grow by doubling."""

Chunk = TypeVar("Chunk")
Made = TypeVar("Made")


def cohorts(store: SnapshotStore, days: Iterable[date], memory_bytes: float) -> list[list[date]]:
    """Chunks of days, in order, whose cohorts' quantiles fit into a quarter of the memory.

    Raises SnapshotMissing when the features of a day aren't published.
    """
    wanted = sorted(set(days))
    store.paths(CUSTOMER_FEATURES, wanted)
    chunks: list[list[date]] = []
    room = 0.0
    for day in wanted:
        needed = QUANTILE_BYTES * store.rows(CUSTOMER_FEATURES, day)
        if not chunks or needed > room:
            chunks.append([])
            room = memory_bytes / 4
        chunks[-1].append(day)
        room -= needed
    return chunks


def chunk_by_chunk(
    chunks: Iterable[Chunk], make: Callable[[Chunk], Iterable[Made]]
) -> Iterator[Made]:
    """What is made of each chunk; days that are refused don't hold up those of other chunks.

    Raises VerificationFailed at the end, telling of all that were refused.
    """
    refused: list[Finding] = []
    for chunk in chunks:
        try:
            yield from make(chunk)
        except VerificationFailed as failed:
            refused += failed.findings
    if refused:
        raise VerificationFailed(refused)
