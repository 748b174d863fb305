"""The run launcher of a deployment: notices runs whose process is gone.

Dagster's own starts each run as a process of the code server, and never asks again: when the code
server dies with its runs, they are shown as started for good. Here run monitoring asks the code
server, marks them as failed, and run retries start them again.
"""

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import GetCurrentRunsResult
from dagster_shared.serdes import deserialize_value


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Starts each run as a process of the code server, and knows whether it is still there."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """FAILED once the code server answers and doesn't have the run.

        While it doesn't answer nobody knows, and a run that was started otherwise (`abintel run`)
        can't be asked for: both are taken to be running.
        """
        server = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if server is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            current = deserialize_value(server.get_current_runs(), GetCurrentRunsResult)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if run.run_id in current.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "the code server doesn't have it any more")
