"""Takes in the day's delivery of transactions: what is accepted, and what is refused and why."""

from datetime import date

from abintel_pipeline.assets.steps import DayMetadata, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.metadata import intake_metadata
from abintel_pipeline.snapshots import StepContext, transactions_intake

RAW, REJECTED = TABLES["raw_transactions"], TABLES["rejected_transactions"]


def take_in_day(step: StepContext, day: date) -> DayMetadata:
    """Take in one day's delivery and tell what came of it."""
    return intake_metadata(step.store, day, (RAW, REJECTED), transactions_intake(step, day))


RAW_TRANSACTIONS_STEP = Step("raw_transactions", "deliveries", (RAW, REJECTED), (), take_in_day)
