"""A warning about files in the landing folder that belong to no day: nobody takes them in."""

from datetime import date

from abintel_pipeline.contract import RAW_TRANSACTIONS
from abintel_pipeline.contract.findings import Finding, warning
from abintel_pipeline.intake import DeliveryError
from abintel_pipeline.intake.landing import misplaced_files
from abintel_pipeline.store.step_context import StepContext

NAMED = 5


def misplaced(context: StepContext, days: list[date], newest: date | None) -> list[Finding]:
    """`misplaced_files`, looked for on the `newest` day of a run: the folder has no other days."""
    return [_misplaced(context, day) if day == newest else _not_looked(day) for day in days]


def _misplaced(context: StepContext, day: date) -> Finding:
    try:
        found = [f"{one.name} ({one.why})" for one in misplaced_files(context.settings.landing)]
    except (DeliveryError, OSError) as error:
        return _finding(day, False, f"the landing folder can't be read: {error}", 0)
    if not found:
        return _finding(day, True, "every file in the landing folder belongs to a day", 0)
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    noun = "1 file belongs" if len(found) == 1 else f"{len(found)} files belong"
    told = f"{noun} to no day: {'; '.join(found[:NAMED])}{more}"
    return _finding(day, False, told, len(found))


def _not_looked(day: date) -> Finding:
    return _finding(day, True, "told of the newest day of a run", 0)


def _finding(day: date, passed: bool, sentence: str, files: int) -> Finding:
    raw = RAW_TRANSACTIONS.name
    return warning(raw, day, "misplaced_files", passed, sentence, files=files)
