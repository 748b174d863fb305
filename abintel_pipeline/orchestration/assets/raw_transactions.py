"""Takes in the day's delivery of transactions: what is accepted, and what is refused and why."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.intake import take_in_transactions
from abintel_pipeline.orchestration.assets.intakes import intake_step, taken_in
from abintel_pipeline.orchestration.assets.step import Made
from abintel_pipeline.snapshots import StepContext


def deliveries(step: StepContext, days: list[date]) -> Iterator[Made]:
    """Take in the days' deliveries of transactions and tell what came of each."""
    return taken_in("transactions", take_in_transactions, step, days)


WARNINGS = ("refused_share", "delivery_volume", "repeated_lines", "misplaced_files")

RAW_TRANSACTIONS_STEP = intake_step("transactions", deliveries, *WARNINGS)
