"""What a file is, and which settings make it a delivery. No Dagster in here.

    file ─ formats, encodings, csv_layout ─▶ text_files ─▶ text_rows (all rows, in Parquet)
    text_rows ─ profiles (numbers, dates) ─▶ matching (synonyms) ─▶ amounts ─▶ proposals
    proposals ─ checks, trial (the real intake) ─▶ inspection ─▶ as_text

Everything here only proposes: intake reads what the settings say, and nothing else.
"""

from abintel_pipeline.inspecting.as_text import env
from abintel_pipeline.inspecting.errors import CannotInspect
from abintel_pipeline.inspecting.inspection import Call, Inspection, inspect_file

__all__ = ["Call", "CannotInspect", "Inspection", "env", "inspect_file"]
