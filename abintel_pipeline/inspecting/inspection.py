"""Inspects a file: what it is, which settings make it a delivery, and what is then accepted."""

import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from abintel_pipeline.engine.connection import Backend, engine, native
from abintel_pipeline.inspecting import row_proposals
from abintel_pipeline.inspecting.amounts import Amount, amount_of, amount_that_is_set
from abintel_pipeline.inspecting.checks import Checks, check_rows
from abintel_pipeline.inspecting.encodings import Progress
from abintel_pipeline.inspecting.errors import CannotInspect
from abintel_pipeline.inspecting.formats import landing_name
from abintel_pipeline.inspecting.matching import Matches, match_columns
from abintel_pipeline.inspecting.numbers import choose_marks
from abintel_pipeline.inspecting.opening import Opened, open_file
from abintel_pipeline.inspecting.profiles import Column, profile
from abintel_pipeline.inspecting.proposals import (
    Proposal,
    given_settings,
    note_later_days,
    propose_first_day,
    settings_with,
)
from abintel_pipeline.inspecting.reading_proposals import (
    propose_columns,
    propose_dates,
    propose_file,
    propose_marks,
)
from abintel_pipeline.inspecting.text_rows import TextRows, copy_rows
from abintel_pipeline.inspecting.trial import Trial, delivered, try_intake
from abintel_pipeline.inspecting.typed_table import make_typed_table
from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.settings import Settings

_DAY = re.compile(r"(?<!\d)(\d{4})([-_.]?)(\d\d)\2(\d\d)(?!\d)")


@dataclass(frozen=True)
class Call:
    """What is asked for: a file, as a delivery of a table, perhaps for a day; and today."""

    path: Path
    settings: Settings
    table: str
    today: date
    day: date | None = None


@dataclass(frozen=True)
class Inspection:
    """All that was found. `day` is None where neither the name nor the rows say one."""

    call: Call
    opened: Opened
    rows: int
    columns: list[Column]
    matches: Matches
    amount: Amount | None
    proposal: Proposal
    checks: Checks | None
    day: date | None
    trial: Trial | None

    @property
    def ready(self) -> bool:
        """Whether the file is a delivery once the proposed lines are set."""
        return not self.proposal.decisions and self.trial is not None

    @property
    def target(self) -> Path:
        """Where the file is to be put."""
        name = landing_name(self.opened.format, self.day or "YYYY-MM-DD")
        return self.call.settings.landing / self.call.table / name


def _silent(*_: object) -> None:
    """Nobody watches."""


def inspect_file(call: Call, progress: Progress = _silent) -> Inspection:
    """Inspect a file. Raises CannotInspect when it can't be read as a table."""
    with tempfile.TemporaryDirectory(prefix="abintel-inspect-") as name:
        folder = Path(name)
        settings = call.settings.model_copy(update={"spill_dir": folder / "spill"})
        opened = open_file(call.path, settings, progress)
        with engine(settings) as connection:
            # DuckDB's own bar would stand in what scripts read.
            native(connection).execute("SET enable_progress_bar = false")
            lines = opened.encoding.lines if opened.encoding else 0
            path = folder / "rows.parquet"
            rows = copy_rows(native(connection), opened.file, path, progress, lines)
            if not rows.rows:
                raise CannotInspect(f"{call.path.name} has no rows: inspect one with sales in it")
            return _inspect(call, opened, rows, _Workshop(connection, folder, settings, progress))


@dataclass(frozen=True)
class _Workshop:
    connection: Backend
    folder: Path
    settings: Settings
    progress: Progress


def _inspect(call: Call, opened: Opened, rows: TextRows, workshop: _Workshop) -> Inspection:
    settings = workshop.settings
    columns = profile(rows, settings, workshop.progress)
    matches = match_columns(columns, call.table, dict(settings.columns_of(call.table)))
    amount = _amount(call, rows, matches, settings)
    proposal = Proposal(call.table, given_settings(settings))
    _propose(proposal, opened, matches, amount, settings)
    checks = None
    if amount and matches.column("customer_id") and matches.column("date"):
        workshop.progress("checks", 0, 1)
        checks = _checked(call, rows, matches, proposal, settings)
        workshop.progress("checks", 1, 1)
    newest = checks.newest if checks else None
    day = call.day or day_in_name(call.path.name) or day_in_name(call.path.parent.name) or newest
    if day is None and not proposal.decisions:
        proposal.decide("neither its name nor its rows say a day: give one with --day YYYY-MM-DD")
    if day is not None:
        propose_first_day(proposal, settings, day)
        note_later_days(proposal, day, newest)
    trial = _tried(call, opened, proposal, day, workshop)
    return Inspection(
        call, opened, rows.rows, columns, matches, amount, proposal, checks, day, trial
    )


def day_in_name(name: str) -> date | None:
    """The first day that a file's name says.

    >>> day_in_name("orders_20251224_v2.csv"), day_in_name("orders-12345678.csv")
    (datetime.date(2025, 12, 24), None)
    """
    for year, _, month, day in _DAY.findall(name):
        with suppress(ValueError):
            return date(int(year), int(month), int(day))
    return None


def _amount(call: Call, rows: TextRows, matches: Matches, settings: Settings) -> Amount | None:
    if call.table != "transactions":
        return None
    source = settings.transaction_columns.get("amount")
    said = source and amount_that_is_set(source, matches)
    return said or amount_of(rows, matches, settings)


def _propose(
    proposal: Proposal,
    opened: Opened,
    matches: Matches,
    amount: Amount | None,
    settings: Settings,
) -> None:
    propose_file(proposal, opened.layout, opened.encoding)
    propose_columns(proposal, matches, amount)
    score = matches.column("loyalty_score")
    if amount:
        propose_marks(proposal, amount.columns, amount.marks)
    elif score and score.numbers:
        propose_marks(proposal, [score], choose_marks([score.numbers]))
    propose_dates(proposal, matches, settings.source_timezone or settings.timezone)
    if opened.uneven:
        proposal.notes.append(
            f"rows with another number of fields than the header: {opened.uneven:,}"
        )
    row_proposals.propose_cancelled(proposal, matches)
    row_proposals.propose_status(proposal, matches)


def _checked(
    call: Call, rows: TextRows, matches: Matches, proposal: Proposal, settings: Settings
) -> Checks | None:
    """The checks of transactions whose customer, day and amount are known."""
    wrong: list[str] = []
    proposed = settings_with(settings, proposal, wrong.append)
    if wrong:
        return None
    make_typed_table(rows, proposed)
    checks = check_rows(rows, settings.earliest_date, call.today)
    row_proposals.line_number(proposal, checks, matches)
    row_proposals.propose_rows(proposal, checks, settings, rows.rows)
    row_proposals.note_half_filled_orders(proposal, rows, matches)
    return checks


def _tried(
    call: Call, opened: Opened, proposal: Proposal, day: date | None, workshop: _Workshop
) -> Trial | None:
    """What intake makes of the file; None where something is to be decided first."""
    proposed = settings_with(workshop.settings, proposal, proposal.decide)
    if proposal.decisions or day is None:
        return None
    workshop.progress("intake", 0, 1)
    place = Path(call.table) / landing_name(opened.format, day)
    try:
        with delivered(call.path, place, proposed, day, workshop.folder) as delivery:
            trial = try_intake(workshop.connection, delivery)
    except DeliveryError as error:
        told = str(error).replace(str(place), call.path.name)
        proposal.decide(f"intake can't read it: {told}")
        return None
    workshop.progress("intake", 1, 1)
    cap = call.settings.max_rejected_share
    if trial.rejected_share > cap:
        proposal.decide(
            f"{trial.rejected_share:.1%} of the rows are rejected, more than the {cap:.0%} that"
            " ABINTEL_MAX_REJECTED_SHARE allows: correct them, or allow more"
        )
    return trial
