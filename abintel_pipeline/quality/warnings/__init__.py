"""What is worth a warning about days that are published: nothing is wrong, somebody should look.

Each function takes days that are published and tells of every one of them, also where there is
nothing to warn of. History is read off the store; many days cost as many queries as one. The
`newest` day of a run, if it is among them, may have a query of its own.
"""

from abintel_pipeline.quality.warnings.deliveries import Warn, delivery_warnings, features_warnings
from abintel_pipeline.quality.warnings.segments import loyalty_warnings
from abintel_pipeline.quality.warnings.tiers import rfm_warnings

__all__ = ["Warn", "delivery_warnings", "features_warnings", "loyalty_warnings", "rfm_warnings"]
