"""abintel: the pipeline from the command line.

Exit codes: 0 done, 1 it couldn't be done (the message says why), 2 the call or a setting is wrong,
130 interrupted. `ui` and `serve` end with 0 when they are interrupted.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from abintel_pipeline.cli.commands import COMMANDS

OPTIONS: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}


class CommandsOnDemand(TyperGroup):
    """Imports a command when it is called: what needs no Dagster starts faster."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {
            name: TyperCommand(name=name, help=one.help) for name, one in COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: Sequence[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, list(args))
        return name, loaded(name) if name in COMMANDS else command, rest


def loaded(name: str) -> Any:
    """The command of that name."""
    found = getattr(import_module(COMMANDS[name].module), COMMANDS[name].function)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(**OPTIONS)
        alone.command(name)(found)
        found = alone
    return typer.main.get_command(found)


app = typer.Typer(cls=CommandsOnDemand, no_args_is_help=True, **OPTIONS)


@app.callback()
def abintel() -> None:
    """Raw transactions in, a daily snapshot of every customer out."""
