"""The assets, one file per step: glue between a day and a function of `snapshots`."""

import dagster as dg

from abintel_pipeline.orchestration.assets.customer_features import CUSTOMER_FEATURES_STEP
from abintel_pipeline.orchestration.assets.customer_loyalty import CUSTOMER_LOYALTY_STEP
from abintel_pipeline.orchestration.assets.customer_rfm import CUSTOMER_RFM_STEP
from abintel_pipeline.orchestration.assets.raw_customers import RAW_CUSTOMERS_STEP
from abintel_pipeline.orchestration.assets.raw_transactions import RAW_TRANSACTIONS_STEP
from abintel_pipeline.orchestration.assets.steps import step_assets
from abintel_pipeline.orchestration.naming import Names
from abintel_pipeline.orchestration.resources import Progress
from abintel_pipeline.settings import Settings

STEPS = (
    RAW_TRANSACTIONS_STEP,
    RAW_CUSTOMERS_STEP,
    CUSTOMER_FEATURES_STEP,
    CUSTOMER_LOYALTY_STEP,
    CUSTOMER_RFM_STEP,
)
"""Every step, in the order in which a day's run makes them."""


def build_assets(settings: Settings, names: Names, progress: Progress) -> list[dg.AssetsDefinition]:
    """Every asset of the pipeline."""
    return [step_assets(step, settings, names, progress) for step in STEPS]
