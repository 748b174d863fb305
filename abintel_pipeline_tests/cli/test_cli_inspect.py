"""abintel inspect."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from abintel_pipeline.cli.app import app

ORDERS = """\
client,order_no,date,amount,sku
A,T1,2025-03-04,10.00,P1
B,T2,2025-03-05,5.00,P2
"""


def abintel(*words: str) -> Result:
    return CliRunner().invoke(app, words)


@pytest.fixture
def orders() -> str:
    Path("orders.csv").write_text(ORDERS)
    return "orders.csv"


def test_a_file_that_can_be_delivered_is_told_with_the_next_commands(orders: str):
    result = abintel("inspect", orders)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == ("orders.csv: CSV, utf-8, fields between commas, header in line 1; 2 rows")
    assert (
        'ABINTEL_TRANSACTION_COLUMNS=\'{"customer_id": "client", "transaction_id": "order_no",'
        ' "product_id": "sku"}\''
    ) in lines
    assert "With these settings: 2 rows received, 2 accepted, 0 rejected, 0 left out" in lines
    assert ("  2 customers, 2 orders, 15.00 of money, 2025-03-04 to 2025-03-05") in lines
    assert lines[-4:] == [
        "The file belongs at data/landing/transactions/2025-03-05.csv",
        "Then:",
        "  abintel run 2025-03-05",
        "  abintel show 2025-03-05",
    ]


def test_nothing_is_left_behind(orders: str):
    abintel("inspect", orders)
    assert [path.name for path in Path().iterdir()] == ["orders.csv"]


def test_the_lines_can_be_pasted_and_the_day_can_be_run(orders: str):
    told = abintel("inspect", orders).stdout.splitlines()
    Path(".env").write_text("\n".join(line for line in told if line.startswith("ABINTEL_")))
    target = Path(next(line for line in told if "belongs at" in line).split()[-1])
    target.parent.mkdir(parents=True)
    target.write_text(ORDERS)
    results = [abintel(*line.split()[1:]) for line in told[-2:]]
    assert [result.exit_code for result in results] == [0, 0], results[0].output
    assert "Snapshot of 2025-03-05: 2 customers" in results[1].stdout
    assert "The file is already at" in abintel("inspect", str(target)).stdout


def test_a_day_can_be_given(orders: str):
    assert "abintel run 2025-03-09" in abintel("inspect", orders, "--day", "2025-03-09").stdout


def test_what_must_be_decided_first_is_exit_code_1():
    Path("orders.csv").write_text("client,order_no,date,amount,sku\nA,T1,03/04/2025,10.00,P1\n")
    result = abintel("inspect", "orders.csv")
    assert result.exit_code == 1
    assert "To decide first:" in result.stdout
    assert "inspect the file again" in result.stdout


@pytest.mark.parametrize(
    "words", [["--day", "yesterday"], ["--table", "products"], ["--encoding", "x"], []]
)
def test_a_wrong_call_is_exit_code_2(words: list[str]):
    assert abintel("inspect", *(["orders.csv", *words] if words else [])).exit_code == 2


def test_a_file_that_is_not_there_is_one_sentence():
    result = abintel("inspect", "orders.csv")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "orders.csv isn't there: check its name and folder\n"


def test_findings_for_scripts_are_json(orders: str):
    found = json.loads(abintel("inspect", orders, "--json").stdout)
    assert (found["ready"], found["day"], found["rows"]) == (True, "2025-03-05", 2)
    assert found["settings"] == {
        "transaction_columns": {
            "customer_id": "client",
            "transaction_id": "order_no",
            "product_id": "sku",
        }
    }
    assert found["accepted"]["totals"]["money"] == "15.00"
    assert [one["kind"] for one in found["columns"]] == [
        "text",
        "id",
        "date ISO",
        "decimal point",
        "id",
    ]


def test_a_bar_shows_how_far_a_large_file_is(orders: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("abintel_pipeline.cli.inspect.LARGE", 1)
    assert abintel("inspect", orders).exit_code == 0


def test_help_says_what_it_does_and_its_exit_codes():
    told = abintel("inspect", "--help").stdout
    assert "which settings make it a delivery" in told
    assert "Exit codes" in told
