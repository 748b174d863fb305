"""Settings as lines of `.env`: they can be pasted into the file and into a shell alike."""

import json
from collections.abc import Mapping
from typing import Any

from abintel_pipeline.settings import ENV_PREFIX


def env_line(name: str, value: Any) -> str:
    """One setting as a line.

    >>> env_line("nobody_ids", [""])
    'ABINTEL_NOBODY_IDS=\\'[""]\\''
    >>> env_line("decimal_mark", ","), env_line("returns", "net")
    ("ABINTEL_DECIMAL_MARK=','", 'ABINTEL_RETURNS=net')
    """
    if not isinstance(value, str | int | float | bool) and not hasattr(value, "isoformat"):
        return f"{_variable(name)}='{_json(value)}'"
    text = str(value)
    plain = text.replace("-", "").replace("_", "").replace("/", "").isalnum()
    return f"{_variable(name)}={text if plain else _quoted(text)}"


def env_lines(values: Mapping[str, Any]) -> list[str]:
    return [env_line(name, value) for name, value in values.items()]


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


def _variable(name: str) -> str:
    return f"{ENV_PREFIX}{name.upper()}"


def _json(value: Any) -> str:
    r"""JSON without what `.env` files and shells read otherwise.

    >>> print(_json({"a": "Kund'in ${x}"}))
    {"a": "Kund\u0027in \u0024{x}"}
    """
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\\\\", r"\u005c").replace("'", r"\u0027").replace("$", r"\u0024")
