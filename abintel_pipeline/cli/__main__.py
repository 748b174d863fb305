"""`python -m abintel_pipeline.cli`, and what the command `abintel` calls."""

from abintel_pipeline.cli.stopping import end_at_once


def main() -> None:
    """The command line. Signals are answered before anything else is imported."""
    end_at_once()
    from abintel_pipeline.cli.app import app

    app()


if __name__ == "__main__":
    main()
