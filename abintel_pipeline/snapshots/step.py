"""What every step needs, and the tables they write."""

from dataclasses import dataclass

from ibis.backends.duckdb import Backend

from abintel_pipeline.contract import TABLES
from abintel_pipeline.settings import Rules, Settings
from abintel_pipeline.store import SnapshotStore

RAW_TRANSACTIONS = TABLES["raw_transactions"]
RAW_CUSTOMERS = TABLES["raw_customers"]
CUSTOMER_FEATURES = TABLES["customer_features"]
CUSTOMER_LOYALTY = TABLES["customer_loyalty"]
LOYALTY_SUMMARY = TABLES["loyalty_summary"]
CUSTOMER_RFM = TABLES["customer_rfm"]
RFM_THRESHOLDS = TABLES["rfm_thresholds"]


@dataclass(frozen=True)
class StepContext:
    """An engine, the settings, and the rules of this run."""

    connection: Backend
    settings: Settings
    rules: Rules

    @property
    def store(self) -> SnapshotStore:
        return SnapshotStore(self.settings.store)
