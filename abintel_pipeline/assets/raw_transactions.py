"""Takes in the day's delivery of transactions: what is accepted, and what is refused and why."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.assets.steps import DayMetadata, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.intake import take_in_transactions
from abintel_pipeline.metadata import intakes_metadata
from abintel_pipeline.snapshots import StepContext, take_in_days

RAW, REJECTED = TABLES["raw_transactions"], TABLES["rejected_transactions"]


def deliveries(step: StepContext, days: list[date]) -> Iterator[tuple[date, DayMetadata]]:
    """Take in the days' deliveries and tell what came of each."""
    return intakes_metadata(
        step.store, (RAW, REJECTED), take_in_days(step, days, take_in_transactions)
    )


RAW_TRANSACTIONS_STEP = Step("raw_transactions", "deliveries", (RAW, REJECTED), (), deliveries)
