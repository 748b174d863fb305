"""The service's commands: serve it, make its calls on files, look after its credentials."""

import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from abintel_pipeline.cli.console import err, out, told_settings

SERVICE_PORT = 8000
FORMATS = ("json", "table")

WIDEST = 1_000_000
"""Of a table that no terminal's width holds back: what reads a pipe wants whole cells."""


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0: any that is free.", min=0, max=65535)
    ] = SERVICE_PORT,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let everybody in; on loopback alone.")
    ] = False,
    plain_http: Annotated[
        bool,
        typer.Option("--plain-http", help="Listen beyond loopback, though nothing is encrypted."),
    ] = False,
    proxy: Annotated[
        str | None,
        typer.Option(help="Address of a proxy whose X-Forwarded-For is believed."),
    ] = None,
) -> None:
    """Serve the documented calls, and reads of the published snapshots, over HTTP."""
    with _extra():  # imported before signals interrupt: until then they end the process
        from abintel_pipeline.service.http import serving
    with told_settings() as settings:
        try:
            serving.serve(
                settings, host, port, insecure=insecure, plain_http=plain_http, proxy=proxy
            )
        except serving.CannotServe as error:
            raise _cannot(str(error)) from None


def call(name: str) -> Callable[..., None]:
    """The command that makes a call on a file."""

    def made(
        request: Annotated[
            Path,
            typer.Argument(metavar="REQUEST", help="A request document; - is the standard input."),
        ],
        form: Annotated[
            str, typer.Option("--format", help="json, or table for people.", metavar="FORMAT")
        ] = "json",
    ) -> None:
        if form not in FORMATS:
            raise typer.BadParameter(f"--format {form}: choose {' or '.join(FORMATS)}")
        with told_settings() as settings, _extra():
            from abintel_pipeline.service.calls.calls import Calls
            from abintel_pipeline.service.calls.faults import Faulty, Refused

            body = _body(request)
            with closing(Calls(settings)) as calls:
                try:
                    response = getattr(calls, name)(body)
                except Faulty as error:
                    raise _cannot(*_told(error.problem)) from None
                except Refused as error:
                    raise _cannot(str(error)) from None
            _print_table(response) if form == "table" else _print_json(response)

    made.__doc__ = f"Print the response of the call {name} to a request document."
    return made


features, loyalty, rfm = map(call, ("customer_features", "customer_loyalty", "customer_rfm"))
credentials = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="The service's credentials: ABINTEL_CREDENTIALS_FILE.",
)
Known = Annotated[str | None, typer.Argument(metavar="[ID]", help="A customer's id.")]


@credentials.command()
def add(customer_id: Known = None) -> None:
    """Make a secret for the customer ID, or for a new one, and print it this once."""
    with _credentials_file() as (file, path):
        customer, secret = file.add_secret(path, _uuid(customer_id))
        out.print(f"X-Customer-Api-Id: {customer}\nX-Secret: {secret}")
        err.print(f"Only a hash of the secret is kept, in {path}")


@credentials.command()
def retire(customer_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Take all secrets of a customer but the newest out of the file."""
    with _credentials_file() as (file, path):
        gone = file.remove_old_secrets(path, _uuid(customer_id))
        out.print(f"{gone} older secrets of {customer_id} no longer count")


@credentials.command()
def remove(customer_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Take a customer with all its secrets out of the file."""
    with _credentials_file() as (file, path):
        file.remove_customer(path, _uuid(customer_id))
        out.print(f"{customer_id} is no longer let in")


@contextmanager
def _credentials_file() -> Iterator[tuple[Any, Path]]:
    with told_settings() as settings, _extra():
        from abintel_pipeline.service.access import credentials_file

        if settings.credentials_file is None:
            raise _cannot("set ABINTEL_CREDENTIALS_FILE to the file that is to hold them")
        try:
            yield credentials_file, settings.credentials_file
        except KeyError as error:
            raise _cannot(f"no customer {error.args[0]} in {settings.credentials_file}") from None


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise _cannot(
            f"{error.name} isn't installed: pip install 'abintel_pipeline[service]'"
        ) from None


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text is not None else None
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no id: `abintel credentials add` made it") from None


def _cannot(*lines: str) -> typer.Exit:
    for line in lines:
        err.print(_visible(line), style="red")
    return typer.Exit(1)


def _body(request: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(request) == "-" else request.read_bytes()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise _cannot(f"{request} can't be read: {why}") from None


def _visible(text: str) -> str:
    """A text in which nothing breaks a line or speaks to the terminal.

    >>> _visible("a\\tb\\x1b[31m é")
    'a\\\\tb\\\\x1b[31m é'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _told(problem: Any) -> Iterator[str]:
    for fault in problem.faults:
        found = f", found {fault.found}" if fault.found else ""
        yield f"{fault.place}: wanted {fault.wanted}{found}"
    if problem.total_faults > len(problem.faults):
        yield f"… and {problem.total_faults - len(problem.faults):,} more"


def _print_json(response: Any) -> None:
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(response), indent=2)
    sys.stdout.buffer.write(text + b"\n")


def _print_table(response: Any) -> None:
    import msgspec

    whole = msgspec.to_builtins(response)
    rows = [row | row.pop("features", {}) for row in whole.pop("customers")]
    table = Table(*rows[0], show_edge=False)
    for row in rows:
        table.add_row(*(Text(_visible(str(value))) for value in row.values()))
    Console(width=None if out.is_terminal else WIDEST).print(table)
    for name, values in (pair for part in whole.values() for pair in part.items()):
        shown = values if isinstance(values, dict | list) else [values]
        told = shown.items() if isinstance(shown, dict) else shown
        listed = ", ".join(
            f"{one[0]} {one[1]}" if isinstance(one, tuple) else str(one) for one in told
        )
        out.print(_visible(f"{name}: {listed}"))
