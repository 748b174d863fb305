"""What a run is given: its rules, an engine, and a callback that reports progress."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field, ValidationError

from abintel_pipeline.contract.findings import VerificationFailed
from abintel_pipeline.engine.connection import engine
from abintel_pipeline.intake import DeliveryError
from abintel_pipeline.rules import Rules
from abintel_pipeline.settings import Settings, faults
from abintel_pipeline.snapshots import StepContext
from abintel_pipeline.snapshots.rules_in_force import OtherRules
from abintel_pipeline.store.ownership import StoreOfAnother, StoreOfOtherSettings, claim
from abintel_pipeline.store.proofs import NotAsPublished
from abintel_pipeline.store.snapshot_store import SnapshotMissing
from abintel_pipeline.store.windows import NothingDelivered

RULES = "rules"
"""The resource with the rules of a run."""

PERMANENT = (
    DeliveryError,
    NotAsPublished,
    NothingDelivered,
    OtherRules,
    SnapshotMissing,
    StoreOfAnother,
    StoreOfOtherSettings,
    VerificationFailed,
)
"""Errors that a retry would only repeat."""

Progress = Callable[[str, date], None]
"""Called with an asset's name and a day each time a day of it is done."""


def no_progress(asset: str, day: date) -> None:
    """Reports nothing."""


class RulesResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The rules of this run: the settings', unless the Launchpad says otherwise.

    `bounds` is `{"kind": "cohort"}`, `{"kind": "percentiles", "percentiles": [1, 99]}` or
    `{"kind": "reference", "reference": {"purchase_total": [0, 5000], …}}`.
    """

    history_days: int = Field(description="Days in a snapshot's trailing window, 1 to 3660.")
    weights: dict[str, float] = Field(description="Weight of each metric in the loyalty score.")
    segment_thresholds: dict[str, float] = Field(
        description="Each segment's lowest score, from the highest segment to the lowest."
    )
    bounds: dict[str, Any] = Field(description="Between which values metrics are scaled.")
    bins: int = Field(description="Number of scores per RFM metric, 2 to 10.")

    def over(self, settings: Settings, resource: str = RULES) -> Rules:
        """These rules on top of the settings. Raises dagster.Failure naming what is wrong in it."""
        named = {name: getattr(self, name) for name in type(self).model_fields}
        try:
            return Rules(currency_decimals=settings.currency_decimals, **named)
        except ValidationError as error:
            raise dg.Failure(
                f"resources.{resource}.config: {'; '.join(faults(error))}", allow_retries=False
            ) from error


def rules_resource(settings: Settings) -> Any:
    """The rules resource; the Launchpad shows the settings' rules as its defaults."""
    rules = settings.rules
    return RulesResource.configure_at_launch(
        history_days=rules.history_days,
        weights=dict(rules.weights),
        segment_thresholds=dict(rules.segment_thresholds),
        bounds=rules.bounds.model_dump(mode="json"),
        bins=rules.bins,
    )


@contextmanager
def step_context(
    settings: Settings, rules: RulesResource, resource: str = RULES
) -> Iterator[StepContext]:
    """An engine for one step's run. Bad data and bad rules fail the step without a retry.

    So does a store of another pipeline or of other settings, and a file in it that isn't what it
    says. `resource` is the name of this pipeline's
    rules: its prefix says whose store it is.
    """
    in_force = rules.over(settings, resource)
    try:
        claim(settings, resource.removesuffix(RULES).removesuffix("_"))
        with engine(settings) as connection:
            yield StepContext(connection, settings, in_force)
    except PERMANENT as error:
        raise dg.Failure(str(error), allow_retries=False) from error
