"""DuckDB alone, copying a delivery into typed Parquet: what an intake without any check costs."""

import duckdb

from benchmarks.job import IntakeJob

COLUMNS = """{
    'customer_id': 'VARCHAR', 'transaction_id': 'VARCHAR', 'date': 'DATE',
    'amount': 'DECIMAL(18, 2)', 'product_id': 'VARCHAR'
}"""


def take_in(job: IntakeJob) -> None:
    """Copy the job's delivery; what can't be read is dropped without a word."""
    broken = f"ignore_errors={bool(job.rejected)}"
    config = {"memory_limit": job.memory_limit, "temp_directory": str(job.spill)}
    job.spill.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config=config) as connection:
        connection.execute(
            f"COPY (SELECT * FROM read_csv('{job.delivery}', columns={COLUMNS}, header=true,"
            f" auto_detect=false, delim=',', quote='\"', escape='\"', {broken}))"
            f" TO '{job.copied}' (FORMAT parquet, COMPRESSION zstd)"
        )
