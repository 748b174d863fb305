"""Intake: one day's delivery of a request table, from files, request documents or a SQL database.

Every source becomes rows of text, one screening turns texts into typed values, and the contract's
Pandera models decide what is accepted. Rejected rows are kept with every reason.
"""

from abintel_pipeline.intake.day import Intake, take_in_customers, take_in_transactions
from abintel_pipeline.intake.errors import DeliveryError, IntakeBroken
from abintel_pipeline.intake.rejected.files import DeliveriesFailed, TooManyRejected

__all__ = [
    "DeliveriesFailed",
    "DeliveryError",
    "Intake",
    "IntakeBroken",
    "TooManyRejected",
    "take_in_customers",
    "take_in_transactions",
]
