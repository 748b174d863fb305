"""What must hold of a delivery before it is published: no row is lost, none appears."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import pyarrow.parquet as pq

from abintel_pipeline.contract import Table
from abintel_pipeline.contract.findings import Finding, VerificationFailed
from abintel_pipeline.intake import Intake
from abintel_pipeline.store.snapshot_store import SnapshotStore

NOTHING = "nothing was delivered: nothing was published, and nothing that was is lost"
CHECK = "received_is_accepted_and_rejected"


@dataclass(frozen=True)
class Received:
    """Rows of a delivery, and how many of them the settings leave out."""

    rows: int
    left_out: int = 0


def reconciled(intake: Intake) -> Intake:
    """The intake with its finding: received = accepted + rejected + left out, counted in the files.

    Raises VerificationFailed if it isn't so: a defect of intake, and nothing may be published.
    """
    accepted, rejected = (
        int(pq.read_metadata(staged.path).num_rows)
        for staged in (intake.accepted_rows, intake.rejected_rows)
    )
    counts = Received(intake.received, intake.left_out)
    finding = _adds_up(intake.accepted_rows.table, intake.day, counts, accepted, rejected)
    if not finding.passed:
        raise VerificationFailed([finding])
    return replace(intake, accepted_rows=replace(intake.accepted_rows, findings=(finding,)))


def reconciled_again(
    store: SnapshotStore, raw: Table, rejected: Table, received: Mapping[date, Received | None]
) -> list[Finding]:
    """The same of published days, given what each received; None: nothing was delivered.

    Left out are days whose files are missing.
    """
    found = []
    for day, rows in received.items():
        if rows is None:
            found.append(nothing_delivered(raw, day))
        elif all(store.path(table, day).is_file() for table in (raw, rejected)):
            found.append(_adds_up(raw, day, rows, store.rows(raw, day), store.rows(rejected, day)))
    return found


def _adds_up(table: Table, day: date, received: Received, accepted: int, rejected: int) -> Finding:
    left_out = f", {received.left_out:,} left out" if received.left_out else ""
    return Finding(
        table.name,
        day,
        CHECK,
        received.rows == accepted + rejected + received.left_out,
        f"{received.rows:,} rows received, {accepted:,} accepted and {rejected:,} rejected"
        + left_out,
        {
            "received": received.rows,
            "accepted": accepted,
            "rejected": rejected,
            "left_out": received.left_out,
        },
    )


def nothing_delivered(table: Table, day: date) -> Finding:
    """The same of a day without a delivery."""
    numbers = {"received": 0, "accepted": 0, "rejected": 0, "left_out": 0}
    return Finding(table.name, day, CHECK, True, NOTHING, numbers)
