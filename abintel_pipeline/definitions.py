"""Everything that Dagster loads: a code location names this module."""

from abintel_pipeline.orchestration.definitions import build_defs, defs

__all__ = ["build_defs", "defs"]
