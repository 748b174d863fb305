"""Runs of the chain from the command line: real Dagster runs, in this process."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from abintel_pipeline.orchestration.assets import STEPS
from abintel_pipeline.orchestration.automation.jobs import JOB_NAME
from abintel_pipeline.orchestration.definitions import build_defs
from abintel_pipeline.orchestration.errors import RunFailed
from abintel_pipeline.orchestration.instance.opening import opening
from abintel_pipeline.orchestration.partitions import range_tags
from abintel_pipeline.orchestration.resources import Progress, no_progress
from abintel_pipeline.settings import Settings

STORAGE = """storage:
  custom:
    module: abintel_pipeline.orchestration.instance.history
    class: KeptSqliteStorage
    config:
      base_dir: {home}
"""
INSTANCE_CONFIG = f"""telemetry:
  enabled: false
nux:
  enabled: false
{STORAGE}"""
FORMER_STORAGE = re.compile(
    r"""event_log_storage:
  module: abintel_pipeline\.(?:orchestration\.instance\.)?history
  class: KeptSqliteEventLog
  config:
    base_dir: ".*/history/runs"
|"""
    + re.escape(STORAGE).replace(re.escape("{home}"), '".*"')
)
"""What homes made by earlier versions have there, and homes that were moved since."""
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
GROUPS = tuple(dict.fromkeys(step.group for step in STEPS))


def prepare_history(settings: Settings) -> str:
    """The folder of Dagster's history, made with telemetry off if it isn't there yet."""
    home = settings.history.resolve()
    named = json.dumps(str(home))
    with opening(home):
        config = home / "dagster.yaml"
        storage = STORAGE.format(home=named)
        if not config.exists():
            _write(config, INSTANCE_CONFIG.format(home=named))
        elif (now := FORMER_STORAGE.sub(lambda _: storage, text := config.read_text())) != text:
            _write(config, now)
    return str(home)


def _write(config: Path, text: str) -> None:
    """Whole or not at all: a webserver may read it at any time."""
    part = config.with_suffix(".part")
    part.write_text(text)
    part.replace(config)


@contextmanager
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of these settings, whose history is whole.

    Raises HistoryBroken when it isn't.
    """
    home = Path(prepare_history(settings))
    with opening(home):
        opened = dg.DagsterInstance.from_config(str(home))
        with ExitStack() as unless_broken:
            unless_broken.callback(opened.dispose)
            opened.get_run_records(limit=1)
            opened.get_asset_keys(limit=1)
            opened.all_instigator_state()
            unless_broken.pop_all()
    with opened:
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
