"""Runs and backfills as a person launches them: over GraphQL, with what the UI sends."""

import time
from collections.abc import Iterable
from datetime import date
from typing import Any

from abintel_pipeline.orchestration.automation.jobs import JOB_NAME
from abintel_pipeline.orchestration.partitions import range_tags
from abintel_pipeline_tests.servers import Servers, eventually

REPOSITORY = {
    "repositoryLocationName": "abintel_pipeline",
    "repositoryName": "__repository__",
}
OVER = {"SUCCESS", "FAILURE", "CANCELED"}
DONE = {"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "CANCELED", "FAILED"}

COMPANIONS = """
query LaunchAssetLoaderQuery($assetKeys: [AssetKeyInput!]!) {
    assetNodeAdditionalRequiredKeys(assetKeys: $assetKeys) { path }
}"""
LAUNCH = """
mutation LaunchPartitionBackfill($backfillParams: LaunchBackfillParams!) {
    launchPartitionBackfill(backfillParams: $backfillParams) {
        __typename
        ... on LaunchBackfillSuccess { backfillId }
        ... on PythonError { message }
        ... on Error { message }
    }
}"""
LAUNCH_RUN = """
mutation LaunchPipelineExecution($executionParams: ExecutionParams!) {
    launchPipelineExecution(executionParams: $executionParams) {
        __typename
        ... on LaunchRunSuccess { run { id } }
        ... on Error { message }
    }
}"""
RUN_STATUS = """
query RunStatus($runId: ID!) { runOrError(runId: $runId) { ... on Run { status } } }
"""
STATUS = """
query SingleBackfillQuery($backfillId: String!) {
    partitionBackfillOrError(backfillId: $backfillId) {
        ... on PartitionBackfill {
            status
            error { message }
            runs(limit: 100) { id status }
        }
    }
}"""
CANCEL = """
mutation CancelBackfill($backfillId: String!) {
    cancelPartitionBackfill(backfillId: $backfillId) { __typename }
}"""
PARTITIONS = """
query PartitionHealthQuery($assetKey: AssetKeyInput!) {
    assetNodeOrError(assetKey: $assetKey) {
        ... on AssetNode {
            partitionKeys
            assetPartitionStatuses {
                ... on TimePartitionStatuses { ranges { status startKey endKey } }
            }
        }
    }
}"""
RUN_PROCESS = """
query RunProcess($runId: ID!) {
    logsForRun(runId: $runId) {
        ... on EventConnection {
            events {
                ... on EngineEvent { metadataEntries { label ... on TextMetadataEntry { text } } }
            }
        }
    }
}"""


def launch(
    servers: Servers, assets: Iterable[str], partitions: Iterable[str], *, from_job: bool = False
) -> str:
    """Launch a backfill as the dialog *Launch runs to materialize* does; its id.

    Tables that are made by one step come together: the UI asks for them, and so does this.
    `from_job`: as on the page of the job, where the UI names the job's partition set too.
    """
    keys = [{"path": [name]} for name in assets]
    keys += servers.ask(COMPANIONS, assetKeys=keys)["assetNodeAdditionalRequiredKeys"]
    parameters: dict[str, Any] = {
        "tags": [],
        "assetSelection": keys,
        "partitionNames": list(partitions),
        "fromFailure": False,
    }
    if from_job:
        parameters["selector"] = {
            "partitionSetName": f"{JOB_NAME}_partition_set",
            "repositorySelector": REPOSITORY,
        }
    launched = servers.ask(LAUNCH, backfillParams=parameters)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    return str(launched["backfillId"])


def launch_run(servers: Servers, start: str, end: str, assets: Iterable[str]) -> tuple[str, float]:
    """Launch a range as a single run, which the dialog offers too; the run's id, and when."""
    days = range_tags(date.fromisoformat(start), date.fromisoformat(end))
    clicked = time.time()
    launched = servers.ask(
        LAUNCH_RUN,
        executionParams={
            "mode": "default",
            "selector": REPOSITORY
            | {"pipelineName": "__ASSET_JOB", "assetSelection": [{"path": [a]} for a in assets]},
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in days.items()]},
        },
    )["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["id"]), clicked


def run_over(servers: Servers, run: str, *, seconds: float = 600) -> str:
    """The status with which a run ended, once it has."""

    def over() -> str | None:
        now = servers.ask(RUN_STATUS, runId=run)["runOrError"]["status"]
        return now if now in OVER else None

    return eventually(over, seconds=seconds)


def status(servers: Servers, backfill: str) -> dict[str, Any]:
    """Status and runs of a backfill."""
    found: dict[str, Any] = servers.ask(STATUS, backfillId=backfill)["partitionBackfillOrError"]
    return found


def finished(servers: Servers, backfill: str, *, seconds: float = 300) -> dict[str, Any]:
    """Status and runs of a backfill, once it is over."""

    def over() -> dict[str, Any] | None:
        now = status(servers, backfill)
        return now if now["status"] in DONE else None

    return eventually(over, seconds=seconds)


def cancel(servers: Servers, backfill: str) -> None:
    cancelled = servers.ask(CANCEL, backfillId=backfill)["cancelPartitionBackfill"]
    assert cancelled["__typename"] == "CancelBackfillSuccess"


def not_green(servers: Servers, asset: str, days: Iterable[str]) -> list[str]:
    """Of some days those that the partitions bar of an asset doesn't show green, in order."""
    node = servers.ask(PARTITIONS, assetKey={"path": [asset]})["assetNodeOrError"]
    green = {
        key
        for found in node["assetPartitionStatuses"]["ranges"]
        if found["status"] == "MATERIALIZED"
        for key in node["partitionKeys"]
        if found["startKey"] <= key <= found["endKey"]
    }
    return [day for day in days if day not in green]


def run_processes(servers: Servers, run: str) -> set[int]:
    """The processes in which a run computes, once one is known."""

    def found() -> set[int]:
        events = servers.ask(RUN_PROCESS, runId=run)["logsForRun"]["events"]
        entries = [entry for event in events for entry in event.get("metadataEntries", [])]
        return {int(entry["text"]) for entry in entries if entry["label"] == "pid"}

    return eventually(found)
