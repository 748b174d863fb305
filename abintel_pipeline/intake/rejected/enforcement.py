"""Holds staged rows against the Pandera model, a chunk at a time."""

import copy
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pandera.errors
import pandera.pandas as pa_model
import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.intake.errors import IntakeBroken
from abintel_pipeline.intake.staging import Part, Reading
from abintel_pipeline.intake.texts.screening import LEFT_OUT

GROUPS_AT_ONCE = 4
"""Row groups per chunk: about 500,000 rows, the size at which 10 M rows took about a second."""

BREACHES = pa.schema([("ordinal", pa.int64()), ("column", pa.string()), ("reason", pa.string())])


def breaches(reading: Reading, part: Part) -> Iterator[pa.Table]:
    """(ordinal, column, reason) of every cell of a part that breaks the model, chunk by chunk."""
    schema = reading.table.schema(reading.settings)
    chunks = _chunks(part)
    threads = reading.settings.threads or os.cpu_count() or 1

    def judge(chunk: tuple[int, list[int]]) -> pa.Table:
        start, groups = chunk
        with pq.ParquetFile(part.typed.path) as file:
            rows = file.read_row_groups(groups, use_threads=False)
        return _judge(reading, schema, rows, start)

    with ThreadPoolExecutor(threads) as pool:
        for n in range(0, len(chunks), threads):
            yield from pool.map(judge, chunks[n : n + threads])


def _chunks(part: Part) -> list[tuple[int, list[int]]]:
    """(ordinal of the first row, row groups) of each chunk."""
    metadata = pq.read_metadata(part.typed.path)
    chunks, start = [], 0
    for first in range(0, metadata.num_row_groups, GROUPS_AT_ONCE):
        groups = list(range(first, min(first + GROUPS_AT_ONCE, metadata.num_row_groups)))
        chunks.append((start, groups))
        start += sum(metadata.row_group(group).num_rows for group in groups)
    return chunks


def _judge(
    reading: Reading, schema: pa_model.DataFrameSchema, rows: pa.Table, start: int
) -> pa.Table:
    day = pa.repeat(pa.scalar(reading.day, pa.date32()), rows.num_rows)
    frame = rows.append_column(reading.table.raw.partition_column, day).to_pandas(
        types_mapper=pd.ArrowDtype
    )
    if LEFT_OUT in frame.columns:
        frame = frame[frame.pop(LEFT_OUT).isna()]
    return held(schema, frame, start)


def held(schema: pa_model.DataFrameSchema, frame: pd.DataFrame, start: int) -> pa.Table:
    """(ordinal, column, reason) of every cell of a frame that breaks a model, in no set order.

    Ordinals are the frame's index, which counts from 0, plus `start`.
    """
    try:
        schema.validate(frame, lazy=True, inplace=True)  # no model changes a frame: no copy
    except pandera.errors.SchemaErrors as error:
        return _breaches(schema, error.failure_cases, start)
    return BREACHES.empty_table()


def telling(schema: pa_model.DataFrameSchema, most: int) -> pa_model.DataFrameSchema:
    """A copy of a model for `first_held`: of each check it tells the first `most` rows at most."""
    limited = copy.deepcopy(schema)
    of_columns = [check for column in limited.columns.values() for check in column.checks]
    for check in [*limited.checks, *of_columns]:
        check.n_failure_cases = most
    return limited


def first_held(schema: pa_model.DataFrameSchema, frame: pd.DataFrame) -> tuple[pa.Table, int]:
    """What a model made by `telling` tells of a frame, as `held`, and how many cells break it.

    Pandera makes Python objects of every case that it tells, some 700 bytes and 7 us of each; the
    rest is only counted, in the checks' own masks.
    """
    try:
        schema.validate(frame, lazy=True, inplace=True)
    except pandera.errors.SchemaErrors as error:
        told = _breaches(schema, error.failure_cases, 0)
        return told, sum(map(_failing, error.schema_errors))
    return BREACHES.empty_table(), 0


def _failing(error: pandera.errors.SchemaError) -> int:
    """Rows that a check failed."""
    passed: pd.Series = error.check_output
    return len(passed) - int(passed.sum())


def _breaches(schema: pa_model.DataFrameSchema, cases: pd.DataFrame, start: int) -> pa.Table:
    """Pandera's failure cases as breaches. A check of whole rows is named after its column."""
    if cases["index"].isna().any():
        raise IntakeBroken(f"staged rows don't have the model's shape: {cases['check'].tolist()}")
    of_rows = {check.error: check.name for check in schema.checks}
    whole = cases["schema_context"] == "DataFrameSchema"
    column = cases["column"].where(~whole, cases["check"].map(of_rows)).astype(str)
    reason = cases["check"].astype(str).replace("not_nullable", "missing")
    ordinal = cases["index"].astype("int64") + start
    found = pd.DataFrame({"ordinal": ordinal, "column": column, "reason": reason})
    return pa.Table.from_pandas(found.drop_duplicates(), schema=BREACHES, preserve_index=False)
