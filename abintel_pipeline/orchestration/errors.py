"""What can keep a run or the UI from its work. To be quick to import, without Dagster."""

from pathlib import Path


class RunFailed(Exception):
    """A run didn't succeed. The message has one line per cause."""


class PortTaken(OSError):
    """Something else listens where the UI should."""


class HistoryBroken(Exception):
    """Dagster's history can't be read; the message says where it is and how to begin a new one."""

    def __init__(self, home: Path, why: str) -> None:
        super().__init__(
            f"Dagster's history in {home} is broken ({why}). Stop what uses it, and move the"
            f" folders {home / 'history'} and {home / 'schedules'} away: the next start makes new"
            " ones. Published tables are not in them and stay; the list of past runs is lost"
        )
