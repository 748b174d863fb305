"""Everything Dagster loads, built from settings."""

import dagster as dg

from abintel_pipeline.orchestration.assets import build_assets
from abintel_pipeline.orchestration.automation.jobs import nightly_schedule, snapshots_job
from abintel_pipeline.orchestration.automation.missed_night import (
    missed_night_check,
    missed_night_schedule,
)
from abintel_pipeline.orchestration.automation.sensors import landing_sensor
from abintel_pipeline.orchestration.automation.verification import (
    verification_checks,
    weekly_schedule,
)
from abintel_pipeline.orchestration.naming import KeyPrefix, Names
from abintel_pipeline.orchestration.resources import RULES, Progress, no_progress, rules_resource
from abintel_pipeline.settings import Settings


def build_defs(
    settings: Settings, *, key_prefix: KeyPrefix | None = None, progress: Progress = no_progress
) -> dg.Definitions:
    """The pipeline as a code location. Reads no environment: all it needs is in `settings`.

    With `key_prefix` its assets' keys begin with it, and the names of everything else too, so that
    `Definitions.merge` takes several pipelines. Each needs a store of its own. Raises ValueError on
    a prefix that can't be part of a name.
    """
    names = Names.under(key_prefix)
    job = snapshots_job(names)
    check = missed_night_check(settings, names)
    proofs = verification_checks(settings, names)
    return dg.Definitions(
        assets=build_assets(settings, names, progress),
        asset_checks=[check, proofs],
        jobs=[job],
        schedules=[
            nightly_schedule(settings, job, names),
            missed_night_schedule(settings, names, check),
            weekly_schedule(settings, names, proofs),
        ],
        sensors=[landing_sensor(settings, job, names)],
        resources={names.name(RULES): rules_resource(settings)},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The code location of this project: settings from `ABINTEL_*` and `.env`."""
    return build_defs(Settings())
