"""What the steps that take in a request table have in common."""

from collections.abc import Iterator
from datetime import date

from abintel_pipeline.assets.steps import Made, Step
from abintel_pipeline.contract import TABLES
from abintel_pipeline.metadata import Metadata, intakes_metadata, picture
from abintel_pipeline.pictures import refused_by_reason
from abintel_pipeline.snapshots import StepContext, take_in_days
from abintel_pipeline.snapshots.deliveries import TakeIn
from abintel_pipeline.warning import delivery_warnings


def intake_step(of: str, how: TakeIn, *warnings: str) -> Step:
    """The step that takes in the deliveries `of` a request table, with its warnings' names."""
    raw, rejected = TABLES[f"raw_{of}"], TABLES[f"rejected_{of}"]

    def deliveries(step: StepContext, days: list[date]) -> Iterator[Made]:
        """Take in the days' deliveries and tell what came of each."""
        taken = take_in_days(step, days, how)
        for day, metadata, findings in intakes_metadata(step.store, (raw, rejected), taken):
            yield Made(day, metadata, findings)

    def pictures(step: StepContext, day: date) -> dict[str, Metadata]:
        """The refused rows by reason, if there are any."""
        drawn = refused_by_reason(step, rejected, day)
        return {rejected.name: {"reasons_drawn": picture(drawn)}} if drawn else {}

    return Step(
        raw.name,
        "deliveries",
        (raw, rejected),
        (),
        deliveries,
        delivery_warnings(raw),
        {raw.name: warnings},
        pictures,
    )
