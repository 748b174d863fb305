"""Takes in the day's delivery of customers: what is accepted, and what is refused and why."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.intake import take_in_customers
from abintel_pipeline.orchestration.assets.intakes import intake_step, taken_in
from abintel_pipeline.orchestration.assets.step import Made
from abintel_pipeline.snapshots import StepContext


def deliveries(step: StepContext, days: list[date]) -> Iterator[Made]:
    """Take in the days' deliveries of customers and tell what came of each."""
    return taken_in("customers", take_in_customers, step, days)


RAW_CUSTOMERS_STEP = intake_step("customers", deliveries, "refused_share")
