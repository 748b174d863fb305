"""A proposal: settings, choices and decisions; and the settings that come of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pydantic import ValidationError

from abintel_pipeline.inspecting.env_lines import env_line
from abintel_pipeline.settings import Settings, faults
from abintel_pipeline.settings.source import SourceSettings


@dataclass
class Proposal:
    """`values` are settings that differ from the defaults; `choices` are lines to choose from.

    `decisions` are what a person must decide first, `notes` what is worth knowing. `given` are the
    settings that were in force already: they are kept.
    """

    table: str
    given: dict[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    choices: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def set(self, name: str, value: Any) -> None:
        """Propose a value, unless the settings in force say something."""
        if name not in self.given:
            self.values[name] = value

    def choose(self, told: str, *options: tuple[str, Any]) -> None:
        """Ask for one of some values: each is a line that is commented out."""
        self.choices += [f"# {told}", *(f"# {env_line(name, value)}" for name, value in options)]

    def decide(self, told: str) -> None:
        self.decisions.append(told)

    @property
    def mapping_setting(self) -> str:
        return f"{self.table.removesuffix('s')}_columns"


def given_settings(settings: Settings) -> dict[str, Any]:
    """What is set already of what describes a source."""
    named = set(SourceSettings.model_fields) & settings.model_fields_set
    return {
        name: getattr(settings, name)
        for name in SourceSettings.model_fields
        if name in named and "sql" not in name and "query" not in name
    }


def propose_first_day(proposal: Proposal, settings: Settings, day: date) -> None:
    """A delivery before the first day isn't made."""
    if day < settings.first_day:
        proposal.values["first_day"] = day


def note_later_days(proposal: Proposal, day: date, newest: date | None) -> None:
    """Rows that are newer than the day of delivery."""
    if newest and newest > day:
        proposal.notes.append(
            f"the newest date is {newest}, after the day of delivery {day}: such rows are rejected;"
            f" deliver it for a later day, --day {newest}"
        )


def settings_with(settings: Settings, proposal: Proposal, wrong: Callable[[str], None]) -> Settings:
    """The settings in force with the proposal; what can't be set is told."""
    values = proposal.given | proposal.values
    source = {name: value for name, value in values.items() if name in SourceSettings.model_fields}
    try:
        checked = SourceSettings(**source)
    except ValidationError as error:
        for fault in faults(error):
            wrong(fault)
        return settings
    kept = {name: getattr(checked, name) for name in source}
    if "first_day" in values:
        kept["first_day"] = values["first_day"]
    return settings.model_copy(update=kept)
