"""Takes in the day's delivery of customers: what is accepted, and what is refused and why."""

from datetime import date

from abintel_pipeline.assets.steps import DayMetadata, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.metadata import intake_metadata
from abintel_pipeline.snapshots import StepContext, customers_intake

RAW, REJECTED = TABLES["raw_customers"], TABLES["rejected_customers"]


def take_in_day(step: StepContext, day: date) -> DayMetadata:
    """Take in one day's delivery and tell what came of it."""
    return intake_metadata(step.store, day, (RAW, REJECTED), customers_intake(step, day))


RAW_CUSTOMERS_STEP = Step("raw_customers", "deliveries", (RAW, REJECTED), (), take_in_day)
