"""What must hold before a day is published, and what is worth a warning once it is."""

from abintel_pipeline.quality.blocking.intake import (
    Received,
    nothing_delivered,
    reconciled,
    reconciled_again,
)
from abintel_pipeline.quality.blocking.results import verified, verified_again

__all__ = [
    "Received",
    "nothing_delivered",
    "reconciled",
    "reconciled_again",
    "verified",
    "verified_again",
]
