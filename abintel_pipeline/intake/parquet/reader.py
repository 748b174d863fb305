"""Reads `.parquet`: columns as text, by their shortest text where they are numbers."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.engine.sql import file_literal, quoted
from abintel_pipeline.intake.csv.reader import unrepeated
from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.faults import passes
from abintel_pipeline.intake.landing import Source
from abintel_pipeline.intake.parquet.texts import Column, check_kind, id_problem, text_of
from abintel_pipeline.intake.request_tables import Place
from abintel_pipeline.intake.staging import Part, Reading
from abintel_pipeline.settings.source import BASIC_DATES

BATCH_ROWS = 100_000
UNREADABLE = (pa.ArrowException, OSError, duckdb.Error, UnicodeError)
"""What a damaged file makes of the libraries that read it."""


def read_parquet(reading: Reading, source: Source) -> Part:
    """One Parquet file as a part.

    Raises DeliveryError when the file is torn, a page isn't what its checksum says, or a column is
    of a wrong type.
    """
    try:
        names = list(pq.read_schema(source.path).names)
        placed = reading.columns.placed(names, source.name, source.constants)
        path = _sound(reading, source, names, placed)
        columns = _columns(reading, path)
        return _part(reading, source, path, columns, placed)
    except (duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise
    except (duckdb.InternalException, duckdb.FatalException):
        raise
    except UNREADABLE as error:
        raise _torn(source.name, error) from None


def _sound(reading: Reading, source: Source, names: list[str], placed: dict[str, Place]) -> Path:
    """The file, once every page that is needed has been read and agrees with its checksum.

    DuckDB looks at no checksum, and reads a decimal of 256 bits as a float: of a file that has one
    this is a copy in which it is text.
    """
    needed = sorted({names[place] for place in placed.values() if isinstance(place, int)})
    with pq.ParquetFile(source.path, page_checksum_verification=True) as file:
        wide = [field.name for field in file.schema_arrow if pa.types.is_decimal256(field.type)]
        batches = file.iter_batches(BATCH_ROWS, columns=None if wide else needed)
        if not wide:
            for _ in batches:
                pass
            return source.path
        copy = reading.new_path(".parquet")
        schema = pa.schema([_narrowed(field) for field in file.schema_arrow])
        with pq.ParquetWriter(copy, schema) as writer:
            for batch in batches:
                writer.write_batch(batch.cast(schema))
        return copy


def _narrowed(field: pa.Field) -> pa.Field:
    return field.with_type(pa.string()) if pa.types.is_decimal256(field.type) else field


def _columns(reading: Reading, path: Path) -> list[Column]:
    """The file's columns: their names, as written in it, and DuckDB's types of them."""
    names = list(pq.read_schema(path).names)
    described = reading.duckdb.execute(
        f"DESCRIBE FROM read_parquet({file_literal(path)}, hive_partitioning=false)"
    ).fetchall()
    leaves = pq.read_metadata(path).schema
    instants = {
        leaf.path
        for leaf in (leaves.column(n) for n in range(len(leaves)))
        if leaf.physical_type == "INT96"
    }
    return [
        Column(number, name, str(kind), name in instants)
        for number, (name, (_, kind, *_)) in enumerate(zip(names, described, strict=True))
    ]


def _part(
    reading: Reading,
    source: Source,
    path: Path,
    columns: list[Column],
    placed: dict[str, Place],
) -> Part:
    used = [(name, columns[place]) for name, place in placed.items() if isinstance(place, int)]
    for name, column in used:
        if name in reading.table.columns:
            basic = reading.settings.date_format == BASIC_DATES
            check_kind(source.name, reading.table.kind(name), column, basic_dates=basic)
    numbers = {c.place for name, c in used if reading.columns.is_number(name)}
    mark = reading.settings.decimal_mark

    def text(place: int) -> str:
        found = text_of(columns[place], is_id=columns[place].name in ids)
        return f"replace({found}, '.', '{mark}')" if place in numbers and mark != "." else found

    ids = {column.name for name, column in used if name in reading.table.texts}
    texts = reading.columns.selected(placed, text)
    rows = _numbered(path, columns)
    told = {name: id_problem(column) for name, column in used if name in reading.table.texts}
    wrong = {name: problem for name, problem in told.items() if problem}
    keys = unrepeated(tuple(column.name for column in columns))
    pairs = ", ".join(f"{quoted(key)}, c{n}::VARCHAR" for n, key in enumerate(keys))
    located = (
        f"SELECT ordinal, ordinal + 1 AS row, json_object({pairs})::VARCHAR AS raw,"
        f" NULL::VARCHAR AS owner, NULL::VARCHAR AS place, {_as_map(wrong)} AS problems,"
        f" {texts} FROM {rows}"
    )
    return Part(
        source.name,
        reading.stage(f"SELECT {texts} FROM {rows}"),
        lambda wanted: f"{located} WHERE ordinal IN ({wanted})",
        problems=_listed(wrong, rows),
    ).check(pq.read_metadata(path).num_rows)


def _as_map(wrong: dict[str, str]) -> str:
    pairs = ", ".join(f"{quoted(name)}: {problem}" for name, problem in wrong.items())
    return f"MAP {{{pairs}}}" if wrong else "NULL::MAP(VARCHAR, VARCHAR)"


def _listed(wrong: dict[str, str], rows: str) -> str | None:
    """SELECT of (ordinal, column, reason) of the values that have no text."""
    selects = (
        f'SELECT ordinal, {quoted(name)} AS "column", {problem} AS reason FROM {rows}'
        f" WHERE {problem} IS NOT NULL"
        for name, problem in wrong.items()
    )
    return " UNION ALL ".join(selects) or None


def _numbered(path: Path, columns: list[Column]) -> str:
    """The file's columns as c0, c1, …, and `ordinal`, the row's number from 0.

    DuckDB can't number the rows of a file that has a column by the name of its own number.
    """
    file = f"{file_literal(path)}, hive_partitioning=false"
    raw_columns = ", ".join(f"c{column.place}" for column in columns)
    if "file_row_number" in (column.name.lower() for column in columns):
        rows = f"(SELECT *, row_number() OVER () - 1 FROM read_parquet({file}))"
    else:
        rows = f"read_parquet({file}, file_row_number=true)"
    return f"(SELECT * FROM {rows} AS rows({raw_columns}, ordinal))"


def _torn(name: str, error: Exception) -> DeliveryError:
    if passes(error):
        raise error
    first = str(error).splitlines()[0]
    return DeliveryError(f"{name}: can't be read as Parquet ({first}): deliver it again")
