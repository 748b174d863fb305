"""What can be set, and the only place that reads the environment.

`Rules` are the settings that decide numbers: they travel with every snapshot. `Settings` adds where
things lie and how much of the machine may be used. Both are frozen and validated once, at the edge.
"""

import difflib
import json
import math
import os
import re
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from abintel_pipeline.source_settings import SourceSettings, TimeZoneName

ENV_PREFIX = "ABINTEL_"
ENV_FILE = ".env"

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


def _owner(owner: str) -> str:
    """Dagster's own rule: it refuses anything else with a traceback when it loads the assets."""
    if not re.fullmatch(r"[\w.%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}|team:.+", owner):
        raise ValueError(f"{owner!r} is no owner: write an e-mail address or team:name")
    return owner


_SIZE = re.compile(r"(\d{1,9}(?:\.\d+)?)\s*([KMGT])(i?)B")


def _memory_size(size: str) -> str:
    if not _SIZE.fullmatch(size):
        raise ValueError(f"{size!r} is no size: write a number and a unit, such as 4GB or 512MiB")
    return size


def _bytes(size: str) -> float:
    number, unit, binary = _SIZE.fullmatch(size).groups()  # type: ignore[union-attr]
    return float(number) * (1024.0 if binary else 1000.0) ** ("KMGT".index(unit) + 1)


Folder = Annotated[Path, AfterValidator(Path.expanduser)]
Owner = Annotated[str, AfterValidator(_owner)]
MemorySize = Annotated[str, AfterValidator(_memory_size)]
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


class Settings(Rules, SourceSettings, BaseSettings):
    """Everything that can be set, read from `ABINTEL_*` variables and a `.env` file.

    Lists and objects are written as JSON: `ABINTEL_WEIGHTS='{"purchase_total": 1}'`.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_file=ENV_FILE,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    data_dir: Folder = Field(
        Path("data"), description="Folder of everything the pipeline keeps or waits for."
    )
    landing_dir: Folder | None = Field(
        None, description="Where deliveries arrive; unset: `landing` in the data folder."
    )
    store_dir: Folder | None = Field(
        None, description="Where the published tables lie; unset: `store` in the data folder."
    )
    dagster_home: Folder | None = Field(
        None,
        validation_alias=AliasChoices("ABINTEL_DAGSTER_HOME", "DAGSTER_HOME"),
        description="Where Dagster keeps its history; unset: `dagster` in the data folder.",
    )
    first_day: date = Field(
        date(2017, 1, 1),
        ge=date(1900, 1, 1),
        description="First day that can have a delivery or a snapshot.",
    )
    timezone: TimeZoneName = Field(
        "UTC", description="Time zone in which a business day begins and ends."
    )
    automatic: bool = Field(
        False,
        description="Whether schedules and sensors start turned on; `abintel ui` turns them on.",
    )
    nightly_hour: int = Field(
        2, ge=0, le=23, description="Hour at which the snapshot of the day before is made, 0 to 23."
    )
    expected_hour: int = Field(
        6,
        ge=0,
        le=23,
        description="Hour from which on a missing snapshot of the day before is an error, 0 to 23.",
    )
    settle_seconds: int = Field(
        15,
        ge=0,
        le=86_400,
        description="Seconds for which nothing of a delivery may have changed before it is taken"
        " in by itself.",
    )
    late_days: int = Field(
        7,
        ge=0,
        le=3660,
        description="Days after a late or corrected delivery whose snapshots are renewed by"
        " themselves.",
    )
    max_refused_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Above this share of refused rows a delivery fails as a whole.",
    )
    warn_refused_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Above this share of refused rows a delivery that was taken in gets a warning.",
    )
    warn_volume_change: float = Field(
        0.5,
        gt=0,
        description="A delivery gets a warning when its rows differ by more than this share from"
        " the median of the same weekday's recent deliveries.",
    )
    warn_missing_days: int = Field(
        0,
        ge=0,
        description="A snapshot gets a warning when more delivery days than this are missing from"
        " its window.",
    )
    warn_tier_shift: float = Field(
        0.05,
        ge=0,
        le=1,
        description="A snapshot gets a warning when a tier's share of the customers differs by more"
        " than this from the day before.",
    )
    warn_repeated_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="A delivery gets a warning when more than this share of its lines are exact"
        " copies of another: it looks like an export written twice.",
    )
    warn_customer_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="A snapshot gets a warning when one customer has more than this share of all"
        " orders: guests under one id, perhaps.",
    )
    owners: tuple[Owner, ...] = Field(
        (),
        description="Owners shown with every asset: e-mail addresses or team:names; `abintel ui`"
        " shows `team:crm` until some are set.",
    )
    memory_limit: MemorySize = Field(
        "4GB",
        description="Memory the engine may use before it spills to disk.",
    )
    threads: int | None = Field(
        None, ge=1, le=1024, description="Engine threads, 1 to 1024; unset: one per core."
    )
    spill_dir: Folder | None = Field(
        None, description="Where the engine spills; unset: `spill` in the data folder."
    )

    credentials_file: Folder | None = Field(
        None,
        description="File of the service's credentials; `abintel credentials add` writes it.",
    )
    service_max_body: MemorySize = Field(
        "200MB", description="Largest body of a request to the service."
    )
    service_large_requests: int = Field(
        2,
        ge=1,
        le=64,
        description="Requests over 1 MB that the service works on at a time; more are told to"
        " come again.",
    )
    service_body_seconds: float = Field(
        10,
        gt=0,
        le=3600,
        description="Seconds in which a body has to arrive, or an answer to be read, and one more"
        " for every 100 kB.",
    )
    service_stop_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        description="Seconds that a stop of the service waits for what was begun.",
    )
    service_failed_attempts: int = Field(
        10,
        ge=1,
        le=1_000_000,
        description="Wrong credentials with one id from one address, in a minute, before it has"
        " to wait.",
    )

    @model_validator(mode="after")
    def _a_night_comes_before_it_is_missed(self) -> Self:
        if self.expected_hour <= self.nightly_hour:
            raise ValueError(
                f"expected_hour {self.expected_hour} must be later in the day than nightly_hour"
                f" {self.nightly_hour}: a snapshot can't be missed before it is made"
            )
        return self

    @property
    def memory_bytes(self) -> float:
        """The memory limit as a number of bytes."""
        return _bytes(self.memory_limit)

    @property
    def max_body_bytes(self) -> int:
        """The largest body of a request as a number of bytes."""
        return int(_bytes(self.service_max_body))

    @property
    def landing(self) -> Path:
        return self.landing_dir or self.data_dir / "landing"

    @property
    def store(self) -> Path:
        return self.store_dir or self.data_dir / "store"

    @property
    def spill(self) -> Path:
        return self.spill_dir or self.data_dir / "spill"

    @property
    def history(self) -> Path:
        return self.dagster_home or self.data_dir / "dagster"

    @property
    def rules(self) -> Rules:
        """The part of these settings that decides numbers."""
        return Rules(**{name: getattr(self, name) for name in Rules.model_fields})


def faults(error: ValidationError, prefix: str = "") -> list[str]:
    """What a validation error says, one `place: what is wrong` each.

    With `prefix`, a setting is named by its variable. A fault of a combination has no place.
    """
    told = []
    for fault in error.errors():
        place = ".".join(map(str, fault["loc"]))
        if prefix and fault["loc"] and fault["loc"][0] in Settings.model_fields:
            name, dot, inner = place.partition(".")
            place = prefix + name.upper() + dot + inner
        told.append(": ".join(filter(None, (place, fault["msg"].removeprefix("Value error, ")))))
    return told


def unknown_variables() -> list[str]:
    """`ABINTEL_*` variables, in `.env` too, that are no settings, each with the nearest that is."""
    known = {name for names in _variables().values() for name in names}
    found = {name.upper() for name in (*os.environ, *_env_file())} - known
    told = []
    for name in sorted(name for name in found if name.startswith(ENV_PREFIX)):
        nearest = difflib.get_close_matches(name, known, 1)
        told.append(f"{name} is no setting" + (f": is {nearest[0]} meant?" if nearest else ""))
    return told


def origins() -> dict[str, str]:
    """Where each setting's value comes from: an environment variable, `.env`, or the default."""
    in_file = {key.upper() for key, value in _env_file().items() if value}
    found = {}
    for setting, names in _variables().items():
        set_as = next((n for n in names if os.environ.get(n)), None)
        in_env_file = next((n for n in names if n in in_file), None)
        found[setting] = set_as or (f"{ENV_FILE}: {in_env_file}" if in_env_file else "default")
    return found


def _env_file() -> dict[str, str | None]:
    return dotenv_values(ENV_FILE)


def _variables() -> dict[str, list[str]]:
    """The names of the variables that hold each setting, the first that is set counts."""
    aliases = {name: field.validation_alias for name, field in Settings.model_fields.items()}
    return {
        name: [str(choice) for choice in alias.choices]
        if isinstance(alias, AliasChoices)
        else [(ENV_PREFIX + name).upper()]
        for name, alias in aliases.items()
    }
