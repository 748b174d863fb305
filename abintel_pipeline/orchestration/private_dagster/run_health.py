"""Whether the process of a run is still there: what run monitoring asks of a launcher.

Borrowed: `CheckRunHealthResult` and `WorkerStatus`, in which a launcher answers;
`_get_grpc_client_for_termination` of `DefaultRunLauncher`, and `get_current_runs` of that client.

Why: `DefaultRunLauncher` is public, but does not implement `check_run_worker_health`, and what
that has to return isn't exported. No upstream issue was found that asks for it.

Without it: use `DefaultRunLauncher` in `dagster.yaml`. A run whose code server died is shown as
started for good and is not started again.
"""

from typing import Any

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus

__all__ = ["CheckRunHealthResult", "WorkerStatus", "runs_of_code_server"]


def runs_of_code_server(launcher: dg.DefaultRunLauncher, run_id: str) -> list[str] | None:
    """The ids of the runs that the run's code server has; None when that can't be known.

    It can't while the server doesn't answer, and for a run that no code server was asked to start.
    """
    server = launcher._get_grpc_client_for_termination(run_id)  # type: ignore[no-untyped-call]
    if server is None:
        return None
    try:
        answer: Any = dg.deserialize_value(server.get_current_runs())
    except dg.DagsterError:  # DagsterUserCodeUnreachableError, which isn't public
        return None
    return list(answer.current_runs)
