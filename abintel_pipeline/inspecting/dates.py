"""How the dates of a column are written. Day first or month first is proved, never guessed."""

import re
from dataclasses import dataclass
from datetime import date

from abintel_pipeline.inspecting.distinct_values import DistinctValues
from abintel_pipeline.intake.texts.dates import date_typed, format_pattern
from abintel_pipeline.settings import Settings
from abintel_pipeline.settings.source import BASIC_DATES, ISO_DATES

DAYS = (
    "%d.%m.%Y",
    "%m.%d.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y-%m-%d",
    "%d.%m.%y",
    "%m.%d.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%m-%y",
    "%m-%d-%y",
    "%y/%m/%d",
    "%y-%m-%d",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d %B %Y",
    "%B %d, %Y",
)
CLOCKS = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S.%f",
    " %I:%M %p",
    " %I:%M:%S %p",
    "T%H:%M:%S",
    ", %H:%M",
    ", %I:%M %p",
)
EARLIEST = date(1, 1, 2)

_PATTERNS = {
    day + clock: re.compile(format_pattern(day + clock)) for day in DAYS for clock in CLOCKS
} | {BASIC_DATES: re.compile(r"\d{8}")}
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d.*)?")
_ZONED = r"regexp_full_match(trim(text), '\d{4}-\d\d-\d\d[T ].*(Z|z|[+-]\d\d(:?\d\d)?)')"
_CLOCKED = r"regexp_full_match(trim(text), '\d{4}-\d\d-\d\d[T ]\d.*')"
_OTHER_DAY = "CAST(TRY_CAST(trim(text)[:10] AS DATE) AS VARCHAR)"


@dataclass(frozen=True)
class Dates:
    """What reads a column as dates: {format: (rows, mark of the days that were read)}.

    `clocked` counts ISO timestamps, `zoned` those with an offset, and `moved` those whose day in
    UTC is another than the one that is written.
    """

    readings: dict[str, tuple[int, int]]
    clocked: int = 0
    zoned: int = 0
    moved: int = 0

    @property
    def best(self) -> int:
        """The most rows that a format reads."""
        return max((rows for rows, _ in self.readings.values()), default=0)

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that read the most; more than one: they read other days, none is proved."""
        best = [name for name, (rows, _) in self.readings.items() if rows == self.best]
        marks: dict[int, str] = {}
        for name in best:
            marks.setdefault(self.readings[name][1], name)
        return tuple(marks.values())


def dates_of(values: DistinctValues) -> Dates | None:
    """How a column's dates are written; None where few of its values look like dates."""
    if values.share_like(_ISO) >= 0.5:
        return _iso_dates(values)
    formats = [name for name, like in _PATTERNS.items() if values.share_like(like) >= 0.5]
    if not formats:
        return None
    ways = {name: _read(values.settings, name) for name in formats}
    found = Dates(values.readings(ways))
    return found if found.best * 2 >= values.filled else None


def read_dates(text: str, settings: Settings) -> str:
    """SQL of a day from a text, however early it is."""
    return date_typed(text, settings.model_copy(update={"earliest_date": EARLIEST}))


def with_format(settings: Settings, date_format: str) -> Settings:
    return settings.model_copy(update={"date_format": date_format})


def _read(settings: Settings, name: str) -> str:
    return read_dates("text", with_format(settings, name))


def _iso_dates(values: DistinctValues) -> Dates:
    """ISO dates, and timestamps read in UTC."""
    utc = values.settings.model_copy(update={"source_timezone": "UTC", "date_format": ISO_DATES})
    day = read_dates("text", utc)
    counts = values.counts(
        {
            "clocked": _CLOCKED,
            "zoned": _ZONED,
            "moved": f"{_ZONED} AND CAST({day} AS VARCHAR) <> {_OTHER_DAY}",
        }
    )
    return Dates(values.readings({ISO_DATES: day}), **counts)
