"""What must hold of a delivery before it is published: no row is lost, none appears."""

from dataclasses import replace
from datetime import date

import pyarrow.parquet as pq

from abintel_pipeline.contract import Table
from abintel_pipeline.findings import Finding, VerificationFailed
from abintel_pipeline.intake import Intake

NOTHING = "nothing was delivered: nothing was published, and nothing that was is lost"
CHECK = "received_is_accepted_and_refused"


def reconciled(intake: Intake) -> Intake:
    """The intake with its finding: received = accepted + refused, counted in the staged files.

    Raises VerificationFailed if it isn't so: a defect of intake, and nothing may be published.
    """
    accepted, refused = (
        int(pq.read_metadata(staged.path).num_rows)
        for staged in (intake.accepted_rows, intake.refused_rows)
    )
    finding = Finding(
        intake.accepted_rows.table.name,
        intake.day,
        CHECK,
        intake.received == accepted + refused,
        f"{intake.received:,} rows received, {accepted:,} accepted and {refused:,} refused",
        {"received": intake.received, "accepted": accepted, "refused": refused},
    )
    if not finding.passed:
        raise VerificationFailed([finding])
    return replace(intake, accepted_rows=replace(intake.accepted_rows, findings=(finding,)))


def nothing_delivered(table: Table, day: date) -> Finding:
    """The same of a day without a delivery."""
    numbers = {"received": 0, "accepted": 0, "refused": 0}
    return Finding(table.name, day, CHECK, True, NOTHING, numbers)
