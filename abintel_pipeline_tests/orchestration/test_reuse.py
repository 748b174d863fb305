"""Several pipelines in one code location: by `build_defs(key_prefix=…)`, and in YAML."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

import abintel_pipeline
from abintel_pipeline.consuming import SnapshotIOManager
from abintel_pipeline.contract import TABLES
from abintel_pipeline.definitions import build_defs
from abintel_pipeline.orchestration.naming import Names
from abintel_pipeline.orchestration.running import QUIET
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.shop import Shop

pytestmark = pytest.mark.usefixtures("undrawn")

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
DAY = "2025-01-03"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def brand(tmp_path: Path, name: str, amount: str, **changes: object) -> Settings:
    """The settings of a brand with one delivery in a landing folder of its own."""
    settings = Settings(data_dir=tmp_path / name, first_day="2025-01-01", **changes)
    with Shop.open(settings) as shop:
        shop.deliver(DAY, f"001,T1,{DAY},{amount},P1", f"002,T2,{DAY},1.00,P1")
    return settings


def champions_of(prefix: str) -> dg.AssetsDefinition:
    """A consumer of one brand's snapshots."""

    @dg.asset(
        name=f"spend_of_{prefix}",
        partitions_def=dg.DailyPartitionsDefinition("2025-01-01"),
        ins={
            "customer_rfm": dg.AssetIn(
                key=dg.AssetKey([prefix, "customer_rfm"]), input_manager_key=f"{prefix}_snapshots"
            )
        },
    )
    def spend(customer_rfm: pd.DataFrame) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"spend": float(customer_rfm.monetary_total.sum())})

    return spend


def test_two_brands_with_their_own_rules_live_in_one_code_location(
    tmp_path: Path, instance: dg.DagsterInstance
):
    north = brand(tmp_path, "north", "10.00", bins=5, history_days=365)
    south = brand(tmp_path, "south", "77.00", bins=3, weights={"recency_days": 1}, timezone="UTC")
    defs = dg.Definitions.merge(
        build_defs(north, key_prefix="north"),
        build_defs(south, key_prefix="south"),
        dg.Definitions(
            [champions_of("north"), champions_of("south")],
            resources={
                "north_snapshots": SnapshotIOManager(north),
                "south_snapshots": SnapshotIOManager(south),
            },
        ),
    )
    keys = {
        key.to_user_string()
        for key in defs.resolve_asset_graph().get_all_asset_keys()
        if len(key.path) > 1
    }
    assert keys == {f"{name}/{table}" for name in ("north", "south") for table in TABLES}
    for name in ("north", "south"):
        job = defs.resolve_job_def(f"{name}_customer_snapshots")
        rules = {"resources": {f"{name}_rules": {"config": {"history_days": 30}}}}
        config = QUIET | (rules if name == "south" else {})
        assert job.execute_in_process(
            instance=instance, partition_key=DAY, run_config=config
        ).success
    spent = {}
    for name in ("north", "south"):
        made = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            partition_key=DAY,
            asset_selection=[dg.AssetKey(f"spend_of_{name}")],
            run_config=QUIET,
        )
        (event,) = made.get_asset_materialization_events()
        spent[name] = event.materialization.metadata["spend"].value
    assert spent == {"north": 11.0, "south": 78.0}
    rules = {
        name: instance.fetch_materializations(dg.AssetKey([name, "customer_rfm"]), limit=1)
        .records[0]
        .asset_materialization.metadata["rules"]
        .value
        for name in ("north", "south")
    }
    assert [(r["bins"], r["history_days"]) for r in rules.values()] == [(5, 365), (3, 30)]


def outcome(settings: Settings, prefix: str, instance: dg.DagsterInstance) -> str:
    """What a run of the chain under a prefix says: nothing when it went well."""
    defs = build_defs(settings, key_prefix=prefix)
    result = defs.resolve_job_def(f"{prefix}_customer_snapshots").execute_in_process(
        instance=instance, partition_key=DAY, run_config=QUIET, raise_on_error=False
    )
    failed = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return "" if result.success else str(failed[0].user_failure_data.description)


def test_a_second_pipeline_on_a_store_is_refused_and_changes_nothing_in_it(
    tmp_path: Path, instance: dg.DagsterInstance
):
    settings = brand(tmp_path, "shared", "10.00")
    assert outcome(settings, "north", instance) == ""
    with Shop.open(settings) as shop:
        before = shop.bytes_of("customer_rfm", DAY), shop.bytes_of("raw_transactions", DAY)
    other = settings.model_copy(update={"history_days": 30})
    marker = settings.store / ".pipeline"
    assert outcome(other, "south", instance) == (
        f"{settings.store} is the store of the pipeline 'north', and this run is one of the"
        " pipeline 'south': they would overwrite each other's tables. Give each its own data_dir or"
        f" store_dir. If the pipeline was renamed, remove {marker}"
    )
    with Shop.open(settings) as shop:
        assert before == (
            shop.bytes_of("customer_rfm", DAY),
            shop.bytes_of("raw_transactions", DAY),
        )
    marker.unlink()
    assert outcome(other, "south", instance) == ""
    assert marker.read_text().startswith("south\n")


def test_wrong_rules_are_told_by_the_name_of_the_brands_own_resource(
    tmp_path: Path, instance: dg.DagsterInstance
):
    defs = build_defs(brand(tmp_path, "south", "1.00"), key_prefix="south")
    wrong = {"resources": {"south_rules": {"config": {"bins": 11}}}}
    result = defs.resolve_job_def("south_customer_snapshots").execute_in_process(
        instance=instance, partition_key=DAY, run_config=QUIET | wrong, raise_on_error=False
    )
    failed = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    told = str(failed[0].user_failure_data.description)
    assert told.startswith("resources.south_rules.config: bins: Input should be less than")


def test_names_of_a_prefix_and_without_one(settings: Settings):
    def names(defs: dg.Definitions) -> list[str]:
        repository = defs.get_repository_def()
        found = (repository.get_all_jobs(), repository.schedule_defs, repository.sensor_defs)
        return [one.name for kind in found for one in kind if not one.name.startswith("__")]

    plain = names(build_defs(settings))
    assert sorted(plain) == [
        "check_newest_snapshot",
        "customer_snapshots",
        "deliveries_in_the_landing_folder",
        "missed_night",
        "nightly_customer_snapshots",
        "verify_published_files",
        "weekly_verification",
    ]
    prefixed = names(build_defs(settings, key_prefix=["eu", "north"]))
    assert sorted(prefixed) == sorted(f"eu_north_{name}" for name in plain)
    key = Names.under(["eu", "north"]).key("customer_rfm")
    assert (
        key
        in build_defs(settings, key_prefix=["eu", "north"])
        .resolve_asset_graph()
        .get_all_asset_keys()
    )


@pytest.mark.parametrize("prefix", ["two words", "", "a/b", ["ok", "no!"]])
def test_a_prefix_that_is_no_name_is_refused(settings: Settings, prefix: str | list[str]):
    with pytest.raises(ValueError, match="write letters, digits and underscores"):
        build_defs(settings, key_prefix=prefix)


YAML = """\
type: abintel_pipeline.CustomerSnapshots
attributes:
  key_prefix: {name}
  data_dir: brands/{name}
  first_day: 2025-01-01
  history_days: {days}
  weights: {{recency_days: 1}}
  bounds: {{kind: percentiles}}
  owners: ["team:{name}"]
  memory_limit: "{{{{ env.MEMORY }}}}"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of two components, as `dg` scaffolds one, without a line of Python of its own."""
    (tmp_path / "shops" / "defs").mkdir(parents=True)
    (tmp_path / "shops" / "__init__.py").touch()
    (tmp_path / "shops" / "definitions.py").write_text(
        "from pathlib import Path\n"
        "from dagster import definitions, load_from_defs_folder\n\n"
        "@definitions\n"
        "def defs():\n"
        "    return load_from_defs_folder(path_within_project=Path(__file__).parent)\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "shops"\nversion = "1"\n'
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "shops"\n'
    )
    for name, days in (("north", 90), ("south", 30)):
        folder = tmp_path / "shops" / "defs" / name
        folder.mkdir()
        (folder / "defs.yaml").write_text(YAML.format(name=name, days=days))
        brand(tmp_path / "brands", name, "5.00")
    return tmp_path


def dg_command(project: Path, *words: str, memory: str = "512MB", code: int = 0) -> str:
    """What a `dg` command says that is to end with that exit code."""
    environment = os.environ | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(project),
        "DAGSTER_HOME": str(project / "home"),
        "MEMORY": memory,
        "COLUMNS": "200",
        "ABINTEL_DATA_DIR": str(project / "elsewhere"),
    }
    (project / "home").mkdir(exist_ok=True)
    (project / "home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    ran = subprocess.run(
        [BIN / "dg", *words],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


@pytest.mark.live
def test_the_component_is_listed_scaffolded_checked_and_materialized(project: Path):
    assert "abintel_pipeline.CustomerSnapshots" in dg_command(project, "list", "components")
    dg_command(project, "scaffold", "defs", "abintel_pipeline.CustomerSnapshots", "east")
    scaffolded = (project / "shops" / "defs" / "east" / "defs.yaml").read_text()
    assert "key_prefix: east" in scaffolded
    assert "data_dir: data/east" in scaffolded
    assert "validated successfully" in dg_command(project, "check", "yaml")
    dg_command(project, "launch", "--job", "north_customer_snapshots", "--partition", DAY)
    north = Settings(_env_file=None, data_dir=project / "brands" / "north")
    assert len(abintel_pipeline.read_snapshot("customer_rfm", DAY, settings=north)) == 2
    assert not (project / "brands" / "south" / "store").exists()
    assert not (project / "elsewhere").exists()
    with Shop.open(north) as shop:
        (rules,) = shop.read("loyalty_summary", DAY).rules
    assert '"history_days": 90' in rules
    assert '"percentiles"' in rules


@pytest.mark.live
def test_wrong_attributes_are_named(project: Path):
    told = dg_command(project, "list", "defs", memory="lots", code=1)
    assert "attributes.memory_limit: 'lots' is no size: write a number and a unit" in told


def test_the_component_needs_a_folder_and_knows_its_attributes():
    model = abintel_pipeline.CustomerSnapshots.get_model_cls()
    assert model is not None
    assert set(model.model_fields) == (set(Settings.model_fields) - {"dagster_home"}) | {
        "key_prefix"
    }
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    assert required == ["data_dir"]
    assert all(field.description for field in model.model_fields.values())


def test_a_notebook_imports_no_dagster():
    code = "import sys, abintel_pipeline; print('dagster' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert said.stdout.strip() == "False"


def test_the_package_has_what_it_lists():
    assert set(abintel_pipeline.__all__) <= set(dir(abintel_pipeline))
    with pytest.raises(AttributeError, match="no attribute 'snapshots_of_nothing'"):
        _ = abintel_pipeline.snapshots_of_nothing
