"""The hand-written SQL as a contender: hand_written.sql in one DuckDB connection."""

import re
from pathlib import Path
from string import Template

import duckdb

from abintel_pipeline.engine.sql import ROW_GROUP_SIZE
from abintel_pipeline.rules import Rules
from benchmarks.job import RESULT_TABLES, ChainJob

SQL = (Path(__file__).parent / "hand_written.sql").read_text()
STATEMENTS = Template(re.sub(r"^--.*$", "", SQL, flags=re.MULTILINE))
PARQUET = f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_SIZE})"

ON_TIME = (
    "SELECT * FROM {files} WHERE delivered_on <= DATE '{today}' AND date > DATE '{today}' - 540"
)
"""Of a retailer whose lines all come on their day, nothing can be superseded."""

WITH_LATE = f"""
    WITH present AS ({ON_TIME}),
    late AS (
        SELECT customer_id, transaction_id, date, product_id, max(delivered_on) AS newest
        FROM present WHERE date < delivered_on GROUP BY ALL
    )
    SELECT * FROM present ANTI JOIN late
    ON present.customer_id = late.customer_id AND present.transaction_id = late.transaction_id
    AND present.date = late.date AND present.product_id = late.product_id
    AND present.delivered_on < late.newest
"""


def run(job: ChainJob) -> None:
    """Compute and write the five tables of the job's day."""
    out = {table.name: job.result(table) for table in RESULT_TABLES}
    for path in out.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    files = "read_parquet('{}/*/data.parquet', hive_partitioning=true)"
    lines = (WITH_LATE if job.late else ON_TIME).format(
        files=files.format(job.store / "raw_transactions"), today=job.day
    )
    script = STATEMENTS.substitute(
        lines=lines,
        scores=f"SELECT * FROM {files.format(job.store / 'raw_customers')}",
        today=job.day,
        rules=Rules().as_json(),
        parquet=PARQUET,
        **out,
    )
    config = {"memory_limit": job.memory_limit, "temp_directory": str(job.spill)}
    with duckdb.connect(config=config) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(script)
