"""Which column of a file is which of the contract's. Names beat kinds, kinds break ties."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from abintel_pipeline.inspecting.profiles import Column
from abintel_pipeline.inspecting.synonyms import (
    NAMES,
    OF_SYSTEM,
    STATUS_WORDS,
    TOKENS,
    folded,
    system_of,
)

NUMBERS = ("amount", "quantity", "unit_price", "loyalty_score")
TABLE_ROLES = {
    "transactions": ("customer_id", "transaction_id", "date", "product_id"),
    "customers": ("customer_id", "loyalty_score"),
}
MOSTLY_MISSING = 0.05
"""A column that misses more than this share of its values gives way to one that has them."""


@dataclass(frozen=True)
class Match:
    """What was found for one role: `column`, or `candidates` among which a person must choose.

    `by` says how: `name`, `part of its name`, or `its kind`. `unfit` has the right name, but its
    values can't be read.
    """

    role: str
    column: Column | None = None
    by: str = "name"
    candidates: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    unfit: Column | None = None


@dataclass(frozen=True)
class Matches:
    """{role: match} for the file's columns, and the export that it looks like."""

    roles: dict[str, Match]
    system: str | None = None
    columns: tuple[Column, ...] = ()

    def column(self, role: str) -> Column | None:
        match = self.roles.get(role)
        return match.column if match else None

    def name(self, role: str) -> str | None:
        column = self.column(role)
        return column.name if column else None

    @property
    def unsure(self) -> list[Match]:
        """Roles with candidates that nobody has chosen from."""
        return [match for match in self.roles.values() if match.column is None and match.candidates]


def match_columns(columns: list[Column], table: str, given: dict[str, str | None]) -> Matches:
    """What each column is; `given` is what the settings in force say already."""
    system = system_of(tuple(column.name for column in columns))
    known = OF_SYSTEM.get(system or "", {}) | {r: n for r, n in given.items() if n is not None}
    roles: dict[str, Match] = {}
    used: set[str] = set()
    optional = ("line_id", "cancelled", "status") if table == "transactions" else ()
    measures = ("amount", "quantity", "unit_price") if table == "transactions" else ()
    for role in (*TABLE_ROLES[table], *measures, *optional):
        if role in given and given[role] is None:
            continue
        free = [column for column in columns if column.name not in used]
        roles[role] = _match(role, free, known.get(role))
        if (column := roles[role].column) and role != "status":
            used.add(column.name)
    return Matches(roles, system, tuple(columns))


def _match(role: str, columns: list[Column], known: str | None) -> Match:
    if known is not None:
        said = next((c for c in columns if folded(c.name) == folded(known)), None)
        if said is not None:
            return Match(role, said)
    fitting = [column for column in columns if _fits(role, column)]
    if by_name := _by_name(role, fitting):
        best = by_name[0] if role == "customer_id" else _fullest(by_name)
        return Match(role, best, also=_names(c for c in by_name if c is not best))
    by_part = [c for c in fitting if any(part in folded(c.name) for part in TOKENS.get(role, ()))]
    if len(by_part) == 1:
        return Match(role, by_part[0], "part of its name")
    if by_part:
        return Match(role, candidates=_names(by_part))
    unfit = next((c for c in _by_name(role, columns) if c.filled), None)
    return replace(_by_kind(role, columns), unfit=unfit)


def _by_kind(role: str, columns: list[Column]) -> Match:
    """The only date of a file is its date; an amount or a customer is left to a person."""
    if role == "date":
        dates = [column for column in columns if column.is_date]
        if len(dates) == 1:
            return Match(role, dates[0], "its kind")
        return Match(role, candidates=_names(dates))
    if role == "customer_id":
        others = {folded(name) for other in NAMES if other != role for name in NAMES[other]}
        free = (c for c in columns if c.filled and not c.is_date and folded(c.name) not in others)
        return Match(role, candidates=_names(free))
    return Match(role)


def _by_name(role: str, columns: list[Column]) -> list[Column]:
    """Columns with a known name, the most likely first."""
    order = {folded(name): number for number, name in reversed(list(enumerate(NAMES[role])))}
    named = [column for column in columns if folded(column.name) in order]
    return sorted(named, key=lambda column: order[folded(column.name)])


def _fullest(columns: list[Column]) -> Column:
    """The first, unless it misses values that another one has.

    Not for customers: guests have an e-mail address but no number, and would be other people.
    """
    first = columns[0]
    if _share_missing(first) <= MOSTLY_MISSING:
        return first
    whole = (c for c in columns[1:] if _share_missing(c) == 0)
    return next(whole, first)


def _share_missing(column: Column) -> float:
    rows = column.filled + column.missing
    return column.missing / rows if rows else 0.0


def _fits(role: str, column: Column) -> bool:
    if role == "date":
        return column.is_date
    if role in NUMBERS:
        return column.is_number
    if role == "cancelled":
        return True
    if role == "status":
        return column.has_few_values and bool(status_words(column))
    return bool(column.filled) and (not column.is_date or column.is_number)


def status_words(column: Column) -> set[str]:
    """The words in a column that say what became of an order."""
    return {value for value in column.values if value.casefold() in STATUS_WORDS}


def _names(columns: Iterable[Column]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)
