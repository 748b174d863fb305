"""The variables that hold the settings: where values come from, and what is wrong in them."""

import difflib
import os

from dotenv import dotenv_values
from pydantic import AliasChoices, ValidationError

from abintel_pipeline.settings.pipeline import ENV_FILE, ENV_PREFIX, Settings


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
