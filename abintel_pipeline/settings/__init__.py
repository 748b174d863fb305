"""What can be set beside the rules, and the only place that reads the environment."""

from abintel_pipeline.rules import (
    DEFAULT_SEGMENT_THRESHOLDS,
    DEFAULT_WEIGHTS,
    METRICS,
    Bounds,
    Rules,
)
from abintel_pipeline.settings.pipeline import ENV_FILE, ENV_PREFIX, RenamedSetting, Settings
from abintel_pipeline.settings.variables import faults, origins, unknown_variables

__all__ = [
    "DEFAULT_SEGMENT_THRESHOLDS",
    "DEFAULT_WEIGHTS",
    "ENV_FILE",
    "ENV_PREFIX",
    "METRICS",
    "Bounds",
    "RenamedSetting",
    "Rules",
    "Settings",
    "faults",
    "origins",
    "unknown_variables",
]
