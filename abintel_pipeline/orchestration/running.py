"""Runs of the chain from the command line: real Dagster runs, in this process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from abintel_pipeline.orchestration.assets import STEPS
from abintel_pipeline.orchestration.automation.jobs import JOB_NAME
from abintel_pipeline.orchestration.definitions import build_defs
from abintel_pipeline.orchestration.partitions import range_tags
from abintel_pipeline.orchestration.resources import Progress, no_progress
from abintel_pipeline.settings import Settings

MODULE = "module: abintel_pipeline.orchestration.instance.history\n"
FORMER_MODULE = "module: abintel_pipeline.history\n"
"""Where the event log was up to version 0.1; homes made by then name it."""

INSTANCE_CONFIG = f"""telemetry:
  enabled: false
nux:
  enabled: false
event_log_storage:
  {MODULE}  class: KeptSqliteEventLog
  config:
    base_dir: {{events}}
"""
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
GROUPS = tuple(dict.fromkeys(step.group for step in STEPS))


class RunFailed(Exception):
    """A run didn't succeed. The message has one line per cause."""


def prepare_history(settings: Settings) -> str:
    """The folder of Dagster's history, made with telemetry off if it isn't there yet."""
    home = settings.history.resolve()
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        events = json.dumps(str(home / "history" / "runs"))
        config.write_text(INSTANCE_CONFIG.format(events=events))
    elif FORMER_MODULE in (text := config.read_text()):
        config.write_text(text.replace(FORMER_MODULE, MODULE))
    return str(home)


@contextmanager
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of these settings."""
    with dg.DagsterInstance.from_config(prepare_history(settings)) as opened:
        yield opened


@dataclass(frozen=True)
class Selection:
    """Which steps of the chain a run makes: those of one group, or all."""

    group: str | None = None

    @property
    def steps(self) -> list[str]:
        return [step.name for step in STEPS if self.group in (None, step.group)]

    @property
    def assets(self) -> list[dg.AssetKey]:
        tables = (t for step in STEPS if self.group in (None, step.group) for t in step.tables)
        return [dg.AssetKey(table.name) for table in tables]


def run_days(
    settings: Settings,
    start: date,
    end: date,
    *,
    selection: Selection | None = None,
    progress: Progress = no_progress,
    config: dict[str, Any] | None = None,
) -> str:
    """Make all days from start to end in one run; returns the run's id.

    Raises RunFailed with the steps' error messages when it fails, KeyboardInterrupt when it was
    interrupted.
    """
    defs = build_defs(settings, progress=progress)
    job = defs.resolve_job_def(JOB_NAME)
    with instance(settings) as opened:
        result = job.execute_in_process(
            instance=opened,
            tags=range_tags(start, end),
            asset_selection=(selection or Selection()).assets,
            run_config={**QUIET, **(config or {})},
            raise_on_error=False,
        )
    if not result.success:
        if _interrupted(result):
            raise KeyboardInterrupt
        raise RunFailed("\n".join(_causes(result)) or f"run {result.run_id} failed")
    return result.run_id


def _causes(result: dg.ExecuteInProcessResult) -> list[str]:
    """The error message of each failed step, each once."""
    causes = []
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            told = failure.user_failure_data
            text = told.description if told else _innermost(failure.error)
            causes.append(f"{event.step_key}: {(text or 'failed').strip()}")
    return list(dict.fromkeys(causes))


def _interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether Ctrl-C ended it: to Dagster that is a failed step, to DuckDB a query's error."""
    causes = (event.step_failure_data.error for event in result.all_events if event.is_step_failure)
    return any("nterrupt" in f"{one.cls_name} {one.message}" for e in causes for one in _chain(e))


def _chain(error: Any) -> Iterator[Any]:
    """An error and its causes, the outermost first."""
    while error is not None:
        yield error
        error = error.cause


def _innermost(error: Any) -> str:
    """The message of the original error: Dagster wraps it in others."""
    return next((one.message for one in reversed(list(_chain(error)))), "")
