"""An inspection as JSON for scripts."""

import json
from dataclasses import asdict
from typing import Any

from abintel_pipeline.inspecting.as_text import env, notes
from abintel_pipeline.inspecting.inspection import Inspection
from abintel_pipeline.inspecting.profiles import Column


def findings(seen: Inspection) -> str:
    """The findings as one JSON document; money and days are texts."""
    return json.dumps(_document(seen), ensure_ascii=False, indent=2, default=str)


def _document(seen: Inspection) -> dict[str, Any]:
    opened, proposal = seen.opened, seen.proposal
    return {
        "file": str(seen.call.path),
        "table": seen.call.table,
        "format": opened.format,
        "encoding": opened.encoding and asdict(opened.encoding),
        "layout": opened.layout and asdict(opened.layout),
        "looks_like": seen.matches.system,
        "rows": seen.rows,
        "columns": [_column(one) for one in seen.columns],
        "matches": {
            role: {"column": match.column and match.column.name, "candidates": match.candidates}
            for role, match in seen.matches.roles.items()
        },
        "amount": seen.amount and {"source": seen.amount.source, "why": seen.amount.why},
        "checks": seen.checks and asdict(seen.checks),
        "settings": proposal.given | proposal.values,
        "env": env(seen),
        "choices": proposal.choices,
        "notes": notes(seen),
        "decisions": proposal.decisions,
        "ready": seen.ready,
        "day": seen.day,
        "accepted": seen.trial and asdict(seen.trial),
        "target": str(seen.target),
    }


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "example": column.example,
        "filled": column.filled,
        "blank": column.blank,
        "missing_words": column.words,
        "distinct": column.distinct,
        "values": column.values if column.has_few_values else None,
    }
