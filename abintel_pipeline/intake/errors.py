"""What can go wrong with a delivery as a whole."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abintel_pipeline.intake.rejected.files import RejectedDelivery


class DeliveryError(Exception):
    """A delivery can't be read as a table. The message names the file, the place and what to do."""


class TooManyRejected(DeliveryError):
    """More of a delivery was rejected than `max_rejected_share` allows; `delivery` tells of it."""

    def __init__(self, told: str, delivery: "RejectedDelivery") -> None:
        self.delivery = delivery
        super().__init__(told)


class DeliveriesFailed(DeliveryError):
    """Some deliveries of a range couldn't be taken in; `failed` holds what each says."""

    def __init__(self, failed: Sequence[DeliveryError]) -> None:
        self.failed = tuple(failed)
        super().__init__("\n".join(map(str, failed)))

    @property
    def rejected(self) -> "list[RejectedDelivery]":
        """Those that were read, and of which too many rows were rejected."""
        return [one.delivery for one in self.failed if isinstance(one, TooManyRejected)]


class SourceUnavailable(Exception):
    """The source database can't be asked right now: the same question may be answered later."""


class IntakeBroken(RuntimeError):
    """Intake contradicts itself, rows would be lost: a defect here, not in the delivery."""
