"""What must hold before a day is published, and what is worth a warning once it is."""

from abintel_pipeline.verification.intake import nothing_delivered, reconciled
from abintel_pipeline.verification.results import verified

__all__ = ["nothing_delivered", "reconciled", "verified"]
