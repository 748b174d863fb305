"""Writes the tables of docs/settings.md from the settings: python docs/write_settings.py.

What stands outside the two marks is written by hand and stays.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel

from abintel_pipeline.settings import Settings
from abintel_pipeline.settings.groups import GROUPS, Group
from abintel_pipeline.settings.pipeline import ENV_PREFIX

PAGE = Path(__file__).with_name("settings.md")
BEGIN = "<!-- The tables are made by write_settings.py: change the settings, not this page. -->\n"
END = "<!-- The end of what is made. -->\n"
REMARKS = {
    "rules": "They can be changed for a single run in the Launchpad (`currency_decimals` excepted)."
    " Every\npublished file carries the rules by which it was made.",
    "source": "`abintel inspect FILE` proposes them. Where several pipelines live in one code"
    " location, each\n`defs.yaml` has its own.",
    "service": "See [service.md](service.md).",
}


def page_with_tables(page: str) -> str:
    """The text of the page, with the tables as the settings are now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n".join(map(section, GROUPS))
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


def section(group: Group) -> str:
    """A group's heading, a remark where there is one, and a row for each setting."""
    remark = REMARKS.get(group.name)
    lines = [
        f"### {group.title}\n",
        *([f"{remark}\n"] if remark else []),
        "| name | variable | default | meaning |",
        "|---|---|---|---|",
        *map(row, group.settings),
    ]
    return "\n".join(lines) + "\n"


def row(name: str) -> str:
    """A setting's row."""
    field = Settings.model_fields[name]
    alias = field.validation_alias
    variables = alias.choices if isinstance(alias, AliasChoices) else [ENV_PREFIX + name.upper()]
    named = " or ".join(f"`{variable}`" for variable in variables)
    meaning = (field.description or "").replace("|", r"\|")
    return f"| `{name}` | {named} | {default(field.default)} | {meaning} |"


def default(value: Any) -> str:
    """A default as it is written in a variable."""
    if value is None:
        return "unset"
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_defaults=True) or {"kind": value.kind}
    return f"`{json.dumps(value) if isinstance(value, dict | tuple) else value}`"


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text()))
