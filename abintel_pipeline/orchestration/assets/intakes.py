"""What the steps that take in a request table have in common."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date

from abintel_pipeline.contract import TABLES
from abintel_pipeline.contract.findings import Finding
from abintel_pipeline.orchestration.asset_page.metadata import Metadata, intakes_metadata, picture
from abintel_pipeline.orchestration.asset_page.pictures import refused_by_reason
from abintel_pipeline.orchestration.assets.step import Made, Step
from abintel_pipeline.quality.blocking import Received, reconciled_again
from abintel_pipeline.quality.warnings import delivery_warnings
from abintel_pipeline.snapshots import StepContext, take_in_days
from abintel_pipeline.snapshots.deliveries import TakeIn


def taken_in(of: str, how: TakeIn, step: StepContext, days: list[date]) -> Iterator[Made]:
    """Take in the days' deliveries `of` a request table and tell what came of each."""
    tables = TABLES[f"raw_{of}"], TABLES[f"rejected_{of}"]
    taken = take_in_days(step, days, how)
    for day, metadata, findings in intakes_metadata(step.store, tables, taken):
        yield Made(day, metadata, findings)


def intake_step(
    of: str, make: Callable[[StepContext, list[date]], Iterator[Made]], *warnings: str
) -> Step:
    """The step that takes in the deliveries `of` a request table, with its warnings' names.

    `make` is a function of the table's own file: the UI's link to an asset's code leads there.
    """
    raw, rejected = TABLES[f"raw_{of}"], TABLES[f"rejected_{of}"]

    def pictures(step: StepContext, day: date) -> dict[str, Metadata]:
        """The refused rows by reason, if there are any."""
        drawn = refused_by_reason(step, rejected, day)
        return {rejected.name: {"reasons_drawn": picture(drawn)}} if drawn else {}

    def look(step: StepContext, told: Mapping[date, Metadata]) -> list[Finding]:
        """Whether the rows that were told to be received are in the files."""
        received = {
            day: None
            if one.get("delivery") == "missing"
            else Received(one["received"], one.get("left_out", 0))
            for day, one in told.items()
            if "received" in one
        }
        return reconciled_again(step.store, raw, rejected, received)

    return Step(
        raw.name,
        "deliveries",
        (raw, rejected),
        (),
        make,
        look,
        delivery_warnings(raw),
        {raw.name: warnings},
        pictures,
    )
