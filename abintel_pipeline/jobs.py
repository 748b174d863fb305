"""The job that makes a day's whole chain, and its nightly schedule."""

from typing import Any

import dagster as dg

from abintel_pipeline.contract import TABLES

JOB_NAME = "customer_snapshots"


def snapshots_job() -> Any:
    """Everything from the day's delivery to RFM, for one day or a range of days, in one process."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.assets(*TABLES),
        description="Take in the day's delivery and publish the snapshot of every customer.",
        executor_def=dg.in_process_executor,
    )


def nightly_schedule(job: Any) -> Any:
    """Runs the job for the day that has just ended, in the partitions' time zone."""
    return dg.build_schedule_from_partitioned_job(
        job,
        name="nightly_customer_snapshots",
        description="Every night: the snapshot of the day that has just ended.",
        hour_of_day=2,
    )
