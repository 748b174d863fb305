"""How a step fails when too many rows of a delivery are rejected: it says which rows, and why."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from abintel_pipeline.intake import DeliveriesFailed
from abintel_pipeline.intake.rejected.files import RejectedDelivery
from abintel_pipeline.orchestration.asset_page.metadata import Metadata, markdown_table, picture
from abintel_pipeline.orchestration.asset_page.pictures import reasons_drawn

DELIVERIES = ("day", "delivery", "received", "rejected", "share", "cap", "commonest reason")
ROWS = ("rows", "reason", "file", "row", "as it came")
ROWS_PER_REASON = 2
SHOWN = 300
"""Letters of a row: a rejected line may be megabytes long."""


@contextmanager
def rejections_told(log: dg.DagsterLogManager) -> Iterator[None]:
    """Raises dagster.Failure with what was rejected, and why, in its metadata.

    Other failures pass through as they are.
    """
    try:
        yield
    except DeliveriesFailed as failed:
        if not failed.rejected:
            raise
        told = rejection_metadata(failed.rejected) | _picture(failed.rejected[-1], log)
        raise dg.Failure(str(failed), metadata=told, allow_retries=False) from failed


def rejection_metadata(rejected: list[RejectedDelivery]) -> Metadata:
    """All the deliveries in a table; of the newest its counts, its reasons and some rows."""
    newest = rejected[-1]
    return {
        "rejected_deliveries": dg.MetadataValue.md(
            markdown_table(DELIVERIES, map(_told, rejected))
        ),
        "day": newest.day.isoformat(),
        "received": newest.received,
        "rejected": newest.rejected,
        "rejected_share": newest.share,
        "cap": float(newest.cap),
        "sufficient_cap": newest.sufficient_cap,
        "reasons": dg.MetadataValue.json({one.name: one.rows for one in newest.reasons}),
        "rejected_rows": dg.MetadataValue.md(markdown_table(ROWS, _rows(newest))),
    }


def _told(one: RejectedDelivery) -> tuple[object, ...]:
    share, cap = f"{one.share:.1%}", f"{one.cap:.1%}"
    return one.day, one.name, one.received, one.rejected, share, cap, one.reasons[0].name


def _rows(delivery: RejectedDelivery) -> Iterator[tuple[object, ...]]:
    for reason in delivery.reasons:
        for one in reason.examples[:ROWS_PER_REASON]:
            yield reason.rows, reason.name, one.file, one.row, one.raw[:SHOWN]


def _picture(delivery: RejectedDelivery, log: dg.DagsterLogManager) -> Metadata:
    """The reasons of one delivery, the newest; a picture that can't be drawn is left out."""
    title = f"rejected {delivery.name} of {delivery.day}"
    counts = [(one.name, one.rows) for one in delivery.reasons]
    try:
        return {"reasons_drawn": picture(reasons_drawn(title, counts))}
    except Exception as fault:
        log.warning(f"the picture of the reasons could not be drawn: {type(fault).__name__}")
        return {}
