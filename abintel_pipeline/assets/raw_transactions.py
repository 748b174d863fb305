"""Takes in the day's delivery of transactions: what is accepted, and what is refused and why."""

from abintel_pipeline.assets.intakes import intake_step
from abintel_pipeline.intake import take_in_transactions

RAW_TRANSACTIONS_STEP = intake_step(
    "transactions", take_in_transactions, "refused_share", "delivery_volume"
)
