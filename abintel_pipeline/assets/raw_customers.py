"""Takes in the day's delivery of customers: what is accepted, and what is refused and why."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.assets.steps import Made, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.intake import take_in_customers
from abintel_pipeline.metadata import Metadata, intakes_metadata, picture
from abintel_pipeline.pictures import refused_by_reason
from abintel_pipeline.snapshots import StepContext, take_in_days
from abintel_pipeline.warning import delivery_warnings

RAW, REJECTED = TABLES["raw_customers"], TABLES["rejected_customers"]


def deliveries(step: StepContext, days: list[date]) -> Iterator[Made]:
    """Take in the days' deliveries and tell what came of each."""
    taken = take_in_days(step, days, take_in_customers)
    for day, metadata, findings in intakes_metadata(step.store, (RAW, REJECTED), taken):
        yield Made(day, metadata, findings)


def pictures(step: StepContext, day: date) -> dict[str, Metadata]:
    """The refused rows by reason, if there are any."""
    drawn = refused_by_reason(step, REJECTED, day)
    return {REJECTED.name: {"reasons_drawn": picture(drawn)}} if drawn else {}


RAW_CUSTOMERS_STEP = Step(
    "raw_customers",
    "deliveries",
    (RAW, REJECTED),
    (),
    deliveries,
    delivery_warnings(RAW),
    {RAW.name: ("refused_share",)},
    pictures,
)
