r"""Dates: the day of a date, or of a timestamp in the source's time zone.

- A date is written as the settings say, or as ISO: `2025-04-21`. Whether `05/03` is May or March is
  never guessed. DuckDB alone would take `2025-04-21T23:30+02:00` for a date without a word, so a
  pattern comes before every cast.
- An ISO timestamp counts only where a source time zone is set; one with an offset is turned into
  that zone. What is looked at is the day that comes out: `0001-01-01T00:00:00Z` west of Greenwich
  is a day before year 1, and the end of 9999 one of year 10000, which Python doesn't know.
"""

import re
from datetime import date, timedelta

from abintel_pipeline.engine.sql import first_case, quoted
from abintel_pipeline.intake.texts.ids import missing_cases
from abintel_pipeline.settings import Settings
from abintel_pipeline.settings.source import BASIC_DATES, DIRECTIVES, ISO_DATES

_DATE = r" *\d{4}-\d\d-\d\d *"
_CLOCK = r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?"
_OFFSET = r"([Zz]|[+-](0\d|1[0-3])(:?[0-5]\d)?|[+-]14(:?00)?)"
_LOCAL = rf" *\d{{4}}-\d\d-\d\d{_CLOCK} *"
_ZONED = rf" *\d{{4}}-\d\d-\d\d{_CLOCK} ?{_OFFSET} *"


def date_typed(text: str, settings: Settings) -> str:
    """SQL of a day from its text; null where it is none, or none that is plausible."""
    before = f"DATE '{settings.earliest_date - timedelta(days=1)}'"
    day = f"least(greatest({_day(text, settings)}, {before}), DATE '{date.max}')"
    return f"nullif({day}, {before})"


def date_problem(text: str, settings: Settings) -> str:
    """SQL of why a text is no day; null where it is one."""
    cases = missing_cases(text, settings)
    if settings.source_timezone is None:
        timestamp = f"{_is(text, _LOCAL)} OR {_is(text, _ZONED)}"
        cases.append((timestamp, "a timestamp; set ABINTEL_SOURCE_TIMEZONE to take its day"))
    day, earliest = _day(text, settings), settings.earliest_date
    told = f"before {earliest}, the first plausible day (ABINTEL_EARLIEST_DATE)"
    cases += [(f"{day} IS NULL", _not_a_date(settings)), (f"{day} < DATE '{earliest}'", told)]
    return first_case(cases)


def format_pattern(date_format: str) -> str:
    """The regular expression of the texts that a date format may stand for."""
    parts = re.split(r"(%.)", date_format)
    return "".join(DIRECTIVES.get(part) or re.escape(part) for part in parts)


def _day(text: str, settings: Settings) -> str:
    plain = f"WHEN {_is(text, _DATE)} THEN TRY_CAST({text} AS DATE)"
    return f"(CASE {_formatted(text, settings)} {plain}{_timestamps(text, settings)} END)"


def _formatted(text: str, settings: Settings) -> str:
    """WHEN of a date in the format that is set; nothing for ISO."""
    if settings.date_format == ISO_DATES:
        return ""
    basic = settings.date_format == BASIC_DATES
    wanted = "%Y%m%d" if basic else settings.date_format
    pattern = r"\d{8}" if basic else format_pattern(wanted)
    moment = f"try_strptime(trim({text}), {quoted(wanted)})"
    if "%z" in wanted:
        moment = f"timezone('{settings.source_timezone}', {moment})"
    return f"WHEN {_is(f'trim({text})', pattern)} THEN {moment}::DATE"


def _timestamps(text: str, settings: Settings) -> str:
    """WHENs of ISO timestamps, where a source time zone is set."""
    zone = settings.source_timezone
    if zone is None:
        return ""
    seconds = f"regexp_replace(upper(trim({text})), '[.,][0-9]+', '')"
    joined = rf"regexp_replace({seconds}, ' ([Z+-])', '\1')"
    instant = rf"regexp_replace({joined}, '([+-]\d\d):?(\d\d)$', '\1:\2')"
    return (
        f" WHEN {_is(text, _LOCAL)} THEN TRY_CAST({seconds} AS TIMESTAMP)::DATE"
        f" WHEN {_is(text, _ZONED)}"
        f" THEN timezone('{zone}', TRY_CAST({instant} AS TIMESTAMPTZ))::DATE"
    )


def _not_a_date(settings: Settings) -> str:
    if settings.date_format == ISO_DATES:
        return "not an ISO calendar date"
    return f"no calendar date like {settings.date_format}"


def _is(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, {quoted(pattern)})"
