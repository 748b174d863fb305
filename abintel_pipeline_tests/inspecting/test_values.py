"""How values are written: dates, numbers, letters. What can't be proved is left to a person."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abintel_pipeline.inspecting import as_text
from abintel_pipeline.inspecting.encodings import encoding_of
from abintel_pipeline_tests.inspecting.inspected import inspected, spoken, written

HEADER = "customer_id,transaction_id,date,amount,product_id"


def of_dates(*dates: str) -> str:
    rows = [f'C{n},T{n},"{one}",10.00,P1' for n, one in enumerate(dates)]
    return "\n".join([HEADER, *rows]) + "\n"


def of_amounts(*amounts: str) -> str:
    rows = [f'C{n};T{n};2025-03-04;"{one}";P1' for n, one in enumerate(amounts)]
    return "\n".join([HEADER.replace(",", ";"), *rows]) + "\n"


@pytest.mark.parametrize(
    ("dates", "wanted"),
    [
        (("13/02/2025", "01/02/2025"), "%d/%m/%Y"),
        (("02/13/2025", "02/01/2025"), "%m/%d/%Y"),
        (("24.12.2025", "01.02.2025"), "%d.%m.%Y"),
        (("12/1/2010 8:26", "12/13/2010 17:05"), "%m/%d/%Y %H:%M"),
        (("20251224", "20250102"), "YYYYMMDD"),
        (("24-Dec-2025", "01-Feb-2025"), "%d-%b-%Y"),
        (("Dec 24, 2025", "Feb 1, 2025"), "%b %d, %Y"),
        (("2025/12/24", "2025/01/02"), "%Y/%m/%d"),
        (("12/24/2025 8:26 AM", "1/2/2025 10:00 PM"), "%m/%d/%Y %I:%M %p"),
    ],
)
def test_a_date_format_that_the_values_prove_is_proposed(dates: tuple[str, ...], wanted: str):
    seen = inspected(written(of_dates(*dates)))
    assert seen.proposal.values["date_format"] == wanted
    assert (seen.ready, seen.trial.accepted) == (True, 2)


def test_iso_dates_need_no_setting():
    seen = inspected(written(of_dates("2025-02-01", "2025-12-24")))
    assert as_text.env(seen) == []
    assert "No setting is needed" in spoken(seen)


def test_day_first_or_month_first_is_never_guessed():
    seen = inspected(written(of_dates("01/02/2025", "03/04/2025")))
    assert not seen.ready
    assert "date_format" not in seen.proposal.values
    assert "# ABINTEL_DATE_FORMAT='%d/%m/%Y'" in seen.proposal.choices
    assert "# ABINTEL_DATE_FORMAT='%m/%d/%Y'" in seen.proposal.choices
    assert "so the file can't tell" in spoken(seen)


def test_a_year_of_two_digits_may_come_first_too():
    seen = inspected(written(of_dates("05/03/12")))
    assert [line for line in seen.proposal.choices if "FORMAT" in line] == [
        "# ABINTEL_DATE_FORMAT='%d/%m/%y'",
        "# ABINTEL_DATE_FORMAT='%m/%d/%y'",
        "# ABINTEL_DATE_FORMAT='%y/%m/%d'",
    ]


def test_what_was_decided_is_kept_and_the_file_is_ready(monkeypatch: pytest.MonkeyPatch):
    path = written(of_dates("01/02/2025", "03/04/2025"))
    monkeypatch.setenv("ABINTEL_DATE_FORMAT", "%d/%m/%Y")
    seen = inspected(path)
    assert seen.ready
    assert as_text.env(seen) == ["ABINTEL_DATE_FORMAT='%d/%m/%Y'"]
    assert str(seen.trial.totals.last) == "2025-04-03"


@pytest.mark.parametrize(
    ("amounts", "marks", "money"),
    [
        (("1.122,21", "122,21"), {"decimal_mark": ","}, "1244.42"),
        (("1,122.21", "122.21"), {"thousands_mark": ","}, "1244.42"),
        (("1 122,21", "122,21"), {"decimal_mark": ",", "thousands_mark": " "}, "1244.42"),
        (("1'122.21", "122.21"), {"thousands_mark": "'"}, "1244.42"),
        (("12,5", "7"), {"decimal_mark": ","}, "19.50"),
        (("1122.21", "7"), {}, "1129.21"),
    ],
)
def test_marks_of_numbers_are_those_that_read_every_value(
    amounts: tuple[str, ...], marks: dict[str, str], money: str
):
    seen = inspected(written(of_amounts(*amounts)))
    found = {name: seen.proposal.values.get(name) for name in ("decimal_mark", "thousands_mark")}
    assert {name: value for name, value in found.items() if value} == marks
    assert str(seen.trial.totals.money) == money


def test_one_point_before_three_digits_is_left_to_a_person():
    seen = inspected(written(of_amounts("1.500", "2.250")))
    assert not seen.ready
    assert "# ABINTEL_DECIMAL_MARK='.'" in seen.proposal.choices
    assert "# ABINTEL_DECIMAL_MARK=','" in seen.proposal.choices


def test_a_part_of_a_column_name_is_enough_where_nothing_else_fits_but_it_is_said():
    text = "customer_id,transaction_id,booking_datum,amount,product_id\nA,T1,2025-03-04,1.00,P\n"
    seen = inspected(written(text))
    assert seen.proposal.values["transaction_columns"] == {"date": "booking_datum"}
    assert "'booking_datum' is taken for the day of the order by part of its name" in spoken(seen)


def test_columns_that_could_all_be_the_customer_are_listed():
    text = "wer,bei,transaction_id,date,amount,product_id\nA,B,T1,2025-03-04,1.00,P\n"
    seen = inspected(written(text))
    assert not seen.ready
    assert "the customer: choose one of 'wer', 'bei'" in spoken(seen)
    assert '# ABINTEL_TRANSACTION_COLUMNS=\'{"customer_id": "wer"}\'' in seen.proposal.choices


def test_a_mapping_that_is_set_is_kept_and_filled_up(monkeypatch: pytest.MonkeyPatch):
    text = "wer,bei,Auftrag,date,amount,product_id\nA,B,T1,2025-03-04,1.00,P\n"
    monkeypatch.setenv("ABINTEL_TRANSACTION_COLUMNS", '{"customer_id": "wer"}')
    seen = inspected(written(text))
    assert seen.ready
    assert seen.proposal.values["transaction_columns"] == {
        "transaction_id": "Auftrag",
        "customer_id": "wer",
    }


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("1709596800000", "seconds since 1970"),
        ("45651", "Excel's day numbers"),
        ("soon", "'date' has values such as 'soon'"),
    ],
)
def test_a_date_column_without_dates_says_what_it_has(value: str, hint: str):
    seen = inspected(written(of_dates(value)), on="2025-03-04")
    assert hint in spoken(seen)
    assert not seen.ready


def test_an_amount_with_its_currency_says_so():
    seen = inspected(written(of_amounts("12,50 EUR")))
    assert "export numbers without a currency" in spoken(seen)


@pytest.mark.parametrize(
    ("data", "name", "not_utf8"),
    [
        ("ä€".encode(), "utf-8", 0),
        (b"\xef\xbb\xbfabc", "utf-8", 0),
        ("ä€\nplain\n".encode("cp1252"), "cp1252", 1),
        (b"\xe9\x81\n\xe9\n", "latin-1", 2),
        ("Tür".encode("cp850"), "cp850", 1),
        ("ä€".encode("utf-16"), "utf-16", 0),
        ("abc".encode("utf-16-le"), "utf-16-le", 0),
        ("abc".encode("utf-16-be"), "utf-16-be", 0),
    ],
)
def test_the_encoding_is_what_the_bytes_say(data: bytes, name: str, not_utf8: int):
    found = encoding_of(written(data), lambda *_: None)
    assert (found.name, found.not_utf8) == (name, not_utf8)


def test_lines_of_two_encodings_are_told():
    text = HEADER + ",note\n"
    lines = [f"C{n},T{n},2025-03-04,1.00,P,".encode() for n in range(3)]
    notes = ["ü".encode(), "ü".encode(), "ü".encode("cp1252")]
    body = b"".join(line + note + b"\n" for line, note in zip(lines, notes, strict=True))
    seen = inspected(written(text.encode() + body))
    assert "1 line not in UTF-8 (the first is line 4), 2 lines in it" in spoken(seen)
    assert "encoding" not in seen.proposal.values


def test_lines_of_titles_above_the_header_are_to_be_deleted():
    seen = inspected(written("Report of March\n\n" + of_dates("2025-03-04")))
    assert seen.proposal.decisions == ["the header is line 3: delete the 2 lines above it"]


def test_a_file_without_a_header_is_told():
    seen = inspected(written("A,T1,2025-03-04,10.00,P1\nB,T2,2025-03-05,5.00,P1\n"))
    assert "the first line holds values, not names" in spoken(seen)
    assert not seen.ready


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_the_delimiter_is_the_one_that_gives_even_rows(mark: str):
    seen = inspected(written(of_dates("2025-03-04").replace(",", mark)))
    assert seen.opened.layout.delimiter == mark
    assert seen.ready


def test_one_column_only_means_that_its_delimiter_is_unknown():
    seen = inspected(written("id 1 2\nA 2025-03-04 1.00\n"))
    assert "it has one column only" in spoken(seen)


def test_an_amount_that_is_set_is_kept(monkeypatch: pytest.MonkeyPatch):
    text = "customer_id,transaction_id,date,amount,product_id,n,p\nA,T,2025-03-04,9,P,2,1.50\n"
    monkeypatch.setenv("ABINTEL_TRANSACTION_COLUMNS", '{"amount": "n * p"}')
    seen = inspected(written(text))
    assert seen.proposal.values == {"transaction_columns": {"amount": "n * p"}}
    assert str(seen.trial.totals.money) == "3.00"


def test_every_type_of_parquet_has_a_text():
    table = pa.table(
        {
            "customer_id": pa.array(["A", "B"]).dictionary_encode(),
            "date": pa.array([date(2025, 3, 4), date(2025, 3, 5)]),
            "moment": pa.array([datetime(2025, 3, 4, 10, 0, 0, 500_000), None]),  # noqa: DTZ001
            "amount": pa.array([Decimal("1.50"), Decimal("2.00")]),
            "empty": pa.nulls(2),
            "tags": [["x"], None],
            "bytes": pa.array([b"\xff", b"x"]),
        }
    )
    pq.write_table(table, "orders.parquet")
    seen = inspected(Path("orders.parquet"))
    kinds = {one.name: (one.kind, one.example) for one in seen.columns}
    assert kinds["date"] == ("date ISO", "2025-03-04")
    assert kinds["moment"] == ("timestamp", "2025-03-04 10:00:00.500000")
    assert kinds["amount"] == ("decimal point", "1.50")
    assert kinds["empty"] == ("nothing", "")
    assert seen.trial.accepted == 2


def test_lines_that_are_no_json_are_left_to_intake():
    rows = ['{"customer_id": "A", "date": "2025-03-04", "amount": 1.50, "more": {"a": 1}}'] * 40
    seen = inspected(written("\n".join([*rows, "", "not json", "[1]"]) + "\n", "orders.jsonl"))
    assert seen.rows == 40
    assert (seen.trial.received, seen.trial.rejected) == (42, 2)
    assert seen.columns[3].example == '{"a": "1"}'
