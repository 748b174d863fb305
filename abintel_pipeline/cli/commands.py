"""The commands: where each stands, and its first sentence, which `abintel --help` shows.

A command itself is imported when it is called.
"""

from typing import NamedTuple


class Command(NamedTuple):
    """A command's function, or the Typer of its own commands; `help` begins its help too."""

    module: str
    function: str
    help: str


def _of(module: str, function: str, text: str) -> Command:
    return Command(f"abintel_pipeline.cli.{module}", function, text)


COMMANDS = {
    "run": _of(
        "run",
        "run",
        "Take in the deliveries of the days FROM to TO and publish their snapshots, in one run.",
    ),
    "show": _of(
        "show",
        "show",
        "Show the snapshot of DATE: its segments, its tiers, and the deliveries it was made from.",
    ),
    "affected": _of(
        "show",
        "affected",
        "Show which published snapshots the delivery of DATE may have changed, and how to renew"
        " them.",
    ),
    "demo": _of(
        "demo",
        "demo",
        "Write a year of real grocery transactions, publish December's snapshots, show the last.",
    ),
    "ui": _of(
        "ui", "ui", "Open the Dagster UI on loopback, its history kept under the data folder."
    ),
    "rejected": _of(
        "rejected",
        "rejected",
        "Show the rows that were rejected in the deliveries of DATE, with every reason.",
    ),
    "verify": _of(
        "verify",
        "verify",
        "Verify the published files of the days FROM to TO: one line per flaw, and exit code 1.",
    ),
    "settings": _of(
        "settings",
        "show_settings",
        "Show every setting: its value in force, where that came from, and what it is for.",
    ),
    "serve": _of(
        "service",
        "serve",
        "Serve the documented calls, and reads of the published snapshots, over HTTP.",
    ),
    "features": _of(
        "service",
        "features",
        "Print the response of the call customer_features to a request document.",
    ),
    "loyalty": _of(
        "service",
        "loyalty",
        "Print the response of the call customer_loyalty to a request document.",
    ),
    "rfm": _of(
        "service", "rfm", "Print the response of the call customer_rfm to a request document."
    ),
    "inspect": _of(
        "inspect",
        "inspect",
        "Say what FILE is, which settings make it a delivery, and what is then accepted.",
    ),
    "credentials": _of(
        "service", "credentials", "The service's credentials: ABINTEL_CREDENTIALS_FILE."
    ),
}
