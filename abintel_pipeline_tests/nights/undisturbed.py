"""A run that nothing disturbs, from the same deliveries: what the disturbed nights must end as."""

import shutil
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from random import Random

from abintel_pipeline.engine.connection import Backend
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import (
    StepContext,
    features_snapshots,
    loyalty_snapshots,
    rfm_snapshots,
    take_in_days,
)
from abintel_pipeline.store.windows import NothingDelivered
from abintel_pipeline_tests.nights.answers import CUSTOMERS, TRANSACTIONS, Answers
from abintel_pipeline_tests.nights.disk import Disk
from abintel_pipeline_tests.nights.ledger import Place, published_files
from abintel_pipeline_tests.nights.model import Frozen
from abintel_pipeline_tests.nights.world import FIRST_DAY, MOST_REJECTED, NOBODY, World, put


def nights_settings(data: Path, world: World) -> Settings:
    """The settings of the shop."""
    return Settings(
        _env_file=None,
        data_dir=data,
        first_day=FIRST_DAY,
        history_days=world.history_days,
        max_rejected_share=float(MOST_REJECTED),
        nobody_ids=(NOBODY,),
        memory_limit="1GB",
        threads=1,
    )


def undisturbed(
    folder: Path,
    world: World,
    landed: dict[tuple[str, date], Frozen],
    connection: Backend,
    answers: Answers | None,
) -> dict[Place, bytes]:
    """The published files of one run over all days; without `answers` the engine makes each."""
    data = folder / "undisturbed"
    settings = nights_settings(data, world)
    for (kind, day), files in landed.items():
        put(settings.landing / kind, day, dict(files))
    step = StepContext(connection, settings, settings.rules)
    disk = Disk(data, Random(0))
    with answers.given_by(disk, _nothing) if answers else nullcontext():
        for how in (CUSTOMERS, TRANSACTIONS):
            taking = answers.intake_of(disk, how, _nothing) if answers else how
            for _ in take_in_days(step, world.days, taking):
                pass
        days = world.days
        for snapshots_of in (features_snapshots, loyalty_snapshots, rfm_snapshots):
            try:
                for _ in snapshots_of(step, days):
                    pass
            except NothingDelivered as nothing:
                days = [day for day in days if day not in nothing.days]
    files = published_files(step.store)
    shutil.rmtree(data)
    return files


def _nothing() -> None:
    """Nothing comes between."""
