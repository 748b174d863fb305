"""Reads `.parquet`: columns as text, by their shortest text where they are numbers."""

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.intake.csv_files import unrepeated
from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.faults import passes
from abintel_pipeline.intake.reading import Part, Reading
from abintel_pipeline.intake.sources import Source
from abintel_pipeline.intake.sql_text import quoted
from abintel_pipeline.store import file_literal

_WHOLE = {
    f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "", "BIG", "HUGE")
} | {"INTEGER", "UINTEGER"}
_IDS = {"VARCHAR", "UUID", '"NULL"'} | _WHOLE
_FLAGS = {"VARCHAR", "BOOLEAN", '"NULL"'} | _WHOLE
_DATES = {"VARCHAR", "DATE", '"NULL"'}
_NUMBERS = {"VARCHAR", "FLOAT", "DOUBLE", "DECIMAL", '"NULL"'} | _WHOLE


def read_parquet(reading: Reading, source: Source) -> Part:
    """One Parquet file as a part.

    Raises DeliveryError when the file is torn or a column is of a wrong type.
    """
    names, kinds = _columns(reading, source)
    placed = reading.columns.placed(names, source.name, source.constants)
    for column, place in placed.items():
        if isinstance(place, int) and column in reading.table.columns:
            _check_kind(reading, source.name, column, names[place], kinds[place])
    rows = _numbered(source, names)
    texts = reading.columns.selected(placed, lambda n: _text(f"c{n}", kinds[n]))
    keys = unrepeated(tuple(names))
    pairs = ", ".join(f"{quoted(key)}, c{n}::VARCHAR" for n, key in enumerate(keys))
    try:
        expected = pq.read_metadata(source.path).num_rows
        typed = reading.stage(f"SELECT {texts} FROM {rows}")
    except (duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise
    except duckdb.Error as error:
        raise _torn(source.name, error) from None
    located = (
        f"SELECT ordinal, ordinal + 1 AS row, json_object({pairs})::VARCHAR AS raw,"
        f" NULL::VARCHAR AS owner, NULL::VARCHAR AS place, NULL::MAP(VARCHAR, VARCHAR) AS problems,"
        f" {texts} FROM {rows}"
    )
    return Part(source.name, typed, lambda wanted: f"{located} WHERE ordinal IN ({wanted})").check(
        expected
    )


def _columns(reading: Reading, source: Source) -> tuple[list[str], list[str]]:
    """The file's column names, as written in it, and DuckDB's types of them."""
    try:
        names = list(pq.read_schema(source.path).names)
        described = reading.duckdb.execute(
            f"DESCRIBE FROM read_parquet({file_literal(source.path)}, hive_partitioning=false)"
        ).fetchall()
    except (pa.ArrowException, OSError, duckdb.Error) as error:
        raise _torn(source.name, error) from None
    return names, [str(kind) for _, kind, *_ in described]


def _numbered(source: Source, names: list[str]) -> str:
    """The file's columns as c0, c1, …, and `ordinal`, the row's number from 0.

    DuckDB can't number the rows of a file that has a column by the name of its own number.
    """
    file = f"{file_literal(source.path)}, hive_partitioning=false"
    raw_columns = ", ".join(f"c{n}" for n in range(len(names)))
    if "file_row_number" in map(str.lower, names):
        rows = f"(SELECT *, row_number() OVER () - 1 FROM read_parquet({file}))"
    else:
        rows = f"read_parquet({file}, file_row_number=true)"
    return f"(SELECT * FROM {rows} AS rows({raw_columns}, ordinal))"


def _torn(name: str, error: Exception) -> DeliveryError:
    if passes(error):
        raise error
    first = str(error).splitlines()[0]
    return DeliveryError(f"{name}: can't be read as Parquet ({first}): deliver it again")


def _check_kind(reading: Reading, file: str, column: str, name: str, kind: str) -> None:
    expected = reading.table.kind(column)
    base = kind.partition("(")[0]
    if pa.types.is_string(expected):
        fits, wanted = base in _IDS or base == "ENUM", "text or whole numbers"
    elif pa.types.is_date(expected):
        fits, wanted = base in _DATES or base.startswith("TIMESTAMP"), "dates, timestamps or text"
    elif pa.types.is_boolean(expected):
        fits, wanted = base in _FLAGS, "true or false, or words"
    else:
        fits, wanted = base in _NUMBERS, "numbers or text"
    if not fits:
        raise DeliveryError(f"{file}: column {name!r} is {kind}: it must hold {wanted}")


def _text(column: str, kind: str) -> str:
    """A column as text. pandas writes dates as timestamps: at midnight, one is a date."""
    if kind.startswith("TIMESTAMP") and "TZ" not in kind and "ZONE" not in kind:
        midnight = f"{column} = {column}::DATE::TIMESTAMP"
        return f"CASE WHEN {midnight} THEN {column}::DATE::VARCHAR ELSE {column}::VARCHAR END"
    return f"{column}::VARCHAR"
