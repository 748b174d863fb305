"""Everything Dagster loads, built from settings."""

import dagster as dg

from abintel_pipeline.assets import build_assets
from abintel_pipeline.jobs import nightly_schedule, snapshots_job
from abintel_pipeline.resources import Progress, no_progress, rules_resource
from abintel_pipeline.settings import Settings


def build_defs(settings: Settings, *, progress: Progress = no_progress) -> dg.Definitions:
    """The pipeline as a code location. Reads no environment: all it needs is in `settings`."""
    job = snapshots_job()
    return dg.Definitions(
        assets=build_assets(settings),
        jobs=[job],
        schedules=[nightly_schedule(job)],
        resources={
            "settings": settings,
            "rules": rules_resource(settings),
            "progress": progress,
        },
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The code location of this project: settings from `ABINTEL_*` and `.env`."""
    return build_defs(Settings())
