"""The settings in the groups in which they are shown and documented."""

from dataclasses import dataclass

from abintel_pipeline.rules import Rules
from abintel_pipeline.settings.pipeline import Settings
from abintel_pipeline.settings.service import ServiceSettings
from abintel_pipeline.settings.source import SourceSettings


@dataclass(frozen=True)
class Group:
    """Settings that belong together: their names, and what they are about."""

    name: str
    title: str
    settings: tuple[str, ...]


RULES = tuple(Rules.model_fields)
SOURCE = tuple(SourceSettings.model_fields)
SERVICE = tuple(ServiceSettings.model_fields)
PIPELINE = tuple(name for name in Settings.model_fields if name not in {*RULES, *SOURCE, *SERVICE})

GROUPS = (
    Group("rules", "Rules: they decide numbers", RULES),
    Group("source", "The source: how deliveries are read", SOURCE),
    Group("pipeline", "The pipeline: where things are, when it runs, when it warns", PIPELINE),
    Group("service", "The service", SERVICE),
)
