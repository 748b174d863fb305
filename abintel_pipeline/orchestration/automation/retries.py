"""A step is tried again for faults that pass by themselves, and for nothing else.

Refused data, broken rules and failed verifications would fail again: they are `dagster.Failure`
with `allow_retries=False`. A policy on the assets would retry defects too.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from abintel_pipeline.intake.faults import passes

MOST_RETRIES = 3
FIRST_WAIT_SECONDS = 10.0
NO_RETRY_OF_FAILED_STEPS = {"dagster/retry_on_asset_or_op_failure": "false"}
"""Tag of runs: what a step has given up stays failed; only a run that was lost is started again."""


@contextmanager
def transient_faults_retried(tries: int) -> Iterator[None]:
    """Asks Dagster to try the step again in a while, when what went wrong passes by itself.

    `tries` is the number of retries so far. Raises dagster.RetryRequested, from the fault itself.
    """
    try:
        yield
    except Exception as fault:
        if not passes(fault):
            raise
        raise dg.RetryRequested(MOST_RETRIES, seconds_to_wait=wait_seconds(tries)) from fault


def wait_seconds(tries: int) -> float:
    """About 10, 30 and 90 seconds, up to a quarter more or less, so that runs don't come together.

    >>> [7.5 <= wait_seconds(0) <= 12.5, 67.5 <= wait_seconds(2) <= 112.5]
    [True, True]
    """
    return FIRST_WAIT_SECONDS * 3.0**tries * random.uniform(0.75, 1.25)
