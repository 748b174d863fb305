"""The component in YAML: each location has its own source."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.contract import TABLES
from abintel_pipeline.orchestration.running import QUIET
from abintel_pipeline.store.snapshot_store import SnapshotStore

DAY = "2025-01-03"

NORTH = """
type: abintel_pipeline.CustomerSnapshots
attributes:
  key_prefix: north
  data_dir: data/north
  first_day: 2025-01-01
  transaction_columns:
    customer_id: Kunde
    transaction_id: Bon
    date: Datum
    amount: Menge * Preis
    product_id: null
  nobody_ids: ["0", ""]
  missing_words: ["None", "-"]
  keep_rows: {Status: ["1", bezahlt]}
  decimal_mark: ","
  thousands_mark: "."
  date_format: "%d.%m.%Y"
  csv_delimiter: ";"
"""
NORTH_ROWS = """Kunde;Bon;Datum;Menge;Preis;Status
Müller;B1;03.01.2025;2;1.000,50;1
0;B2;03.01.2025;1;9,99;1
None;B3;03.01.2025;1;9,99;bezahlt
007;B4;03.01.2025;1;9,99;storniert
007;B5;03.01.2025;1;9,99;bezahlt
"""
SOUTH = """
type: abintel_pipeline.CustomerSnapshots
attributes:
  key_prefix: south
  data_dir: data/south
  first_day: 2025-01-01
  transaction_columns: {cancelled: state}
  cancelled_words: {"void": true, "*": false}
  returns: net
  date_format: YYYYMMDD
"""
SOUTH_ROWS = """customer_id,transaction_id,date,amount,product_id,state
001,T1,20250103,10.00,P1,sold
001,T2,20250103,-4.00,P1,sold
001,T3,20250103,99.00,P1,void
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of a project of two components, with a delivery for each.

    Its name is the test's own: Python loads a package once.
    """
    package = tmp_path / f"sources_of_{tmp_path.name}"
    package.mkdir()
    (package / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n'
        f'[tool.dg.project]\nroot_module = "{package.name}"\n'
    )
    sources = {"north": (NORTH, NORTH_ROWS), "south": (SOUTH, SOUTH_ROWS)}
    for name, (yaml, rows) in sources.items():
        folder = package / "defs" / name
        folder.mkdir(parents=True)
        (folder / "defs.yaml").write_text(yaml)
        landing = tmp_path / "data" / name / "landing" / "transactions"
        landing.mkdir(parents=True)
        (landing / f"{DAY}.csv").write_bytes(rows.encode())
    monkeypatch.syspath_prepend(str(tmp_path))
    return package


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def test_two_locations_read_two_sources(project: Path, instance: dg.DagsterInstance):
    """North's guest, the row without an id and the cancelled order are left out."""
    defs = dg.load_from_defs_folder(path_within_project=project)
    read = {}
    for name in ("north", "south"):
        job = defs.resolve_job_def(f"{name}_customer_snapshots")
        assert job.execute_in_process(
            instance=instance, partition_key=DAY, run_config=QUIET
        ).success
        store = SnapshotStore(project.parent / "data" / name / "store")
        path = store.path(TABLES["raw_transactions"], date.fromisoformat(DAY))
        rows = pq.read_table(path, partitioning=None).to_pylist()
        read[name] = [(row["customer_id"], str(row["amount"]), row["cancelled"]) for row in rows]
        assert {str(row["date"]) for row in rows} == {DAY}
    assert read == {
        "north": [("Müller", "2001.00", False), ("007", "9.99", False)],
        "south": [("001", "10.00", False), ("001", "-4.00", False), ("001", "99.00", True)],
    }
    key = dg.AssetKey(["north", "raw_transactions"])
    (record,) = instance.fetch_materializations(key, limit=1).records
    told = record.asset_materialization.metadata
    assert {
        name: told[name].value for name in ("received", "accepted", "rejected", "left_out")
    } == {
        "received": 5,
        "accepted": 2,
        "rejected": 0,
        "left_out": 3,
    }


WRONG = {
    "date_format: dd.mm.yyyy": "attributes.date_format: 'dd.mm.yyyy' doesn't tell year",
    "transaction_columns: {amount: null}": "attributes.transaction_columns: 'amount' can't be null",
    "keep_rows: {Status: []}": "attributes.keep_rows: 'Status' keeps no value",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_source_is_named_by_its_attribute(project: Path, line: str):
    wrong = SOUTH.replace("  date_format: YYYYMMDD", "").replace(
        "  transaction_columns: {cancelled: state}", ""
    )
    (project / "defs" / "south" / "defs.yaml").write_text(f"{wrong}  {line}\n")
    with pytest.raises(Exception, match=r"north|south") as error:
        dg.load_from_defs_folder(path_within_project=project)
    told, cause = "", error.value
    while cause is not None:
        told, cause = f"{told} {cause}", cause.__cause__
    assert WRONG[line] in told
