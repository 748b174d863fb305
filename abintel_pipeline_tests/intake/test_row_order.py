"""Accepted rows stand in the file's order, over all row groups and whatever is rejected between."""

import hashlib
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.engine.sql import ROW_GROUP_SIZE
from abintel_pipeline.intake import take_in_transactions
from abintel_pipeline.intake.rejected import verdicts
from abintel_pipeline_tests.intake.conftest import DAY, HEADER, Landing

ROWS = 300_000
ENDS = (0, ROW_GROUP_SIZE, 2 * ROW_GROUP_SIZE, ROWS)
MIDDLES = [(first + behind) // 2 for first, behind in pairwise(ENDS)]
AROUND = (row for place in (*ENDS, *MIDDLES) for row in range(place - 2, place + 2))
BAD_VALUES = {row for row in AROUND if 0 <= row < ROWS}
RAGGED = [place + 7 for place in (*ENDS[:-1], *MIDDLES)]
"""Rows before which a line stands that is no record."""


def delivered() -> str:
    """Lines that are numbered by their customers."""
    lines = [f"{row},T,2025-04-24,1,P\n" for row in range(ROWS)]
    for row in BAD_VALUES:
        lines[row] = f"{row},T,2025-04-24,{'-1' if row % 2 else 'x'},P\n"
    for row in RAGGED:
        lines[row] = f"ragged\n{lines[row]}"
    return HEADER + "".join(lines)


def test_accepted_rows_keep_the_files_order_on_any_number_of_threads(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "GROUPS_AT_ONCE", 1)  # so that the file has several chunks
    landing.put("transactions/2025-04-24.csv", delivered())
    wanted = pa.array([str(row) for row in range(ROWS) if row not in BAD_VALUES])
    digests = set()
    for threads in (1, 2, 4):
        intake = landing.intake(take_in_transactions, DAY, threads=threads)
        assert intake is not None
        assert intake.rejected == ROWS - len(wanted) + len(RAGGED)
        rows = pq.read_table(intake.accepted_rows.path, columns=["customer_id"])
        assert rows["customer_id"].combine_chunks().equals(wanted)
        for path in landing.staging.iterdir():
            digests.add((path.name, hashlib.sha256(path.read_bytes()).hexdigest()))
            path.unlink()
    assert len(digests) == 2
