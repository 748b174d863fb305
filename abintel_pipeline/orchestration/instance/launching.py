"""The run launcher of a deployment: notices runs whose process is gone.

Dagster's own starts each run as a process of the code server, and never asks again: when the code
server dies with its runs, they are shown as started for good. Here run monitoring asks the code
server, marks them as failed, and run retries start them again.
"""

import dagster as dg

from abintel_pipeline.orchestration.private_dagster.run_health import (
    CheckRunHealthResult,
    WorkerStatus,
    runs_of_code_server,
)


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Starts each run as a process of the code server, and knows whether it is still there."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """FAILED once the code server answers and doesn't have the run.

        A run counts as running while its state is unknown: its code server doesn't answer, or the
        run was started another way (`abintel run`).
        """
        current = runs_of_code_server(self, run.run_id)
        if current is None or run.run_id in current:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "the code server doesn't have it any more")
