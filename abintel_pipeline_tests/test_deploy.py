"""The files in deploy/ agree with each other, with the settings and with Compose's own schema."""

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import check_jsonschema
import jsonschema
import pytest
import yaml
from dagster._core.workspace.load import location_origins_from_yaml_paths

from abintel_pipeline.settings import ENV_PREFIX, Settings
from abintel_pipeline_tests.servers import ROOT, unit_command, unit_umask

DEPLOY = ROOT / "deploy"
ENVIRONMENT = dict(
    line.split("=", 1)
    for line in (DEPLOY / "abintel.env").read_text().splitlines()
    if line and not line.startswith("#")
)
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVERS = ("history", "code", "webserver", "daemon")


def asked_for(config: object) -> set[str]:
    """The variables that a file for Dagster takes from the environment."""
    if isinstance(config, list):
        return {name for value in config for name in asked_for(value)}
    if not isinstance(config, dict):
        return set()
    own = {config["env"]} if set(config) == {"env"} else set()
    return own | {name for value in config.values() for name in asked_for(value)}


def test_the_compose_file_is_one():
    schemas = resources.files(check_jsonschema) / "builtin_schemas" / "vendor"
    jsonschema.validate(COMPOSE, json.loads((schemas / "compose-spec.json").read_text()))


@pytest.mark.parametrize("server", SERVERS)
def test_a_container_runs_what_the_unit_of_its_name_runs(server: str):
    program, *words = unit_command(server, ENVIRONMENT)
    inside = [word.replace("127.0.0.1", "0.0.0.0") for word in words]
    assert COMPOSE["services"][server]["command"] == [Path(program).name, *inside]


def test_nothing_is_published_beyond_loopback():
    ports = [port for one in COMPOSE["services"].values() for port in one.get("ports", [])]
    assert ports == ["127.0.0.1:3000:3000"]
    listening = [unit_command(name, ENVIRONMENT) for name in ("code", "webserver", "read-only")]
    assert [words[words.index("-h") + 1] for words in listening] == ["127.0.0.1"] * 3


@pytest.mark.parametrize("file", ["dagster.yaml", "workspace.yaml"])
def test_every_variable_that_is_asked_for_is_set(file: str):
    wanted = asked_for(yaml.safe_load((DEPLOY / file).read_text()))
    assert wanted
    assert wanted <= set(ENVIRONMENT)
    for server in SERVERS:
        assert wanted <= set(COMPOSE["services"][server]["environment"])


def test_the_example_environment_is_of_settings(monkeypatch: pytest.MonkeyPatch):
    for name, value in ENVIRONMENT.items():
        if name.startswith(ENV_PREFIX):
            monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    assert str(settings.store) == "/srv/abintel/store"
    assert all(
        name.removeprefix(ENV_PREFIX).lower() in Settings.model_fields
        for name in COMPOSE["services"]["code"]["environment"]
        if name.startswith(ENV_PREFIX)
    )


def test_all_servers_leave_what_they_make_to_its_group_and_keep_it_from_others():
    assert {unit_umask(name) for name in (*SERVERS, "read-only")} == {0o027}
    assert "umask 0027 &&" in (DEPLOY / "Dockerfile").read_text()


def test_another_teams_code_location_is_added_to_the_workspace_as_the_documents_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("CODE_SERVER_HOST", "CODE_SERVER_PORT"):
        monkeypatch.setenv(name, ENVIRONMENT[name])
    told = (ROOT / "docs" / "production.md").read_text()
    (block,) = re.findall(r"^```yaml workspace\n(.+?)^```", told, re.MULTILINE | re.DOTALL)
    both = tmp_path / "workspace.yaml"
    both.write_text((DEPLOY / "workspace.yaml").read_text() + block)
    origins = location_origins_from_yaml_paths([str(both)])
    assert {origin.location_name: origin.port for origin in origins} == {
        "abintel_pipeline": 4266,
        "at_risk_alerts": 4267,
    }


def test_the_image_is_built_from_what_is_there():
    text = (DEPLOY / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?:--\S+ )?(.+) \S+$", text, re.MULTILINE)
    sources = [name for line in copied for name in line.split()]
    ignored = (ROOT / ".dockerignore").read_text()
    for name in sources:
        assert (ROOT / name).exists()
        assert f"!{Path(name).parts[0]}\n" in ignored
