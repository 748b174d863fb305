"""`abintel settings`: every setting, its value in force, and where that came from."""

import json
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abintel_pipeline.cli.console import told_settings
from abintel_pipeline.settings import Settings, origins
from abintel_pipeline.settings.groups import GROUPS, Group

WIDTH = 200
"""Of a table that goes to a file or a pipe."""
NAMES = ", ".join(group.name for group in GROUPS)


def show_settings(
    only: Annotated[
        str | None, typer.Option(help=f"Only one group: {NAMES}.", metavar="GROUP")
    ] = None,
) -> None:
    """Show every setting: its value in force, where that came from, and what it is for."""
    groups = [group for group in GROUPS if only in (None, group.name)]
    if not groups:
        raise typer.BadParameter(f"--only {only}: choose one of {NAMES}")
    with told_settings() as settings:
        terminal = Console()
        console = terminal if terminal.is_terminal else Console(width=WIDTH)
        for group in groups:
            console.print(_table(group, settings))


def _table(group: Group, settings: Settings) -> Table:
    table = Table("setting", "value", "from", "meaning", show_edge=False,
                  title=group.title, title_justify="left")  # fmt: skip
    sources = origins()
    for name in group.settings:
        meaning = Settings.model_fields[name].description or ""
        shown = value_text(getattr(settings, name))
        table.add_row(name, *map(escape, (shown, sources[name], meaning)))
    return table


def value_text(value: Any) -> str:
    """A setting's value as it is written in a variable.

    >>> value_text(None), value_text(("0", "")), value_text({"product_id": None}), value_text(0.05)
    ('unset', '["0", ""]', '{"product_id": null}', '0.05')
    """
    if value is None:
        return "unset"
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
