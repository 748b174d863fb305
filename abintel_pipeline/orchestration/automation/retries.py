"""Retries a step after faults that pass by themselves, and after no others.

Rejected data, broken rules and failed verifications would fail again: they are `dagster.Failure`
with `allow_retries=False`. A retry policy on the assets would retry defects too.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from abintel_pipeline.intake.faults import passes

MOST_RETRIES = 3
FIRST_WAIT_SECONDS = 10.0
NO_RETRY_OF_FAILED_STEPS = {"dagster/retry_on_asset_or_op_failure": "false"}
"""Tag of runs: a run whose step failed stays failed; only one whose process died is retried."""


@contextmanager
def transient_faults_retried(tries: int) -> Iterator[None]:
    """Asks Dagster to retry the step in a while, if the fault is one that passes by itself.

    `tries` is the number of retries so far. Raises dagster.RetryRequested, from the fault itself.
    """
    try:
        yield
    except Exception as fault:
        if not passes(fault):
            raise
        raise dg.RetryRequested(MOST_RETRIES, seconds_to_wait=wait_seconds(tries)) from fault


def wait_seconds(tries: int) -> float:
    """About 10, 30 and 90 seconds, up to a quarter more or less: runs shouldn't retry at once.

    >>> [7.5 <= wait_seconds(0) <= 12.5, 67.5 <= wait_seconds(2) <= 112.5]
    [True, True]
    """
    return FIRST_WAIT_SECONDS * 3.0**tries * random.uniform(0.75, 1.25)
