"""The settings that decide numbers: they travel with every snapshot.

Frozen, and validated once, at the edge.
"""

import json
import math
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails

METRICS = (
    "purchase_total",
    "visit_frequency",
    "avg_ticket",
    "product_diversity",
    "recency_days",
)
"""The metrics a loyalty score is made of, in the order in which they are added up."""

DEFAULT_WEIGHTS = {
    "purchase_total": 0.25,
    "visit_frequency": 0.30,
    "avg_ticket": 0.10,
    "product_diversity": 0.15,
    "recency_days": 0.20,
}
DEFAULT_SEGMENT_THRESHOLDS = {
    "Platinum": 0.85,
    "Gold": 0.70,
    "Silver": 0.50,
    "Bronze": 0.30,
    "At-Risk": 0.0,
}


Wrong = tuple[tuple[str, ...], str]
"""(place below what is validated, what is wrong there)."""


def _refuse(wrong: list[Wrong], given: Any) -> None:
    """Raises ValidationError with everything that is wrong, not with the first of it alone."""
    if wrong:
        details: list[InitErrorDetails] = [
            {
                "type": "value_error",
                "loc": place,
                "input": given,
                "ctx": {"error": ValueError(told)},
            }
            for place, told in wrong
        ]
        raise ValidationError.from_exception_data("rules", details)


def _unknown_metrics(named: dict[str, Any]) -> list[Wrong]:
    known = ", ".join(METRICS)
    unknown = sorted(set(named) - set(METRICS))
    return [((name,), f"unknown metric {name!r}: the metrics are {known}") for name in unknown]


def _known_metrics(named: dict[str, Any]) -> dict[str, Any]:
    """In the metrics' own order: the same values are the same rules, however they were listed."""
    _refuse(_unknown_metrics(named), named)
    return {metric: named[metric] for metric in METRICS if metric in named}


def _usable_weights(weights: dict[str, float]) -> dict[str, float]:
    wrong: list[Wrong] = [
        ((metric,), f"the weight of {metric} is {weight}: it must be a finite number >= 0")
        for metric, weight in weights.items()
        if not math.isfinite(weight) or weight < 0
    ]
    _refuse(_unknown_metrics(weights) + wrong, weights)
    if not any(weights.values()):
        raise ValueError("all weights are zero: at least one metric must count")
    if not math.isfinite(sum(weights.values())):
        raise ValueError("the weights add up to more than a number can hold: make them smaller")
    return _known_metrics(weights)


def _usable_segments(thresholds: dict[str, float]) -> list[Wrong]:
    wrong: list[Wrong] = [((), "a segment needs a name") for name in thresholds if not name.strip()]
    for name, bound in thresholds.items():
        if not 0 <= bound <= 1:
            wrong.append(((name,), f"segment {name!r} starts at {bound}: scores lie in 0..1"))
    return wrong


def _falling_thresholds(thresholds: dict[str, float]) -> dict[str, float]:
    """From the highest segment to the lowest, however they were listed: Dagster sorts by name."""
    if not thresholds:
        raise ValueError("name at least one segment")
    _refuse(_usable_segments(thresholds), thresholds)
    falling = dict(sorted(thresholds.items(), key=lambda pair: -pair[1]))
    wrong: list[Wrong] = [
        ((lower,), f"segments {upper!r} and {lower!r} both start at {start}")
        for (upper, start), (lower, below) in pairwise(falling.items())
        if start == below
    ]
    lowest = min(falling.values())
    if lowest != 0:
        told = f"the lowest segment starts at {lowest}: start it at 0, so that every score has one"
        wrong.append(((), told))
    _refuse(wrong, thresholds)
    return falling


Weights = Annotated[dict[str, float], AfterValidator(_usable_weights)]
SegmentThresholds = Annotated[dict[str, float], AfterValidator(_falling_thresholds)]


class Bounds(BaseModel):
    """Between which values a metric is scaled to 0..1; a value beyond a bound is clipped to it.

    - `cohort`: the cohort's smallest and largest value (the documents' min-max);
    - `percentiles`: two percentiles of the cohort, so that a few whales don't flatten the rest;
    - `reference`: fixed values per metric, so that scores compare across days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["cohort", "percentiles", "reference"] = "cohort"
    percentiles: tuple[float, float] = (1.0, 99.0)
    reference: Annotated[dict[str, tuple[float, float]], AfterValidator(_known_metrics)] = {}

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles {low} and {high}: want 0 <= low < high <= 100")
        for metric, (lower, upper) in self.reference.items():
            if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
                raise ValueError(f"reference bounds of {metric}: {lower} is not below {upper}")
        if self.reference and self.kind != "reference":
            raise ValueError("reference bounds are given: set kind to 'reference' as well")
        return self


class Rules(BaseModel):
    """The settings that decide numbers: same deliveries, same rules, same rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    history_days: int = Field(
        540, ge=1, le=3660, description="Days in a snapshot's trailing window, 1 to 3660."
    )
    currency_decimals: int = Field(
        2,
        ge=0,
        le=4,
        description="Decimals of the currency, 0 to 4; amounts are rounded half up to them.",
    )
    weights: Weights = Field(
        DEFAULT_WEIGHTS,
        description="Weight of each metric in the loyalty score; a metric not named weighs 0.",
    )
    segment_thresholds: SegmentThresholds = Field(
        DEFAULT_SEGMENT_THRESHOLDS,
        description="Each segment's lowest score, from the highest segment to the lowest.",
    )
    bounds: Bounds = Field(
        Bounds(), description="Between which values the loyalty metrics are scaled."
    )
    bins: int = Field(5, ge=2, le=10, description="Number of scores per RFM metric, 2 to 10.")

    @model_validator(mode="after")
    def _reference_bounds_cover_the_weights(self) -> Self:
        if self.bounds.kind == "reference":
            wrong: list[Wrong] = [
                (("weights", metric), f"{metric} has a weight but no reference bounds")
                for metric in METRICS
                if self.weights.get(metric, 0) and metric not in self.bounds.reference
            ]
            _refuse(wrong, self.weights)
        return self

    def as_json(self) -> str:
        """These rules as one line of JSON: the form stored with a snapshot."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False)
