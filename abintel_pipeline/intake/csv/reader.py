"""Reads `.csv` and `.csv.gz`: DuckDB reads slices of the good records, the others are refused.

It must read as many as were counted.
"""

from contextlib import closing

from abintel_pipeline.engine.sql_text import file_literal, quoted
from abintel_pipeline.intake.csv.grammar import grammar
from abintel_pipeline.intake.csv.header import Header, read_header
from abintel_pipeline.intake.csv.located import Located, raw_json
from abintel_pipeline.intake.csv.records import RefusedLine, Run, walk
from abintel_pipeline.intake.csv.slices import SLICE_BYTES, Slices
from abintel_pipeline.intake.csv.window import LONGEST
from abintel_pipeline.intake.errors import IntakeBroken
from abintel_pipeline.intake.landing.sources import Source
from abintel_pipeline.intake.reading import (
    REFUSED_LINES,
    ParquetRows,
    Part,
    Reading,
    Typed,
)
from abintel_pipeline.intake.text_files import as_utf8, shown

BUFFER_BYTES = SLICE_BYTES + 4 * LONGEST
RAW_LIMIT = 10_000
"""Characters kept of a refused line."""


def read_csv(reading: Reading, source: Source) -> Part:
    """One CSV file as a part. Raises DeliveryError when it has no usable header or gzip is torn."""
    path = as_utf8(reading, source)
    header = read_header(path, source, reading.columns)
    rules = grammar(len(header.names), header.delimiter)
    located = Located(reading, path, header, unrepeated(header.names))
    with (
        closing(ParquetRows(reading.new_path(".parquet"), REFUSED_LINES)) as lines,
        closing(Slices(reading, rules.record)) as slices,
    ):
        for found in walk(path, header):
            if isinstance(found, Run):
                located.note(slices.records, found)
                slices.add(found.data, found.records)
            else:
                lines.add(found.line, [f"line: {found.reason}"], _raw_line(found, header))
    typed = _staged(reading, slices, header)
    slices.remove()
    if typed.rows != slices.records or _rejects(reading):
        raise IntakeBroken(
            f"{source.name}: {slices.records} good records were written, {typed.rows} were read"
        )
    return Part(source.name, typed, located, lines.path, lines.rows, even=slices.even)


def _raw_line(found: RefusedLine, header: Header) -> str:
    text = shown(found.data.rstrip(b"\r\n"), header.encoding)
    return raw_json({"line": text if len(text) <= RAW_LIMIT else text[:RAW_LIMIT] + "…"})


def _staged(reading: Reading, slices: Slices, header: Header) -> Typed:
    reading.drop(*_reject_tables(reading))
    columns = ", ".join(f"'c{n}': 'VARCHAR'" for n in range(len(header.names)))
    picked = reading.columns.selected(header.placed, "c{}".format)
    files = ", ".join(map(file_literal, slices.paths))
    errors, scans = _reject_tables(reading)
    return reading.stage(
        f"SELECT {picked} FROM read_csv([{files}], columns={{{columns}}}, header=false,"
        f" auto_detect=false, delim={quoted(header.delimiter)}, quote='\"', escape='\"',"
        f" new_line='\\n', nullstr='', strict_mode=true, compression='none',"
        f" max_line_size={3 * LONGEST}, buffer_size={BUFFER_BYTES},"
        f" store_rejects=true, rejects_limit=0,"
        f" rejects_table='{errors}', rejects_scan='{scans}')"
    )


def _reject_tables(reading: Reading) -> tuple[str, str]:
    return f"reject_errors_{reading.key}", f"reject_scans_{reading.key}"


def _rejects(reading: Reading) -> bool:
    """Whether DuckDB's reader refused a line."""
    errors, _ = _reject_tables(reading)
    found = reading.duckdb.execute(f"SELECT count(*) FROM {errors}").fetchone()
    return bool(found and found[0])


def unrepeated(names: tuple[str, ...]) -> list[str]:
    """Names as the keys of one object: a name that was there before gets its position."""
    return [n if n not in names[:i] else f"{n} ({i + 1})" for i, n in enumerate(names)]
