"""What must hold of a delivery before it is published: no row is lost, none appears."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pyarrow.parquet as pq

from abintel_pipeline.contract import Table
from abintel_pipeline.findings import Finding, VerificationFailed
from abintel_pipeline.intake import Intake
from abintel_pipeline.store import SnapshotStore

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
    finding = _adds_up(intake.accepted_rows.table, intake.day, intake.received, accepted, refused)
    if not finding.passed:
        raise VerificationFailed([finding])
    return replace(intake, accepted_rows=replace(intake.accepted_rows, findings=(finding,)))


def reconciled_again(
    store: SnapshotStore, raw: Table, rejected: Table, received: Mapping[date, int | None]
) -> list[Finding]:
    """The same of published days, given how many rows each received; None: nothing was delivered.

    Left out are days whose files are missing.
    """
    found = []
    for day, rows in received.items():
        if rows is None:
            found.append(nothing_delivered(raw, day))
        elif all(store.path(table, day).is_file() for table in (raw, rejected)):
            found.append(_adds_up(raw, day, rows, store.rows(raw, day), store.rows(rejected, day)))
    return found


def _adds_up(table: Table, day: date, received: int, accepted: int, refused: int) -> Finding:
    return Finding(
        table.name,
        day,
        CHECK,
        received == accepted + refused,
        f"{received:,} rows received, {accepted:,} accepted and {refused:,} refused",
        {"received": received, "accepted": accepted, "refused": refused},
    )


def nothing_delivered(table: Table, day: date) -> Finding:
    """The same of a day without a delivery."""
    numbers = {"received": 0, "accepted": 0, "refused": 0}
    return Finding(table.name, day, CHECK, True, NOTHING, numbers)
