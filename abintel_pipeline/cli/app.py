"""abintel: the pipeline from the command line.

Exit codes: 0 done, 1 it couldn't be done (the message says why), 2 the call or a setting is wrong,
130 interrupted.
"""

import typer

from abintel_pipeline.cli.demo import demo
from abintel_pipeline.cli.inspect import inspect
from abintel_pipeline.cli.rejected import rejected
from abintel_pipeline.cli.run import run
from abintel_pipeline.cli.service import call, credentials, serve
from abintel_pipeline.cli.settings import show_settings
from abintel_pipeline.cli.show import affected, show
from abintel_pipeline.cli.ui import ui
from abintel_pipeline.cli.verify import verify

app = typer.Typer(
    help="Raw transactions in, a daily snapshot of every customer out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (run, show, affected, demo, ui, rejected, verify):
    app.command()(command)
app.command("settings")(show_settings)
app.command()(serve)
app.command("features")(call("customer_features"))
app.command("loyalty")(call("customer_loyalty"))
app.command("rfm")(call("customer_rfm"))
app.add_typer(credentials, name="credentials")
app.command()(inspect)
