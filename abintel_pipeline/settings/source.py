"""What a source's deliveries look like: where they come from, and how they are read.

One group of settings, the same for every format. Nothing here is guessed: `abintel inspect FILE`
proposes them.
"""

import codecs
import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

TRANSACTION_COLUMNS = (
    "customer_id",
    "transaction_id",
    "date",
    "amount",
    "product_id",
    "line_id",
    "cancelled",
)
CUSTOMER_COLUMNS = ("customer_id", "loyalty_score")
"""What a source can bring: the contract's columns without the delivery day."""

OPTIONAL_COLUMNS = ("line_id", "cancelled")
"""Columns that are read where a source has them."""

ABSENT_COLUMNS = ("transaction_id", "product_id", *OPTIONAL_COLUMNS)
"""Columns that may be mapped to null: the source has none of them."""

MISSING_WORDS = ("NA", "N/A", "#N/A", "NULL", "null", r"\N", "nan", "NaN", "None")
"""What R, Excel, SQL and pandas write where a value is missing."""

CANCELLED_WORDS = {
    "true": True,
    "yes": True,
    "1": True,
    "false": False,
    "no": False,
    "0": False,
    "": False,
}
ANY_WORD = "*"
"""In `cancelled_words`: every word that isn't named."""

ISO_DATES, BASIC_DATES = "ISO", "YYYYMMDD"
DIRECTIVES = {
    "%Y": r"\d{4}",
    "%y": r"\d\d",
    "%m": r"\d{1,2}",
    "%d": r"\d{1,2}",
    "%b": r"[A-Za-z]{3}",
    "%B": r"[A-Za-z]+",
    "%H": r"\d{1,2}",
    "%I": r"\d{1,2}",
    "%M": r"\d\d",
    "%S": r"\d\d",
    "%f": r"\d{1,6}",
    "%p": r"[AaPp][Mm]",
    "%z": r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)",
}
"""What a date format is made of, and the texts that each part stands for."""

_DAYS = ({"%Y", "%y"}, {"%m", "%b", "%B"}, {"%d"})


def product_of(source: str) -> tuple[str, str] | None:
    """The two columns of `amount` as a product, `Quantity * UnitPrice`; None: it is one column."""
    parts = [part.strip() for part in source.split(" * ")]
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None


@cache
def _time_zones() -> frozenset[str]:
    """Every name that there is. To list them reads 600 files, which takes 25 ms."""
    return frozenset(available_timezones())


def _time_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError(f"{name!r} is no IANA time zone such as 'Europe/Berlin' or 'UTC'")
    return name


def _delimiter(mark: str) -> str:
    if len(mark) != 1 or not mark.isascii() or mark in '"\r\n\0':
        raise ValueError(f"{mark!r} can't separate fields: give one ASCII character")
    return mark


def _encoding(name: str) -> str:
    try:
        found = codecs.lookup(name)
        text = b"a\n".decode(name) if not found.name.startswith(("utf-16", "utf-32")) else "a\n"
    except (LookupError, UnicodeError, TypeError):
        raise ValueError(f"{name!r} is no encoding such as 'utf-8', 'cp1252' or 'utf-16'") from None
    if text != "a\n":
        raise ValueError(f"{name!r} doesn't write plain letters as plain letters: convert the file")
    return found.name


def _date_format(text: str) -> str:
    if text in (ISO_DATES, BASIC_DATES):
        return text
    used = re.findall(r"%.?", text)
    if unknown := [one for one in used if one not in DIRECTIVES]:
        raise ValueError(
            f"{unknown[0]!r} is no part of a date format: write {ISO_DATES}, {BASIC_DATES}, or a"
            f" pattern of {' '.join(DIRECTIVES)} such as %d.%m.%Y"
        )
    if not all(part & set(used) for part in _DAYS):
        raise ValueError(f"{text!r} doesn't tell year, month and day: write %d.%m.%Y, for example")
    if text.startswith("%Y-%d-%m"):
        raise ValueError(f"dates like {text!r} can't be told from an ISO date: convert them")
    if len(used) != len(set(used)):
        raise ValueError(f"{text!r} names a part twice")
    if ("%I" in used) != ("%p" in used) or {"%H", "%I"} <= set(used):
        raise ValueError(f"{text!r}: an hour is %H (0 to 23), or %I with %p (AM or PM)")
    return text


def _one_source_each(columns: tuple[str, ...]) -> AfterValidator:
    def checked(mapping: dict[str, str | None]) -> dict[str, str | None]:
        if unknown := sorted(set(mapping) - set(columns)):
            raise ValueError(
                f"{unknown[0]!r} is no column of the contract: write {{contract name: source name}}"
                f" with the names {', '.join(columns)}"
            )
        if absent := [c for c, s in mapping.items() if s is None and c not in ABSENT_COLUMNS]:
            raise ValueError(f"{absent[0]!r} can't be null: every row needs one")
        if blank := [c for c, s in mapping.items() if s is not None and not s.strip()]:
            raise ValueError(f"{blank[0]!r} has no name: write the source's name, or null")
        wanted = {c: mapping.get(c, c) for c in columns if c not in OPTIONAL_COLUMNS}
        wanted |= {c: s for c, s in mapping.items() if c in OPTIONAL_COLUMNS}
        sources = [source.strip().casefold() for source in wanted.values() if source is not None]
        if twice := [name for name in sources if sources.count(name) > 1]:
            named = next(s for s in wanted.values() if s and s.strip().casefold() == twice[0])
            raise ValueError(f"two columns come from {named!r}: give each its own")
        return mapping

    return AfterValidator(checked)


def _usable_words(words: dict[str, bool]) -> dict[str, bool]:
    folded = [word.strip().casefold() for word in words]
    if twice := [word for word in folded if folded.count(word) > 1]:
        raise ValueError(f"the word {twice[0]!r} stands twice: letters' case doesn't count")
    return words


def _some_values(kept: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if empty := [column for column, values in kept.items() if not values]:
        raise ValueError(f"{empty[0]!r} keeps no value, so no row: name those that count")
    return kept


TimeZoneName = Annotated[str, AfterValidator(_time_zone)]
Mapped = dict[str, str | None]


class SourceSettings(BaseModel):
    """How deliveries are read: one group, to be set per code location."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    transaction_columns: Annotated[Mapped, _one_source_each(TRANSACTION_COLUMNS)] = Field(
        {},
        description="The source's names of transaction columns: {contract name: source name}."
        ' `amount` may be a product, "Quantity * UnitPrice"; transaction_id and product_id may be'
        " null where the source has none.",
    )
    customer_columns: Annotated[Mapped, _one_source_each(CUSTOMER_COLUMNS)] = Field(
        {}, description="The source's names of customer columns: {contract name: source name}."
    )
    csv_delimiter: Annotated[str, AfterValidator(_delimiter)] | None = Field(
        None,
        description="What separates the fields of a CSV file; unset: whichever of , ; | and tab"
        " gives a header with every needed column.",
    )
    encoding: Annotated[str, AfterValidator(_encoding)] = Field(
        "utf-8", description="Encoding of CSV files and JSON lines: utf-8, cp1252, utf-16, …"
    )
    decimal_mark: Literal[".", ","] = Field(
        ".", description="What stands between the whole part of a number and its decimals."
    )
    thousands_mark: Literal[".", ",", " ", "'"] | None = Field(
        None,
        description="What parts the thousands of a number; unset: a point where the decimal mark is"
        " a comma, else nothing.",
    )
    date_format: Annotated[str, AfterValidator(_date_format)] = Field(
        ISO_DATES,
        description="How dates are written: ISO, YYYYMMDD, or a pattern such as %d.%m.%Y or"
        " %m/%d/%Y %H:%M.",
    )
    source_timezone: TimeZoneName | None = Field(
        None,
        description="Time zone into which a delivered timestamp is turned before its day is taken;"
        " unset: a timestamp in place of a date is rejected.",
    )
    earliest_date: date = Field(
        date(1980, 1, 1),
        ge=date(1, 1, 2),
        description="First plausible day of a transaction; an earlier one is rejected.",
    )
    missing_words: tuple[str, ...] = Field(
        MISSING_WORDS,
        description="Words that stand for a missing value in ids, dates and amounts; [] for none.",
    )
    nobody_ids: tuple[str, ...] = Field(
        (),
        description='Customer ids that are no customers, such as "0" for guests; "" stands for rows'
        " without an id. Their rows are left out, not rejected.",
    )
    keep_rows: Annotated[dict[str, tuple[str, ...]], AfterValidator(_some_values)] = Field(
        {},
        description='The rows that count: {source column: [values]}, such as {"Status": ["paid"]}.'
        " Others are left out, not rejected.",
    )
    cancelled_words: Annotated[dict[str, bool], AfterValidator(_usable_words)] = Field(
        CANCELLED_WORDS,
        description='What the words of `cancelled` mean, without regard to case; "" stands for an'
        ' empty value, "*" for every word not named.',
    )
    returns: Literal["refuse", "net"] = Field(
        "refuse",
        description="What a negative amount is: `refuse` it, or `net` it against the spend.",
    )
    repeated_lines: Literal["add", "refuse"] = Field(
        "add",
        description="What lines of one delivery at one position do: `add` up, or `refuse` copies.",
    )
    sql_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of a source database; set: deliveries come from it."
    )
    transactions_query: str | None = Field(
        None, description="SELECT of the transaction lines with :start <= day < :end."
    )
    customers_query: str | None = Field(
        None,
        description="SELECT of the customers with :start <= day < :end; unset: customers come from"
        " the landing folder, if there are any.",
    )

    @model_validator(mode="after")
    def _numbers_can_be_read(self) -> Self:
        if self.thousands_mark == self.decimal_mark:
            raise ValueError(f"decimal_mark and thousands_mark are both {self.decimal_mark!r}")
        if "%z" in self.date_format and self.source_timezone is None:
            raise ValueError("date_format has %z: set source_timezone, whose day it is")
        return self

    @model_validator(mode="after")
    def _sql_source_is_whole(self) -> Self:
        if self.sql_url is not None and self.transactions_query is None:
            raise ValueError("sql_url is set, but transactions_query is not: set both or neither")
        for name in ("transactions_query", "customers_query"):
            if getattr(self, name) is not None and self.sql_url is None:
                raise ValueError(f"{name} is set, but sql_url is not: set both or neither")
        return self

    @property
    def thousands(self) -> str:
        """The mark in force between thousands; empty: there is none."""
        return self.thousands_mark or ("." if self.decimal_mark == "," else "")

    def columns_of(self, table: str) -> Mapping[str, str | None]:
        """The mapping of `transactions` or `customers`."""
        found: Mapping[str, Any] = getattr(self, f"{table.removesuffix('s')}_columns")
        return found
