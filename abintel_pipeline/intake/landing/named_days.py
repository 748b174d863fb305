"""Which day a file or a folder in the landing folder belongs to: its name says it somewhere."""

import re
from datetime import date
from urllib.parse import unquote

IGNORED_ENDINGS = (".tmp", ".part", ".crc")
"""Files still being written, and Hadoop's checksums."""

IGNORED_NAMES = frozenset({"thumbs.db", "desktop.ini"})

_DAY = re.compile(r"(?<!\d)(\d{4})([-_.]?)(\d\d)\2(\d\d)(?!\d)")
_YEARS = range(1900, 3000)
_HIVE = re.compile(r"([^=/]+)=([^/]*)")
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def is_ignored(name: str) -> bool:
    """Whether a name is no delivery's: still being written, or what Spark and Windows leave."""
    folded = name.lower()
    return (
        name.startswith((".", "_")) or folded.endswith(IGNORED_ENDINGS) or folded in IGNORED_NAMES
    )


def days_in(name: str) -> set[date]:
    """Every day that stands in a name, as `2026-11-15`, `20261115`, `2026_11_15` or `2026.11.15`.

    >>> sorted(map(str, days_in("sales_20261115_to_2026-11-16.csv")))
    ['2026-11-15', '2026-11-16']
    """
    found = set()
    for year, _, month, day in _DAY.findall(name):
        try:
            if int(year) in _YEARS:
                found.add(date(int(year), int(month), int(day)))
        except ValueError:
            continue
    return found


def day_in(name: str) -> date | None:
    """The one day that stands in a name; None: there is none, or more than one."""
    found = days_in(name)
    return next(iter(found)) if len(found) == 1 else None


def columns_in(folders: tuple[str, ...]) -> dict[str, str]:
    """The columns that stand in folders' names, as Spark's partitionBy writes them.

    >>> columns_in(("2026-11-15", "date=2026-11-15", "shop=K%C3%B6ln"))
    {'date': '2026-11-15', 'shop': 'Köln'}
    """
    pairs = (match.groups() for name in folders if (match := _HIVE.fullmatch(name)))
    return {unquote(n): "" if value == _HIVE_NULL else unquote(value) for n, value in pairs}
