"""`abintel demo`: a year of real transactions, and December's snapshots of them."""

from abintel_pipeline.cli.console import bar, out, told_settings
from abintel_pipeline.cli.demo_data import FIRST_DAY, LAST_DAY, write_deliveries
from abintel_pipeline.cli.run import run_with_bar
from abintel_pipeline.cli.show import print_snapshot
from abintel_pipeline.orchestration.running import Selection


def demo() -> None:
    """Write a year of real grocery transactions, publish December's snapshots, show the last."""
    with told_settings() as settings:
        journey = settings.model_copy(update={"first_day": FIRST_DAY})
        with bar() as shown:
            task = shown.add_task("landing folder", total=None)
            lines = write_deliveries(
                journey.landing, lambda done, total: shown.update(task, completed=done, total=total)
            )
        out.print(f"{lines:,} lines written to {journey.landing}")
        run_with_bar(journey, FIRST_DAY, LAST_DAY, Selection("deliveries"))
        december = LAST_DAY.replace(day=1)
        run_with_bar(journey, december, LAST_DAY, Selection("snapshots"))
        out.print()
        print_snapshot(journey, LAST_DAY)
        out.print(f"Parquet files: {journey.store}")
        out.print("Now open the UI: make ui")
