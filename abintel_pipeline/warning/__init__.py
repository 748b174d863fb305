"""What is worth a warning about days that are published: nothing is wrong, somebody should look.

Each function takes days that are published and tells of every one of them, also where there is
nothing to warn of. History is read off the store; many days cost as many queries as one.
"""

from abintel_pipeline.warning.deliveries import delivery_warnings, features_warnings
from abintel_pipeline.warning.segments import loyalty_warnings
from abintel_pipeline.warning.tiers import rfm_warnings

__all__ = ["delivery_warnings", "features_warnings", "loyalty_warnings", "rfm_warnings"]
