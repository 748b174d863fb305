"""What all commands share: the settings, errors as sentences with exit codes, days, and output."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from abintel_pipeline.cli.stopping import INTERRUPTED, SAID, interruptible
from abintel_pipeline.settings import (
    ENV_FILE,
    ENV_PREFIX,
    RenamedSetting,
    Settings,
    faults,
    unknown_variables,
)

SHOWN_DAYS = 10

# What was delivered is shown as it is: no :emoji: codes, no [markup], no colours by content.
out = Console(soft_wrap=True, emoji=False, markup=False, highlight=False)
err = Console(stderr=True, soft_wrap=True, emoji=False, markup=False, highlight=False)


@contextmanager
def told_settings() -> Iterator[Settings]:
    """The settings, and errors as sentences with their exit codes."""
    settings = _read_settings()
    try:
        with interruptible():
            yield settings
    except KeyboardInterrupt as error:
        err.print(SAID, style="red")
        raise typer.Exit(INTERRUPTED) from error
    except Exception as error:
        if not isinstance(error, told_in_a_sentence()):
            raise
        err.print(str(error), style="red")
        raise typer.Exit(1) from error


def told_in_a_sentence() -> tuple[type[Exception], ...]:
    """What can keep a command from its work that the person at the keyboard can do something about.

    Imported once there is an error: a command that knows neither engine nor data starts faster.
    """
    from abintel_pipeline.cli.demo_data import DemoDataMissing
    from abintel_pipeline.cli.showing import DeliveryDeleted, NothingTakenIn
    from abintel_pipeline.engine.connection import EngineError
    from abintel_pipeline.intake import DeliveryError
    from abintel_pipeline.orchestration.errors import HistoryBroken, PortTaken, RunFailed
    from abintel_pipeline.store.proofs import NotAsPublished
    from abintel_pipeline.store.snapshot_store import SnapshotMissing
    from abintel_pipeline.store.windows import NothingDelivered

    return (
        RunFailed,
        NothingDelivered,
        NotAsPublished,
        DeliveryError,
        NothingTakenIn,
        DeliveryDeleted,
        SnapshotMissing,
        PortTaken,
        HistoryBroken,
        DemoDataMissing,
        EngineError,
        OSError,
    )


def _read_settings() -> Settings:
    """The settings in force; what is wrong with them is told by the variables' names."""
    try:
        wrong = unknown_variables()
        settings = Settings()
    except ValidationError as error:
        wrong = faults(error, ENV_PREFIX)
    except RenamedSetting as error:
        wrong = [str(error)]
    except SettingsError as error:
        name = str(error).partition('field "')[2].partition('"')[0]
        wrong = [f"{ENV_PREFIX}{name.upper()}: lists and objects are written as JSON"]
    except UnicodeDecodeError:
        wrong = [f"{ENV_FILE} is not UTF-8: save it as UTF-8"]
    if wrong:
        for fault in wrong:
            err.print(fault, style="red")
        raise typer.Exit(2)
    return settings


def parse_day(text: str) -> date:
    """A day of the command line."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no date: write YYYY-MM-DD") from error


Day = Annotated[Any, typer.Argument(parser=parse_day, metavar="DATE", help="A day, YYYY-MM-DD.")]


def some(days: list[date]) -> str:
    return ", ".join(map(str, days[:SHOWN_DAYS])) + (", …" if len(days) > SHOWN_DAYS else "")


def bar() -> Progress:
    return Progress(
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=out,
    )
