"""The floor of a range: DuckDB writing rows that are already computed, one file per table and day.

No formula, no flush to disk, no schema check: what no way of computing them can go below.
"""

import duckdb

from abintel_pipeline.engine.sql import ROW_GROUP_SIZE
from abintel_pipeline.store.snapshot_store import SnapshotStore
from benchmarks.job import RESULT_TABLES, FloorJob


def run(job: FloorJob) -> None:
    """Copy the rows of the job's published tables into new files."""
    published, copies = SnapshotStore(job.store), SnapshotStore(job.copies)
    with duckdb.connect(config={"memory_limit": job.memory_limit}) as connection:
        for table in RESULT_TABLES:
            for day in job.range:
                path = copies.path(table, day)
                path.parent.mkdir(parents=True)
                connection.execute(
                    f"COPY (SELECT * FROM read_parquet('{published.path(table, day)}',"
                    f" hive_partitioning=false)) TO '{path}'"
                    f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_SIZE})"
                )
