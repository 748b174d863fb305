"""What each column of a file holds."""

import re
from dataclasses import dataclass

from abintel_pipeline.inspecting.dates import Dates, dates_of
from abintel_pipeline.inspecting.distinct_values import DistinctValues
from abintel_pipeline.inspecting.encodings import Progress
from abintel_pipeline.inspecting.numbers import Numbers, choose_marks, numbers_of
from abintel_pipeline.inspecting.text_rows import TextRows
from abintel_pipeline.settings import Settings
from abintel_pipeline.settings.source import BASIC_DATES, ISO_DATES

FEW_VALUES = 20
"""A column with at most so many values is shown with all of them."""

MOSTLY, NEARLY_ALL = 0.5, 0.9
YES_NO = {"yes", "no", "true", "false", "y", "n", "t", "f", "1", "0", "ja", "nein", "j", "x"}


@dataclass(frozen=True)
class Column:
    """One column: `blank` rows have nothing in it, `words` are words for a missing value.

    `values` are all values with their rows, where they are few, else the commonest.
    """

    name: str
    kind: str
    example: str
    filled: int
    blank: int
    words: dict[str, int]
    distinct: int
    values: dict[str, int]
    numbers: Numbers | None
    dates: Dates | None

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return self.blank + sum(self.words.values())

    @property
    def is_date(self) -> bool:
        return self.dates is not None and self.dates.best > MOSTLY * self.filled

    @property
    def is_number(self) -> bool:
        return self.numbers is not None and self.numbers.best > MOSTLY * self.filled

    @property
    def has_few_values(self) -> bool:
        return 0 < self.distinct <= FEW_VALUES


def profile(rows: TextRows, settings: Settings, progress: Progress) -> list[Column]:
    """Every column of the rows, in their order."""
    found = []
    for number, name in enumerate(rows.names):
        progress("columns", number, len(rows.names))
        found.append(_column(name, DistinctValues.of(rows, name, settings)))
    progress("columns", len(rows.names), len(rows.names))
    return found


def _column(name: str, values: DistinctValues) -> Column:
    numbers, dates = numbers_of(values), dates_of(values)
    commonest = values.commonest(FEW_VALUES)
    return Column(
        name,
        _kind(values, commonest, numbers, dates),
        next(iter(commonest), ""),
        values.filled,
        values.blank,
        values.words,
        values.distinct,
        commonest,
        numbers,
        dates,
    )


def _kind(
    values: DistinctValues,
    commonest: dict[str, int],
    numbers: Numbers | None,
    dates: Dates | None,
) -> str:
    if not values.filled:
        return "nothing"
    words = {text.casefold() for text in commonest}
    if 2 <= values.distinct <= 3 and words <= YES_NO:
        return "yes or no"
    if dates and dates.best > MOSTLY * values.filled:
        return _date_kind(dates, values.filled)
    if numbers and numbers.best > NEARLY_ALL * values.filled:
        return _number_kind(numbers, values.filled)
    is_id = sum(bool(re.fullmatch(r"\S*\d\S*", text)) for text in commonest)
    return "id" if is_id > MOSTLY * len(commonest) else "text"


def _date_kind(dates: Dates, filled: int) -> str:
    if dates.clocked > MOSTLY * filled:
        return "timestamp with offset" if dates.zoned else "timestamp"
    formats = dates.formats
    if formats in {(ISO_DATES,), (BASIC_DATES,)}:
        return f"date {formats[0]}"
    return "date " + " or ".join(formats)


def _number_kind(numbers: Numbers, filled: int) -> str:
    if numbers.whole > MOSTLY * filled and numbers.whole == numbers.best:
        return "whole number"
    if numbers.floats > MOSTLY * filled and numbers.whole + numbers.floats == numbers.best:
        return "whole number as float"
    return f"decimal {choose_marks([numbers]).way}"
