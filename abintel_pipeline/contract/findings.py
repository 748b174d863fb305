"""What a check found on one day of one table: for every check and every place that shows it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

Figure = int | float | str


@dataclass(frozen=True)
class Finding:
    """One check of one day of one table: whether it passed, in a sentence and in numbers.

    A finding that blocks was made on staged files: one that failed keeps them from being published.
    """

    table: str
    day: date
    check: str
    passed: bool
    sentence: str
    numbers: Mapping[str, Figure] = field(default_factory=dict)
    blocking: bool = True


class VerificationFailed(Exception):
    """Staged tables failed a check and were not published; what was published before stays.

    Names table, day, check and number of each failure, and the first examples. `findings` holds
    every finding of the rejected days, those that passed too. `others` are what else went wrong.
    """

    def __init__(self, findings: list[Finding], others: Iterable[Exception] = ()) -> None:
        self.findings = findings
        lines = [
            f"{one.table} of {one.day} was not published: {one.check}: {one.sentence}"
            for one in findings
            if not one.passed
        ]
        super().__init__("\n".join([*lines, *map(str, others)]))


def warning(
    table: str, day: date, check: str, passed: bool, sentence: str, **numbers: Figure
) -> Finding:
    """A finding about what is published: if it doesn't pass, somebody should look."""
    return Finding(table, day, check, passed, sentence, numbers, blocking=False)
