"""`abintel ui`: the Dagster UI on loopback."""

from typing import Annotated

import typer

from abintel_pipeline.cli.console import out, told_settings
from abintel_pipeline.orchestration.instance.ui import serve

UI_PORT = 3000


def ui(
    port: Annotated[int, typer.Option(help="Port on loopback.", min=1, max=65535)] = UI_PORT,
) -> None:
    """Open the Dagster UI on loopback, its history kept under the data folder."""
    with told_settings() as settings:
        out.print(f"Dagster UI: http://127.0.0.1:{port} (Ctrl-C stops it)")
        if "automatic" not in settings.model_fields_set:
            out.print("Schedules and the sensor are on; ABINTEL_AUTOMATIC=false starts them off")
        raise typer.Exit(serve(settings, port))
