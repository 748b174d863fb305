"""The command line: what it prints, and how it ends."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from abintel_pipeline.cli import run as run_command
from abintel_pipeline.cli.app import app
from abintel_pipeline.contract import TABLES
from abintel_pipeline.settings import Settings
from abintel_pipeline.settings.groups import GROUPS
from abintel_pipeline_tests.shop import Shop

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def shop_env(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("ABINTEL_DATA_DIR", str(shop.settings.data_dir))
    monkeypatch.setenv("ABINTEL_FIRST_DAY", "2025-01-01")
    return shop


def abintel(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def take_in(on: str) -> Result:
    """The deliveries of a day, by a run of their own."""
    return abintel("run", on, "--only", "deliveries")


@pytest.mark.parametrize(
    "command", ["run", "show", "rejected", "affected", "settings", "demo", "ui"]
)
def test_every_command_explains_itself(command: str):
    result = abintel(command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_a_day_is_run_and_shown(shop_env: Shop):
    shop_env.deliver("2025-01-01", "001,T1,2025-01-01,10.00,P1", "002,T2,2025-01-01,30.00,P1")
    shop_env.deliver("2025-01-03", "001,T3,2025-01-03,10.00,P1")
    ran = abintel("run", "2025-01-01", "2025-01-03")
    assert ran.exit_code == 0, ran.output
    assert "Published under" in ran.stdout
    shown = abintel("show", "2025-01-03")
    assert shown.exit_code == 0
    assert "Snapshot of 2025-01-03: 2 customers" in shown.stdout
    assert "Missing delivery days: 1 (2025-01-02)" in shown.stdout
    assert "Rejected rows: 0 of 3" in shown.stdout
    for name in ("Platinum", "At-Risk", "Champion", "Promising"):
        assert name in shown.stdout


def test_rejected_rows_are_shown_with_their_place_and_reason(
    shop_env: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ABINTEL_MAX_REJECTED_SHARE", "0.5")
    good = [f"{n},T{n},2025-01-01,1.00,P1" for n in range(3)]
    shop_env.deliver("2025-01-01", *good, '003,T3,2025-01-01,"12,50",P1')
    assert take_in("2025-01-01").exit_code == 0
    shown = abintel("rejected", "2025-01-01")
    assert "transactions/2025-01-01.csv, row 5: amount: " in shown.stdout
    assert "1 row rejected on 2025-01-01" in shown.stdout


def test_the_snapshots_that_a_late_delivery_affects_are_named(shop_env: Shop):
    for on in ("2025-01-01", "2025-01-02", "2025-01-04"):
        shop_env.deliver(on, f"001,T{on},{on},10.00,P1")
        shop_env.take_in(on)
        shop_env.snapshot(on)
    shown = abintel("affected", "2025-01-02")
    assert "2 published snapshots affected by the delivery of 2025-01-02" in shown.stdout
    assert "abintel run 2025-01-02 2025-01-02 --only snapshots" in shown.stdout
    assert "abintel run 2025-01-04 2025-01-04 --only snapshots" in shown.stdout
    none = abintel("affected", "2025-01-03")
    assert none.exit_code == 1
    assert "no delivery of 2025-01-03 has been taken in" in none.stderr


def test_a_delivery_with_too_many_rejected_rows_fails_and_says_why(shop_env: Shop):
    shop_env.deliver("2025-01-01", "001,T1,2025-01-01,abc,P1", "002,T2,2025-01-01,3.00,P1")
    result = abintel("run", "2025-01-01")
    assert result.exit_code == 1
    assert "amount" in result.stderr
    assert "abc" in result.stderr


GERMAN = [f'00{n},T{n},2025-01-01,"{n},50",P1' for n in range(1, 4)]


def test_the_rejected_rows_of_a_delivery_that_was_rejected_as_a_whole_are_shown(shop_env: Shop):
    shop_env.deliver("2025-01-01", "001,T1,2025-01-01,9.00,P1", *GERMAN)
    assert take_in("2025-01-01").exit_code == 1
    shown = abintel("rejected", "2025-01-01")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[:3] == [
        "transactions of 2025-01-01: 3 of 4 rows rejected (75.0%), more than"
        " ABINTEL_MAX_REJECTED_SHARE allows (5.0%).",
        "The delivery was rejected as a whole; what was published before stays.",
        "transactions/2025-01-01.csv, row 3: amount: not a number",
    ]
    assert "         3  amount: not a number, as transactions/2025-01-01.csv, row 3:" in lines
    assert "  ABINTEL_DECIMAL_MARK=',' reads numbers such as 12,50" in lines
    assert "  ABINTEL_MAX_REJECTED_SHARE=0.75 drops these rows and takes in the others" in lines
    assert lines[-1] == "Published of 2025-01-01 is no earlier delivery"
    assert not shop_env.store.days(TABLES["rejected_transactions"])


def test_what_is_published_of_an_earlier_delivery_is_shown_after_a_rejected_one(
    shop_env: Shop, monkeypatch: pytest.MonkeyPatch
):
    shop_env.deliver("2025-01-01", *(f"{n},T{n},2025-01-01,1,P1" for n in range(39)), "9,T,x,1,P")
    assert take_in("2025-01-01").exit_code == 0
    shop_env.deliver("2025-01-01", *GERMAN)
    assert take_in("2025-01-01").exit_code == 1
    shown = abintel("rejected", "2025-01-01", "--limit", "1")
    assert "… and 2 more (--limit)" in shown.stdout
    earlier = shown.stdout.partition("Published of 2025-01-01 is an earlier delivery\n")[2]
    assert earlier.startswith("transactions/2025-01-01.csv, row 41: date: ")
    assert "1 row rejected on 2025-01-01" in earlier
    monkeypatch.setenv("ABINTEL_DECIMAL_MARK", ",")
    assert take_in("2025-01-01").exit_code == 0
    taken_in = abintel("rejected", "2025-01-01")
    assert taken_in.stdout == "0 rows rejected on 2025-01-01\n"


def test_the_setting_that_helps_takes_the_delivery_in(
    shop_env: Shop, monkeypatch: pytest.MonkeyPatch
):
    shop_env.deliver("2025-01-01", *GERMAN)
    failed = take_in("2025-01-01")
    assert "ABINTEL_DECIMAL_MARK=','" in failed.stderr
    assert f"abintel inspect {shop_env.settings.landing}/transactions/2025-01-01.csv" in (
        failed.stderr
    )
    assert "All of them: abintel rejected 2025-01-01" in failed.stderr
    monkeypatch.setenv("ABINTEL_DECIMAL_MARK", ",")
    assert take_in("2025-01-01").exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "2025-13-01"), "write YYYY-MM-DD"),
        (("run", "2025-01-02", "2025-01-01"), "is before FROM"),
        (("run", "2024-01-02"), "ABINTEL_FIRST_DAY"),
        (("run", "2999-01-01"), "2999-01-01 is not over in UTC"),
        (("run", "2025-01-02", "--only", "rfm"), "deliveries or snapshots"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_what_is_wrong(
    shop_env: Shop, words: tuple[str, ...], told: str
):
    result = abintel(*words)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_what_isn_t_there_ends_with_1(shop_env: Shop):
    assert abintel("show", "2025-01-01").exit_code == 1
    assert "no delivery of 2025-01-01" in abintel("rejected", "2025-01-01").stderr
    assert "no delivery of transactions" in abintel("run", "2025-01-01").stderr


def test_the_settings_are_shown_in_groups_with_their_values_as_they_are_written(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("ABINTEL_NOBODY_IDS", '["0", ""]')
    monkeypatch.setenv("ABINTEL_TRANSACTION_COLUMNS", '{"product_id": null}')
    shown = abintel("settings").stdout
    titles = [shown.index(group.title) for group in GROUPS]
    assert titles == sorted(titles)
    assert '["0", ""]' in shown
    assert '{"product_id": null}' in shown
    for group, start, end in zip(GROUPS, titles, [*titles[1:], len(shown)], strict=True):
        rows = [line.strip().split(" ")[0] for line in shown[start:end].splitlines()]
        assert [name for name in rows if name in Settings.model_fields] == list(group.settings)


def test_one_group_of_settings_is_shown_alone():
    shown = abintel("settings", "--only", "source").stdout
    assert "date_format" in shown
    assert "history_days" not in shown
    wrong = abintel("settings", "--only", "sources")
    assert wrong.exit_code == 2
    told = " ".join(wrong.stderr.replace("│", " ").split())
    assert "--only sources: choose one of rules, source, pipeline, service" in told


def test_every_setting_is_in_one_group():
    grouped = [name for group in GROUPS for name in group.settings]
    assert sorted(grouped) == sorted(Settings.model_fields)


def test_a_run_tells_what_became_of_the_rows_where_not_all_were_accepted(
    shop_env: Shop, monkeypatch: pytest.MonkeyPatch
):
    """The first day has a guest and a broken amount, the second neither."""
    monkeypatch.setenv("ABINTEL_MAX_REJECTED_SHARE", "0.5")
    monkeypatch.setenv("ABINTEL_NOBODY_IDS", '["0"]')
    lines = [f"{n},T{n},2025-01-01,1.00,P1" for n in (0, 1, 2)]
    shop_env.deliver("2025-01-01", *lines, "3,T3,2025-01-01,abc,P1")
    shop_env.deliver("2025-01-02", "1,T5,2025-01-02,1.00,P1")
    days = ("2025-01-01", "2025-01-02")
    first = abintel("run", *days, "--only", "deliveries")
    assert (
        "raw_transactions: 5 rows received, 3 accepted, 1 rejected (abintel rejected 2025-01-01),"
        " 1 left out"
    ) in first.stdout.splitlines()
    assert "rows received" not in take_in("2025-01-02").stdout
    assert "rows received" not in abintel("run", *days, "--only", "snapshots").stdout
    assert "Rejected rows: 1 of 5, 1 left out" in abintel("show", "2025-01-02").stdout


def test_a_run_names_the_files_that_belong_to_no_day(
    shop_env: Shop, monkeypatch: pytest.MonkeyPatch
):
    files = [SimpleNamespace(name=f"transactions/{n}.csv", why="no day") for n in range(12)]
    monkeypatch.setattr(run_command, "misplaced_files", lambda _: files)
    shown = abintel("run", "2025-01-01", "--only", "deliveries").stdout.splitlines()
    assert shown.count("Belongs to no day: transactions/9.csv (no day)") == 1
    assert "Belongs to no day: transactions/10.csv (no day)" not in shown
    assert "… and 2 more files that belong to no day" in shown


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ABINTEL_BINS", "11")
    result = abintel("settings")
    assert result.exit_code == 2
    assert "ABINTEL_BINS: Input should be less than or equal to 10" in result.stderr


WRONG = {
    "ABINTEL_WEIGHTS": ("visits", "ABINTEL_WEIGHTS: lists and objects are written as JSON"),
    "ABINTEL_BIN": ("3", "ABINTEL_BIN is no setting: is ABINTEL_BINS meant?"),
    "ABINTEL_CSV_DELIMITER": ('"', "ABINTEL_CSV_DELIMITER: '\"' can't separate fields"),
    "ABINTEL_TRANSACTION_COLUMNS": ('{"custmer": "x"}', "'custmer' is no column of the contract"),
    "ABINTEL_CUSTOMER_COLUMNS": (
        '{"customer_id": "loyalty_score"}',
        "two columns come from 'loyalty_score'",
    ),
    "ABINTEL_TRANSACTIONS_QUERY": ("SELECT 1", "transactions_query is set, but sql_url is not"),
    "ABINTEL_SQL_URL": ("sqlite://", "sql_url is set, but transactions_query is not"),
    "ABINTEL_MEMORY_LIMIT": ("99999999999999TB", "is no size: write a number and a unit"),
    "ABINTEL_THREADS": ("100000000000", "ABINTEL_THREADS: Input should be less than"),
    "ABINTEL_OWNERS": ('["bob"]', "'bob' is no owner: write an e-mail address or team:name"),
    "ABINTEL_FIRST_DAY": ("0001-01-01", "ABINTEL_FIRST_DAY: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_is_named_by_its_variable_and_nothing_runs(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    value, told = WRONG[name]
    monkeypatch.setenv(name, value)
    for command in (("settings",), ("run", "2025-01-01")):
        result = abintel(*command)
        assert result.exit_code == 2
        assert told in result.stderr
        assert not Path("data").exists()


def test_an_env_file_that_is_not_utf_8_is_named():
    Path(".env").write_bytes("ABINTEL_TIMEZONE=Zürich".encode("latin-1"))
    result = abintel("settings")
    assert result.exit_code == 2
    assert ".env is not UTF-8" in result.stderr


def test_a_data_folder_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch):
    Path("file").touch()
    monkeypatch.setenv("ABINTEL_DATA_DIR", "file")
    for command in (("run", "2025-01-01"), ("show", "2025-01-01"), ("rejected", "2025-01-01")):
        result = abintel(*command)
        assert result.exit_code == 1
        assert "file" in result.stderr
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_landing_folder_without_the_delivery_is_told(shop_env: Shop):
    result = abintel("run", "2025-01-01", "--only", "deliveries")
    assert result.exit_code == 0
    assert "No delivery of transactions: 2025-01-01. Looked for in " in result.stdout


def test_segments_may_be_named_in_any_way(shop_env: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ABINTEL_SEGMENT_THRESHOLDS", '{"[/x]": 0.5, "[red]low": 0}')
    shop_env.deliver("2025-01-01", "001,T1,2025-01-01,10.00,P1", "002,T2,2025-01-01,30.00,P1")
    assert abintel("run", "2025-01-01").exit_code == 0
    shown = abintel("show", "2025-01-01")
    assert "[/x]" in shown.stdout
    assert "[red]low" in shown.stdout


def test_ctrl_c_is_told_in_a_sentence(shop_env: Shop, monkeypatch: pytest.MonkeyPatch):
    shop_env.deliver("2025-01-01", "001,T1,2025-01-01,10.00,P1")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("abintel_pipeline.snapshots.features.customer_features", interrupted)
    result = abintel("run", "2025-01-01")
    assert result.exit_code == 130
    assert "interrupted: what was published by then stays" in result.stderr


def test_a_variable_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ABINTEL_SQL_URL", "")
    assert abintel("settings").exit_code == 0


def test_an_unexpected_error_is_told_by_its_innermost_cause(
    shop_env: Shop, monkeypatch: pytest.MonkeyPatch
):
    shop_env.deliver("2025-01-01", "001,T1,2025-01-01,10.00,P1")
    monkeypatch.setattr(
        "abintel_pipeline.snapshots.features.customer_features", lambda *_, **__: 1 / 0
    )
    result = abintel("run", "2025-01-01")
    assert result.exit_code == 1
    assert "customer_features: ZeroDivisionError: division by zero" in result.stderr


def test_settings_are_shown_with_where_they_came_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("ABINTEL_BINS", "4")
    monkeypatch.setenv("ABINTEL_SQL_URL", "postgresql://u:geheim@localhost/x")
    monkeypatch.setenv("ABINTEL_TRANSACTIONS_QUERY", "SELECT 1")
    (tmp_path / ".env").write_text("ABINTEL_HISTORY_DAYS=90\n")
    result = abintel("settings")
    rows = {line.split("│")[0].strip(): line for line in result.stdout.splitlines()}
    assert "ABINTEL_BINS" in rows["bins"]
    assert ".env" in rows["history_days"]
    assert "default" in rows["currency_decimals"]
    assert "geheim" not in result.output
    assert set(Settings.model_fields) <= set(rows)
