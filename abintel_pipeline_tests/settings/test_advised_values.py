"""What a message tells a person to set is a value that the setting takes."""

import re
from pathlib import Path

import pytest

import abintel_pipeline
from abintel_pipeline.settings import Settings

PACKAGE = Path(abintel_pipeline.__file__).parent
ADVISED = sorted(
    {
        found
        for path in PACKAGE.rglob("*.py")
        for found in re.findall(r"ABINTEL_([A-Z_]+)=([\w.-]*\w|\.)", path.read_text())
    }
)


def test_there_is_advice() -> None:
    assert ("REPEATED_LINES", "add") in ADVISED


@pytest.mark.parametrize(("name", "value"), ADVISED, ids=map("=".join, ADVISED))
def test_a_value_that_is_advised_is_taken(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ABINTEL_{name}", value)
    assert str(getattr(Settings(_env_file=None), name.lower())).casefold() == value
