"""Lines of `.env` mean the same to the pipeline and to a shell."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from abintel_pipeline.inspecting.env_lines import env_line

NASTY = {"customer_id": "Kund'in ${HOME} $x", "amount": 'Wert "netto" \\N ü', "product_id": None}


def in_shell(line: str) -> str:
    script = f'{line}\nprintf %s "$ABINTEL_X"'
    return subprocess.check_output(["bash", "-c", script], text=True)


@pytest.mark.parametrize("value", [NASTY, {"Status": ["paid", ""]}, [""]])
def test_json_is_read_alike(value: Any):
    Path(".env").write_text(env_line("x", value) + "\n")
    assert json.loads(dotenv_values(".env")["ABINTEL_X"] or "") == value
    assert json.loads(in_shell(env_line("x", value))) == value


@pytest.mark.parametrize(
    "value", [",", ";", "\t", "'", "%d.%m.%Y %H:%M", "net", "Europe/Berlin", "cp1252"]
)
def test_texts_are_read_alike(value: str):
    Path(".env").write_text(env_line("x", value) + "\n")
    assert dotenv_values(".env")["ABINTEL_X"] == value
    assert in_shell(env_line("x", value)) == value
