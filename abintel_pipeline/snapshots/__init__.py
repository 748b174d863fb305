"""The steps of the pipeline: read the store, apply the formulas, publish whole files.

This is the pipeline without an orchestrator: the Dagster assets, the benchmarks and anything else
that makes snapshots call these functions. A day's tables are published together or, on any error or
failed check (`quality.blocking`), not at all; a step over many days publishes them one by one.
"""

from abintel_pipeline.snapshots.deliveries import (
    customers_intake,
    take_in,
    take_in_days,
    transactions_intake,
)
from abintel_pipeline.snapshots.features import features_snapshot, features_snapshots
from abintel_pipeline.snapshots.loyalty import loyalty_snapshot, loyalty_snapshots
from abintel_pipeline.snapshots.rfm import rfm_snapshot, rfm_snapshots
from abintel_pipeline.store.step_context import StepContext

__all__ = [
    "StepContext",
    "customers_intake",
    "features_snapshot",
    "features_snapshots",
    "loyalty_snapshot",
    "loyalty_snapshots",
    "rfm_snapshot",
    "rfm_snapshots",
    "take_in",
    "take_in_days",
    "transactions_intake",
]
