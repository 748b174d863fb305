"""What the documents say is run: every Python, SQL and shell block, and the table of settings."""

import json
import re
import runpy
import shutil
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from abintel_pipeline.cli.app import app
from abintel_pipeline.contract import TABLES
from abintel_pipeline.intake.rejected.advice import ADVICE
from abintel_pipeline.settings import Settings, unknown_variables
from abintel_pipeline.settings.groups import GROUPS, Group
from abintel_pipeline.settings.source import SourceSettings
from abintel_pipeline.store.proofs import Origin, file_metadata, seal
from abintel_pipeline_tests.shop import Shop, day

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SETTINGS = ROOT / "docs" / "settings.md"
ERRORS = ROOT / "docs" / "checks-and-errors.md"
CONSUMING = ROOT / "docs" / "consuming.md"
YOUR_DATA = ROOT / "docs" / "your-data.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(page: Path, language: str) -> list[str]:
    """The page's code blocks, each at its own line so that errors point into the page."""
    text = page.read_text()
    fenced = re.compile(rf"^( *)```{language}\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
    found = []
    for block in fenced.finditer(text):
        lines = [line.removeprefix(block[1]) for line in block[2].splitlines()]
        found.append("\n" * (text[: block.start(2)].count("\n")) + "\n".join(lines))
    return found


def run_python(page: Path) -> dict[str, object]:
    """Run a page's Python blocks one after the other, as a reader would; their names."""
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), names)
    return names


OTHERS = sorted(set((ROOT / "docs").rglob("*.md")) - {CONSUMING})


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.name)
def test_the_python_of_a_document_holds(page: Path):
    run_python(page)


def test_the_consumers_page_asserts_what_each_block_reads():
    silent = [block for block in blocks(CONSUMING, "python") if "assert" not in block]
    assert len(silent) == 1  # the one that publishes the days to be read


@pytest.mark.spark
def test_spark_reads_the_store(monkeypatch: pytest.MonkeyPatch):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    for setting in ("spark.driver.host", "spark.driver.bindAddress"):
        builder = builder.config(setting, "127.0.0.1")
    session = builder.getOrCreate()
    try:
        names = run_python(CONSUMING)
        (block,) = blocks(CONSUMING, "python spark")
        exec(compile(block, str(CONSUMING), "exec"), names)
    finally:
        session.stop()


def test_the_sql_of_the_consumers_page_runs(december: Shop):
    """In the demo's folder, where the customers of the 31st are those of every day."""
    (block,) = blocks(CONSUMING, "sql")
    _, newest, fallen = [part for part in block.split(";") if part.strip()]
    connection = duckdb.connect()
    connection.execute(block.split(";")[0])
    assert len(connection.execute(newest).fetchall()) == 2
    assert connection.execute(fallen).fetchall() == []
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW customer_rfm AS FROM (VALUES"
        " ('a', DATE '2017-12-31', 'At-Risk'), ('a', DATE '2017-12-24', 'Loyal'),"
        " ('b', DATE '2017-12-31', 'At-Risk'), ('b', DATE '2017-12-24', 'At-Risk'),"
        " ('c', DATE '2017-12-31', 'At-Risk'), ('c', DATE '2017-12-25', 'Loyal'))"
        " AS rows(customer_id, snapshot_date, rfm_tier)"
    )
    assert connection.execute(fallen).fetchall() == [("a", "Loyal")]


def test_the_table_of_columns_is_the_contract():
    row = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", re.MULTILINE)
    section = CONSUMING.read_text().split("**Columns and types.**")[1]
    told = [found.groups() for found in row.finditer(section)]
    table = TABLES["customer_rfm"]
    columns = table.model.to_schema().columns
    assert told == [
        (field.name, str(field.type), columns[field.name].description) for field in table.schema
    ]


def test_the_yaml_of_the_consumers_page_loads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("NORTH_SQL_URL", "sqlite://")
    (block,) = blocks(CONSUMING, "yaml")
    folder = tmp_path / "brands_in_yaml" / "defs" / "north"
    folder.mkdir(parents=True)
    (tmp_path / "brands_in_yaml" / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "brands_in_yaml"\n'
    )
    (folder / "defs.yaml").write_text(block.lstrip())
    monkeypatch.syspath_prepend(str(tmp_path))
    defs = dg.load_from_defs_folder(path_within_project=tmp_path / "brands_in_yaml")
    keys = defs.resolve_asset_graph().get_all_asset_keys()
    assert {key.to_user_string() for key in keys} == {f"north/{table}" for table in TABLES}


@pytest.fixture
def december(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shop:
    """A published December 2017 in `data/` of the working folder, as after the demo.

    Every day has the 31st's rows.
    """
    monkeypatch.chdir(tmp_path)
    with Shop.open(Settings(_env_file=None)) as shop:
        shop.deliver("2017-12-31", "001,T1,2017-12-31,19.90,P1", "002,T2,2017-12-31,5.00,P1")
        shop.take_in("2017-12-31")
        shop.snapshot("2017-12-31")
        rfm = TABLES["customer_rfm"]
        for number in range(1, 31):
            path = shop.store.path(rfm, day(f"2017-12-{number:02}"))
            path.parent.mkdir(parents=True)
            rows = pq.read_table(shop.store.path(rfm, day("2017-12-31")), partitioning=None)
            told = file_metadata(rfm, day(f"2017-12-{number:02}"), Origin(shop.step.rules))
            pq.write_table(rows.replace_schema_metadata(told), path)
            seal(path)
    return shop


def test_the_readme_reads_snapshots(december: Shop):
    names = run_python(README)
    assert len(names["today"]) == 2
    assert len(names["december"]) == 62
    (query,) = blocks(README, "sql")
    assert sorted(row[1] for row in duckdb.sql(query).fetchall()) == [1, 1]


def test_the_python_of_the_consumers_page_holds_and_its_asset_is_given_the_snapshot():
    defs: dg.Definitions = run_python(CONSUMING)["defs"]
    job = defs.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(partition_key="2017-12-31")
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["champions"].value == 0


def test_the_readmes_five_minutes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    export, ending = [block for block in blocks(README, "text") if "Kundennr." in block]
    (tmp_path / "orders.csv").write_text(export.lstrip("\n") + "\n")
    inspected = CliRunner().invoke(app, ["inspect", "orders.csv"])
    assert inspected.exit_code == 0, inspected.output
    assert ending.strip() in inspected.stdout
    (tmp_path / ".env").write_text(assignments(ending))
    landing = tmp_path / "data" / "landing" / "transactions"
    landing.mkdir(parents=True)
    shutil.copy("orders.csv", landing / "2026-11-20.csv")
    commands = [
        line.partition("#")[0].split()[1:]
        for block in blocks(README, "sh")
        for line in block.splitlines()
        if line.startswith("abintel ") and "2026-11-20" in line
    ]
    assert [words[0] for words in commands] == ["run", "show", "rejected", "affected"]
    outputs = [CliRunner().invoke(app, words) for words in commands]
    assert [result.exit_code for result in outputs] == [0, 0, 0, 0], outputs[0].output
    assert "Snapshot of 2026-11-20: 2 customers" in outputs[1].output
    assert "0 rows rejected on 2026-11-20" in outputs[2].output
    assert "1 published snapshot affected" in outputs[3].output


def assignments(block: str) -> str:
    """The lines of a block that are settings."""
    return "\n".join(line for line in block.splitlines() if re.match(r"ABINTEL_\w+=", line))


def test_the_readmes_settings_are_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    lines = [line for block in blocks(README, "sh") for line in assignments(block).splitlines()]
    (tmp_path / ".env").write_text("\n".join(line for line in lines if " abintel " not in line))
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    assert (settings.timezone, settings.currency_decimals) == ("Europe/Berlin", 0)
    assert ":start" in (settings.transactions_query or "")


def test_every_setting_of_a_source_has_a_true_example(tmp_path: Path):
    """On the page about your own data; what a database needs is in the README."""
    lines = "\n".join(assignments(block) for block in blocks(YOUR_DATA, "sh"))
    (tmp_path / ".env").write_text(lines)
    assert unknown_variables() == []
    of_a_database = {"sql_url", "transactions_query", "customers_query"}
    assert set(SourceSettings.model_fields) - Settings().model_fields_set == of_a_database


@pytest.mark.parametrize("heading", ["A German ERP system", "Shopify", "SAP billing"])
def test_an_export_of_the_page_gives_the_lines_that_it_shows(heading: str, tmp_path: Path):
    page = YOUR_DATA.read_text()
    part = re.split(r"\n##+ ", page.partition(f"### {heading}\n")[2])[0]
    (tmp_path / "part.md").write_text(part)
    export, lines = blocks(tmp_path / "part.md", "text")
    name = re.findall(r"abintel inspect (\S+)`", part)[0]
    (tmp_path / name).write_text(export.lstrip("\n") + "\n")
    told = CliRunner().invoke(app, ["inspect", name])
    assert told.exit_code == 0, told.output
    assert assignments(told.stdout) == assignments(lines)
    (money,) = [line.strip() for line in told.stdout.splitlines() if "of money, 20" in line]
    assert money in part


@pytest.mark.parametrize("group", GROUPS, ids=[group.name for group in GROUPS])
def test_the_tables_of_settings_are_true(group: Group):
    """Each group has a heading as the command line shows it, and a row for each of its settings."""
    row = re.compile(r"^\| `(\w+)` \| (`ABINTEL_.*?) \| (.*?) \| (.*) \|$", re.MULTILINE)
    section = SETTINGS.read_text().split(f"\n### {group.title}\n")[1].split("\n##")[0]
    rows = {found[1]: found for found in row.finditer(section)}
    assert tuple(rows) == group.settings
    for name in group.settings:
        field = Settings.model_fields[name]
        assert f"`ABINTEL_{name.upper()}`" in rows[name][2]
        assert rows[name][3] == default_of(field.default), name
        assert rows[name][4].replace(r"\|", "|") == field.description, name


def test_the_settings_page_is_what_its_script_makes():
    made = runpy.run_path(str(ROOT / "docs" / "write_settings.py"))["page_with_tables"]
    page = SETTINGS.read_text()
    assert made(page) == page, "run: python docs/write_settings.py"
    assert made(page.replace("| `bins` |", "| `bin` |")) == page


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path):
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text())
    for path, anchor in links:
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_every_setting_that_a_rejected_delivery_is_told_of_is_on_the_page():
    section = ERRORS.read_text().split("## When a delivery is rejected\n")[1].split("\n## ")[0]
    told = {name for *_, help_ in ADVICE for name in re.findall(r"ABINTEL_\w+", help_)}
    assert told - set(re.findall(r"ABINTEL_\w+", section)) == set()


def default_of(value: object) -> str:
    if value is None:
        return "unset"
    if hasattr(value, "model_dump"):
        value = {"kind": value.kind}
    return f"`{json.dumps(value) if isinstance(value, dict | tuple) else value}`"


def test_a_commit_is_checked_by_what_make_test_runs_before_the_tests():
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook["entry"].replace(".venv/bin", "$(BIN)") for hook in local["hooks"]]
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.split("\ncheck: ")[1].split("\n\n")[0].splitlines()[1:]
    assert hooks == [line.strip().removeprefix("@") for line in recipe]
    assert "\ntest: check\n" in makefile


def test_the_recipe_that_records_versions_adds_what_is_missing_and_changes_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (block,) = blocks(ROOT / "CONTRIBUTING.md", "python contributing")
    versions = ROOT / "abintel_pipeline_tests" / "contract" / "schema_versions.json"
    recorded = json.loads(versions.read_text())
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "abintel_pipeline_tests" / "contract" / versions.name
    page.parent.mkdir(parents=True)
    page.write_text(json.dumps(recorded | {"raw_transactions": {"1": "kept"}}))
    exec(compile(block, "CONTRIBUTING.md", "exec"), {})
    newest = {version: recorded["raw_transactions"][version] for version in "2"}
    assert json.loads(page.read_text()) == recorded | {"raw_transactions": {"1": "kept"} | newest}
