"""The pipeline's assets with Dagster's default executor, which starts a process for each step."""

import dagster as dg

from abintel_pipeline.definitions import build_defs
from abintel_pipeline.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    """The assets and resources of the environment's settings; no job, no executor of its own."""
    own = build_defs(Settings())
    return dg.Definitions(assets=own.assets, resources=own.resources)
