"""How the numbers of a column are written: what stands before decimals and between thousands."""

import re
from dataclasses import dataclass

from abintel_pipeline.inspecting.distinct_values import DistinctValues
from abintel_pipeline.intake.texts.numbers import pointed
from abintel_pipeline.settings import Settings

Marks = tuple[str, str | None]
"""The decimal mark and the thousands mark; None: what is in force where none is set."""

MARKS: dict[str, Marks] = {
    "point": (".", None),
    "comma": (",", None),
    "point, comma in thousands": (".", ","),
    "comma, space in thousands": (",", " "),
    "point, space in thousands": (".", " "),
    "point, apostrophe in thousands": (".", "'"),
    "comma, apostrophe in thousands": (",", "'"),
}
"""In the order in which they are preferred where they read the same."""

_LOOSE = re.compile(r"[\s+-]*[\d.,][\d\s.,'’\u00a0\u202f+-]*([eE][+-]?\d+)?[\s-]*")
_NOISE = r"[+-]?\d+[.,]\d*(0{6,}[1-9]\d{0,2}|9{6,}\d{0,2})"


@dataclass(frozen=True)
class Numbers:
    """What reads a column as numbers: {way: (rows, mark of what was read)}.

    `whole` counts whole numbers, `floats` those that a program wrote as floats (17850.0), `noise`
    values such as 15.299999999999999, `negative` those below zero.
    """

    readings: dict[str, tuple[int, int]]
    whole: int
    floats: int
    noise: int
    negative: int

    @property
    def best(self) -> int:
        """The most rows that a way reads."""
        return max((rows for rows, _ in self.readings.values()), default=0)


def with_marks(settings: Settings, marks: Marks) -> Settings:
    decimal, thousands = marks
    return settings.model_copy(update={"decimal_mark": decimal, "thousands_mark": thousands})


def numbers_of(values: DistinctValues) -> Numbers | None:
    """How a column's numbers are written; None where few of its values look like numbers."""
    if values.share_like(_LOOSE) < 0.5:
        return None
    ways = {
        way: pointed("text", with_marks(values.settings, marks)) for way, marks in MARKS.items()
    }
    counts = values.counts(
        {
            "whole": r"regexp_full_match(trim(text), '[+-]?\d+')",
            "floats": r"regexp_full_match(trim(text), '[+-]?\d+\.0')",
            "noise": f"regexp_full_match(trim(text), '{_NOISE}')",
            "negative": r"regexp_full_match(trim(text), '-.*[1-9].*|.*[1-9].*-')",
        }
    )
    return Numbers(values.readings(ways), **counts)


@dataclass(frozen=True)
class MarksChosen:
    """The marks that read the most; `others` read as much, but as other numbers."""

    way: str
    others: tuple[str, ...] = ()


def choose_marks(columns: list[Numbers]) -> MarksChosen:
    """The marks for all columns that are read as numbers."""
    read = {way: sum(one.readings[way][0] for one in columns) for way in MARKS}
    best = next(way for way in MARKS if read[way] == max(read.values()))
    others = [
        way
        for way in MARKS
        if read[way] == read[best]
        and any(one.readings[way][1] != one.readings[best][1] for one in columns)
    ]
    return MarksChosen(best, tuple(others))
