"""The assets: each step's declaration in a file that is named after what it makes."""

import dagster as dg

from abintel_pipeline.orchestration.assets import (
    customer_features,
    customer_loyalty,
    customer_rfm,
    deliveries,
)
from abintel_pipeline.orchestration.assets.daily_assets import assets_of_step
from abintel_pipeline.orchestration.naming import Names
from abintel_pipeline.orchestration.resources import Progress
from abintel_pipeline.settings import Settings

STEPS = (
    deliveries.raw_transactions,
    deliveries.raw_customers,
    customer_features.customer_features,
    customer_loyalty.customer_loyalty,
    customer_rfm.customer_rfm,
)
"""Every step, in the order in which a day's run makes them."""


def build_assets(settings: Settings, names: Names, progress: Progress) -> list[dg.AssetsDefinition]:
    """Every asset of the pipeline."""
    return [assets_of_step(step, settings, names, progress) for step in STEPS]
