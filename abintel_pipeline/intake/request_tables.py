"""The two request tables as intake sees them: their rows, and where a source has their columns.

A row brings a text for each of the contract's columns; where the settings ask for it, also the
second factor of an amount that is a product, and the columns by which rows are kept. The source's
names match without regard to case and outer blanks.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandera.pandas as pandera
import pyarrow as pa

from abintel_pipeline.contract import Table
from abintel_pipeline.contract.customers import (
    CUSTOMER_IDENTITY,
    RAW_CUSTOMERS,
    REJECTED_CUSTOMERS,
    RawCustomers,
)
from abintel_pipeline.contract.transactions import (
    LINE_POSITION,
    RAW_TRANSACTIONS,
    REJECTED_TRANSACTIONS,
    transactions_schema,
)
from abintel_pipeline.engine.sql import identifier, quoted
from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.settings import Settings
from abintel_pipeline.settings.source import OPTIONAL_COLUMNS, product_of

FACTOR = "amount_by"
"""The text by which `amount` is multiplied."""


@dataclass(frozen=True)
class RequestTable:
    """One request table; everything about its columns is read off its Pandera model.

    `identity` says where a row stands; rows there are alike if their `values` are.
    """

    folder: str
    raw: Table
    rejected: Table
    identity: tuple[str, ...]
    values: tuple[str, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The contract's columns that a source can bring, in the model's order."""
        return tuple(name for name in self.raw.schema.names if name != self.raw.partition_column)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The columns that are text, ids all of them."""
        return tuple(c for c in self.columns if pa.types.is_string(self.kind(c)))

    @property
    def identity_label(self) -> str:
        return ", ".join(self.identity)

    def kind(self, column: str) -> pa.DataType:
        return self.raw.schema.field(column).type

    def schema(self, settings: Settings) -> pandera.DataFrameSchema:
        """The Pandera schema in force."""
        if self.raw is not RAW_TRANSACTIONS:
            return RawCustomers.to_schema()
        absent = [name for name, source in settings.transaction_columns.items() if source is None]
        return transactions_schema(
            settings.currency_decimals, returns=settings.returns == "net", absent=absent
        )

    def query(self, settings: Settings) -> str | None:
        """The query that brings the table from a SQL database, where one is set."""
        if settings.sql_url is None:
            return None
        return getattr(settings, f"{self.folder}_query")  # type: ignore[no-any-return]


TRANSACTIONS = RequestTable(
    "transactions",
    RAW_TRANSACTIONS,
    REJECTED_TRANSACTIONS,
    LINE_POSITION,
    ("amount", "cancelled"),
)
CUSTOMERS = RequestTable(
    "customers", RAW_CUSTOMERS, REJECTED_CUSTOMERS, CUSTOMER_IDENTITY, ("loyalty_score",)
)


# ── where a source has their columns ──────────────────────────────────────────

Place = int | str | None
"""A text's position among a source's columns, or itself where it is the same for all rows of a
file, or None: the source doesn't have it."""


@dataclass(frozen=True)
class Wanted:
    """A text that is read, by the name it has from then on, and the source's name for it."""

    name: str
    source: str | None
    required: bool = True


@dataclass(frozen=True)
class SourceColumns:
    """The texts that one table's rows bring, under these settings."""

    table: RequestTable
    settings: Settings

    @cached_property
    def wanted(self) -> tuple[Wanted, ...]:
        """The contract's columns in their order, then the others."""
        mapping = self.settings.columns_of(self.table.folder)
        found = []
        for column in self.table.columns:
            optional = column in OPTIONAL_COLUMNS and column not in mapping
            found.append(Wanted(column, mapping.get(column, column), not optional))
        if self.factors:
            place = self.table.columns.index("amount")
            found[place] = Wanted("amount", self.factors[0])
            found.append(Wanted(FACTOR, self.factors[1]))
        return (*found, *(Wanted(name, source) for name, source in self.kept.items()))

    def may_have(self, column: str) -> bool:
        """Whether a source may bring a column: it isn't mapped to null."""
        return self.settings.columns_of(self.table.folder).get(column, column) is not None

    @cached_property
    def factors(self) -> tuple[str, str] | None:
        """The two columns whose product is the amount, where it is one."""
        source = self.settings.columns_of(self.table.folder).get("amount")
        return product_of(source) if self.table is TRANSACTIONS and source else None

    @cached_property
    def kept(self) -> dict[str, str]:
        """{text: source column} of the columns by which transaction rows are kept."""
        rules = self.settings.keep_rows if self.table is TRANSACTIONS else {}
        return {f"kept_{number}": source for number, source in enumerate(rules)}

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The names of all texts, in their order."""
        return tuple(one.name for one in self.wanted)

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """The source's names of what every file must have."""
        return tuple(one.source for one in self.wanted if one.source and one.required)

    def placed(
        self, names: Sequence[str], told: str, constants: Mapping[str, str] | None = None
    ) -> dict[str, Place]:
        """Where each text stands among a source's columns.

        `constants` are columns that stand in a file's path, `told` says which file, and where.
        Raises DeliveryError when a needed column is missing, or is there twice.
        """
        found: dict[str, Place] = {}
        missing = []
        for one in self.wanted:
            place = None if one.source is None else _place(names, one.source, told, constants or {})
            if place is None and one.source is not None and one.required:
                missing.append(one.source)
            found[one.name] = place
        if missing:
            raise DeliveryError(self._missing(missing, names, told))
        return found

    def has_all(self, names: Sequence[str]) -> bool:
        """Whether these names hold every needed column."""
        known = {_folded(name) for name in names}
        return all(_folded(name) in known for name in self.needed)

    @cached_property
    def neutral(self) -> dict[str, str]:
        """What the texts beside the contract's columns are in a request document."""
        keep = self.settings.keep_rows
        return {FACTOR: "1"} | {
            name: next(iter(keep[source])) for name, source in self.kept.items()
        }

    def is_number(self, name: str) -> bool:
        """Whether a text is read as a number, with the source's decimal mark."""
        if name not in self.table.columns:
            return name == FACTOR
        kind = self.table.kind(name)
        return bool(pa.types.is_decimal(kind) or pa.types.is_floating(kind))

    def number_text(self, text: str) -> str:
        """A number's text with the source's decimal mark in place of the point."""
        return text.replace(".", self.settings.decimal_mark)

    def selected(self, placed: Mapping[str, Place], at: Callable[[int], str]) -> str:
        """The texts as a SQL select list; `at` gives the SQL of the source's n-th column."""
        return ", ".join(f"{_sql(placed[name], at)} AS {identifier(name)}" for name in self.texts)

    def values(self, placed: Mapping[str, Place], row: Sequence[object]) -> dict[str, object]:
        """The texts' values in one row."""
        return {n: row[p] if isinstance(p, int) else p for n, p in placed.items()}

    def _missing(self, missing: list[str], names: Sequence[str], told: str) -> str:
        variable = f"ABINTEL_{self.table.folder.removesuffix('s').upper()}_COLUMNS"
        near = {name: nearest(name, names) for name in missing}
        guesses = [f"{found!r} for {name!r}" for name, found in near.items() if found]
        meant = f" (is {' and '.join(guesses)} meant?)" if guesses else ""
        return (
            f"{told}: no column {', '.join(map(repr, missing))}; it has"
            f" {_listed(names)}{meant}: name the source's columns in {variable}"
        )


class Keys:
    """Finds texts in rows that are objects, whose keys may differ from row to row."""

    def __init__(self, columns: SourceColumns, constants: Mapping[str, str] | None = None) -> None:
        self._columns, self._constants = columns, constants or {}
        self._places: dict[tuple[str, ...], dict[str, Place]] = {}

    def values(self, row: Mapping[str, object]) -> dict[str, object]:
        """The texts' values in one row; a key that isn't there is a missing value."""
        names = tuple(row)
        if names not in self._places:
            self._places[names] = {
                one.name: one.source and _place(names, one.source, "", self._constants, first=True)
                for one in self._columns.wanted
            }
        return self._columns.values(self._places[names], tuple(row.values()))


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name among some that is most like another, if one is at all like it."""
    folded = {_folded(one): one for one in names}
    found = difflib.get_close_matches(_folded(name), folded, 1, 0.5)
    return folded[found[0]] if found else None


def _place(
    names: Sequence[str],
    source: str,
    told: str,
    constants: Mapping[str, str],
    *,
    first: bool = False,
) -> Place:
    exact = [number for number, name in enumerate(names) if name == source]
    alike = [number for number, name in enumerate(names) if _folded(name) == _folded(source)]
    found = exact or alike
    if len(found) > 1 and not first:
        raise DeliveryError(
            f"{told}: column {source!r} stands there twice: nobody can tell which counts"
        )
    if found:
        return found[0]
    return next((v for name, v in constants.items() if _folded(name) == _folded(source)), None)


def _folded(name: str) -> str:
    return name.strip().strip("\ufeff").strip().casefold()


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(repr(name.replace("\ufeff", r"\ufeff"))[1:-1] for name in names)
    return text if len(text) <= 300 else text[:300] + "…"


def _sql(place: Place, at: Callable[[int], str]) -> str:
    if isinstance(place, int):
        return at(place)
    return "NULL::VARCHAR" if place is None else f"{quoted(place)}::VARCHAR"
