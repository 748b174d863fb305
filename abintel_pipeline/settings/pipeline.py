"""Everything that can be set beside the rules: where things lie, when they run, what they may use.

Frozen, and validated once, at the edge.
"""

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, AliasChoices, Field, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from abintel_pipeline.rules import Rules
from abintel_pipeline.settings.service import ServiceSettings
from abintel_pipeline.settings.source import SourceSettings, TimeZoneName
from abintel_pipeline.settings.value_types import Folder, MemorySize, bytes_of

ENV_PREFIX = "ABINTEL_"
ENV_FILE = ".env"
RENAMED = {
    "expected_hour": "snapshot_deadline_hour",
    "max_refused_share": "max_rejected_share",
    "warn_refused_share": "warn_rejected_share",
}
"""{the name of a setting in an earlier version: its name now}"""


class RenamedSetting(ValueError):
    """A setting is given by its old name, and would have no effect."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__(f"{old} is now called {new}: rename it")


def _owner(owner: str) -> str:
    """Dagster's own rule: it refuses anything else with a traceback when it loads the assets."""
    if not re.fullmatch(r"[\w.%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}|team:.+", owner):
        raise ValueError(f"{owner!r} is no owner: write an e-mail address or team:name")
    return owner


Owner = Annotated[str, AfterValidator(_owner)]


def _names(source: PydanticBaseSettingsSource) -> Iterable[str]:
    """Every name that a source has, whether it is a setting or not."""
    if isinstance(source, InitSettingsSource):
        return source.init_kwargs
    return source.env_vars if isinstance(source, EnvSettingsSource) else ()


class Settings(Rules, SourceSettings, ServiceSettings, BaseSettings):
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
    snapshot_deadline_hour: int = Field(
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
    max_rejected_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Above this share of rejected rows a delivery fails as a whole.",
    )
    warn_rejected_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Above this share of rejected rows a delivery that was taken in gets a"
        " warning.",
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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, the environment, `.env`, in this order; an old name is an error in each."""
        sources = (init_settings, env_settings, dotenv_settings)
        for source in sources:
            given = {name.lower() for name in _names(source)}
            for old, new in RENAMED.items():
                if old in given:
                    raise RenamedSetting(old, new)
                if (ENV_PREFIX + old).lower() in given:
                    raise RenamedSetting(ENV_PREFIX + old.upper(), ENV_PREFIX + new.upper())
        return sources

    @model_validator(mode="after")
    def _a_night_comes_before_it_is_missed(self) -> Self:
        if self.snapshot_deadline_hour <= self.nightly_hour:
            raise ValueError(
                f"snapshot_deadline_hour {self.snapshot_deadline_hour} must be later in the day"
                f" than nightly_hour {self.nightly_hour}: a snapshot can't be missed before it is"
                " made"
            )
        return self

    @property
    def memory_bytes(self) -> float:
        """The memory limit as a number of bytes."""
        return bytes_of(self.memory_limit)

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
