"""Takes in the day's delivery of customers: what is accepted, and what is refused and why."""

from abintel_pipeline.assets.intakes import intake_step
from abintel_pipeline.intake import take_in_customers

RAW_CUSTOMERS_STEP = intake_step("customers", take_in_customers, "refused_share")
