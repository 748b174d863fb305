"""What can go wrong with a delivery as a whole; too many rejected rows: see `rejected.files`."""


class DeliveryError(Exception):
    """A delivery can't be read as a table. The message names the file, the place and what to do."""


class SourceUnavailable(Exception):
    """The source database can't be asked right now: the same question may be answered later."""


class IntakeBroken(RuntimeError):
    """Intake contradicts itself, rows would be lost: a defect here, not in the delivery."""
