"""The pipeline as a Dagster component: in YAML, without Python.

type: abintel_pipeline.CustomerSnapshots
attributes:
  key_prefix: north
  data_dir: data/north
  history_days: 365
"""

from pathlib import Path
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from abintel_pipeline.orchestration.definitions import build_defs
from abintel_pipeline.orchestration.naming import KeyPrefix
from abintel_pipeline.settings import Settings, faults

NOT_ATTRIBUTES = {"dagster_home"}
"""Settings of the process that loads the component, which has its home already."""


class GivenSettings(Settings):
    """Settings as given, not from the environment, which several components would share."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What was given, and nothing else."""
        return (init_settings,)


def _attributes_model() -> type[BaseModel]:
    """Every setting as an attribute, a template (`{{ env.NAME }}`) allowed in place of its value.

    `data_dir` has no default: two pipelines in one folder would overwrite each other.
    """
    fields: dict[str, Any] = {
        name: (_written(field.annotation), Field(None, description=field.description))
        for name, field in Settings.model_fields.items()
        if name not in NOT_ATTRIBUTES
    }
    fields["data_dir"] = (str, Field(description=Settings.model_fields["data_dir"].description))
    fields["key_prefix"] = (
        str | list[str] | None,
        Field(None, description="What the assets' keys and the names of all else begin with."),
    )
    forbid = ConfigDict(extra="forbid")
    return create_model("CustomerSnapshotsAttributes", __config__=forbid, **fields)


def _written(annotation: Any) -> Any:
    """A type for the setting's value in YAML; whether the value is valid, the settings decide.

    Dagster 1.13 fails to make a sample of a model that holds a pair, as the bounds do.
    """
    model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return (dict[str, Any] if model else annotation) | str | None


class CustomerSnapshotsScaffolder(dg.Scaffolder):
    """`dg scaffold defs abintel_pipeline.CustomerSnapshots north`: a pipeline named north."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Write a `defs.yaml` that loads as it is."""
        name = request.target_path.name
        dg.scaffold_component(request, {"key_prefix": name, "data_dir": f"data/{name}"})


@dg.scaffold_with(CustomerSnapshotsScaffolder)
class CustomerSnapshots(dg.Component):
    """Raw retail transactions in, a daily snapshot of every customer out.

    Takes in each day's delivery and publishes features, loyalty score and segment, RFM scores and
    tier of every customer: assets, checks, a job, schedules and a sensor. The attributes are the
    settings in docs/settings.md, and `key_prefix`. Folders are relative to the project's root.
    """

    def __init__(self, settings: Settings, key_prefix: KeyPrefix | None = None) -> None:
        self.settings = settings
        self.key_prefix = key_prefix

    @classmethod
    def get_model_cls(cls) -> type[BaseModel] | None:
        """The attributes that a `defs.yaml` may have."""
        return _attributes_model()

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Raises DagsterInvalidDefinitionError naming each attribute that is wrong."""
        written = attributes.model_dump(exclude_unset=True) if attributes else {}
        given = {name: _resolved(context.resolution_context, v) for name, v in written.items()}
        key_prefix = given.pop("key_prefix", None)
        try:
            settings = GivenSettings(**given)
        except ValidationError as error:
            told = "; ".join(f"attributes.{fault}" for fault in faults(error))
            raise dg.DagsterInvalidDefinitionError(told) from error
        return cls(_under(settings, context.project_root), key_prefix)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """The pipeline's definitions."""
        return build_defs(self.settings, key_prefix=self.key_prefix)


def _resolved(scope: dg.ResolutionContext, value: Any) -> Any:
    """A value with its templates filled in; a text without a template is left as it is.

    Dagster 1.13 reads every text as a template, and gives a number for the text "0" and nothing for
    "None": ids and words would be changed.
    """
    if isinstance(value, dict):
        return {key: _resolved(scope.at_path(key), one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(scope.at_path(place), one) for place, one in enumerate(value)]
    template = isinstance(value, str) and "{{" in value
    return scope.resolve_value(value) if template else value


def _under(settings: Settings, root: Path) -> Settings:
    """The settings with relative folders resolved from the project's root."""
    folders = {
        name: root / value
        for name in ("data_dir", "landing_dir", "store_dir", "spill_dir")
        if (value := getattr(settings, name)) is not None
    }
    return settings.model_copy(update=folders)
