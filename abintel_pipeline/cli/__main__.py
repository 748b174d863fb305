"""`python -m abintel_pipeline.cli`."""

from abintel_pipeline.cli.app import app

app()
