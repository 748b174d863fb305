"""The text of each type that a Parquet column can have, and which types can hold what."""

from dataclasses import dataclass

import pyarrow as pa

from abintel_pipeline.intake.errors import DeliveryError

_WHOLE = {
    f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "", "BIG", "HUGE")
} | {"INTEGER", "UINTEGER"}
_FLOATS = {"FLOAT", "DOUBLE"}
_ANYTHING = {"VARCHAR", '"NULL"'}
_IDS = {"UUID", "BLOB", "DECIMAL", "ENUM"} | _ANYTHING | _WHOLE | _FLOATS
_DATES = {"DATE"} | _ANYTHING
_FLAGS = {"BOOLEAN"} | _ANYTHING | _WHOLE
_NUMBERS = {"DECIMAL"} | _ANYTHING | _WHOLE | _FLOATS


@dataclass(frozen=True)
class Column:
    """A column of a file: its place and name, DuckDB's type of it, whether it is an INT96."""

    place: int
    name: str
    kind: str
    int96: bool = False

    @property
    def sql(self) -> str:
        return f"c{self.place}"

    @property
    def base(self) -> str:
        """The type without its precision or values."""
        return self.kind.partition("(")[0]


def check_kind(
    file: str, expected: pa.DataType, column: Column, *, basic_dates: bool = False
) -> None:
    """Raises DeliveryError when a column can't hold what the contract's column is.

    Whole numbers are `basic_dates` where the source writes 20261115.
    """
    if pa.types.is_string(expected):
        fits, wanted = column.base in _IDS, "text or whole numbers"
    elif pa.types.is_date(expected):
        stamps = column.base.startswith("TIMESTAMP")
        dates = _DATES | _WHOLE if basic_dates else _DATES
        fits, wanted = column.base in dates or stamps, "dates, timestamps or text"
    elif pa.types.is_boolean(expected):
        fits, wanted = column.base in _FLAGS, "true or false, or words"
    else:
        fits, wanted = column.base in _NUMBERS, "numbers or text"
    if not fits:
        raise DeliveryError(
            f"{file}: column {column.name!r} is {column.kind}: it must hold {wanted}"
        )


def text_of(column: Column, *, is_id: bool) -> str:
    """SQL of a column as text.

    - pandas writes dates as timestamps: at midnight, one is a date;
    - an INT96, as Spark writes it, is an instant in UTC;
    - an id is the digits of a whole number, whatever type that has; bytes are UTF-8 text.
    """
    c = column.sql
    if column.base == "BLOB":
        return f"try(decode({c}))"
    if is_id and column.base in {"DECIMAL", *_FLOATS}:
        digits = (
            f"split_part({c}::VARCHAR, '.', 1)" if column.base == "DECIMAL" else f"{c}::VARCHAR"
        )
        return f"(CASE WHEN {c} = trunc({c}) THEN {digits} END)"
    if column.int96:
        return f"strftime({c}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    if (
        column.base.startswith("TIMESTAMP")
        and "TZ" not in column.kind
        and "ZONE" not in column.kind
    ):
        midnight = f"{c} = {c}::DATE::TIMESTAMP"
        return f"CASE WHEN {midnight} THEN {c}::DATE::VARCHAR ELSE {c}::VARCHAR END"
    return f"{c}::VARCHAR"


def id_problem(column: Column) -> str | None:
    """SQL of why an id of this type has no text though a value is there; None: it always has."""
    c = column.sql
    if column.base == "BLOB":
        wrong, reason = f"try(decode({c})) IS NULL", "not UTF-8 text"
    elif column.base == "DECIMAL":
        wrong, reason = f"NOT {_whole(column)}", "not a whole number"
    elif column.base in _FLOATS:
        wrong, reason = f"NOT isnan({c}) AND NOT {_whole(column)}", "not a whole number"
    else:
        return None
    return f"(CASE WHEN {c} IS NOT NULL AND {wrong} THEN '{reason}' END)"


def _whole(column: Column) -> str:
    whole = f"{column.sql} = trunc({column.sql})"
    return f"(isfinite({column.sql}) AND {whole})" if column.base in _FLOATS else f"({whole})"
