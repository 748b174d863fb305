"""CSV deliveries: what is a row, what is rejected and where, and when a file can't be read."""

import gzip
from datetime import date
from decimal import Decimal

import pytest
from pydantic import ValidationError

from abintel_pipeline.intake import DeliveryError
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.intake.conftest import DAY, GOOD, HEADER, Landing

CSV = "transactions/2025-04-24.csv"
GOOD_ROW = ("001", "T1", DAY, Decimal("12.50"), "P1")
LINE = "line: "
BACKSLASH = r"a quote is written \", in CSV it is doubled"


def deliver(landing: Landing, content: str | bytes, name: str = CSV, **changes: object):
    landing.put(name, content)
    return landing.take(**changes)


def test_a_clean_file_goes_through_whole_and_in_its_order(landing: Landing) -> None:
    taken = deliver(landing, HEADER + "002,T2,2025-04-23,3,P2\n" + GOOD)
    assert taken.accepted == [("002", "T2", date(2025, 4, 23), Decimal("3.00"), "P2"), GOOD_ROW]
    assert taken.rejected == []
    assert taken.intake.files == (CSV,)
    assert (taken.intake.received, taken.intake.late, taken.intake.reasons) == (2, 1, {})


@pytest.mark.parametrize(
    ("amount", "value"),
    [
        ("1.005", "1.01"),
        ("2.675", "2.68"),
        ("1.00499999999999999999999999999999999999999", "1.00"),
        ("1e2", "100.00"),
        ("0.00000000000000000001e20", "1.00"),
        ("12345678901234567e-1", "1234567890123456.70"),
        ("1005E-3", "1.01"),
        ("5e-324", "0.00"),
        (".5", "0.50"),
        ("5.", "5.00"),
        ("+5", "5.00"),
        ("-0", "0.00"),
        ("-0.00e5", "0.00"),
        ("  12.5 ", "12.50"),
        ("9999999999999999.99", "9999999999999999.99"),
        ("00000000000000000000000000000000000000012.5", "12.50"),
    ],
)
def test_an_amount_is_rounded_half_up_from_its_text(
    landing: Landing, amount: str, value: str
) -> None:
    taken = deliver(landing, f"{HEADER}001,T1,2025-04-24,{amount},P1\n")
    assert [row[3] for row in taken.accepted] == [Decimal(value)]


@pytest.mark.parametrize(
    ("decimals", "amount", "value"), [(0, "2.5", "3"), (4, "2.00005", "2.0001"), (3, "1", "1.000")]
)
def test_amounts_have_the_currencys_decimals(
    landing: Landing, decimals: int, amount: str, value: str
) -> None:
    taken = deliver(landing, f"{HEADER}001,T1,2025-04-24,{amount},P1\n", currency_decimals=decimals)
    assert str(taken.accepted[0][3]) == value


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        (3, "abc", "amount: not a number"),
        (3, "NaN", "amount: missing"),
        (3, "inf", "amount: not a number"),
        (3, '"12,50"', "amount: not a number"),
        (3, "true", "amount: not a number"),
        (3, "1_000", "amount: not a number"),
        (3, "0x10", "amount: not a number"),
        (3, "1e309", "amount: more than 16 digits before the point"),
        (3, "12345678901234567", "amount: more than 16 digits before the point"),
        (3, "9999999999999999.995", "amount: more than 16 digits before the point"),
        (3, "-0.001", "amount: negative"),
        (3, "-1e-5", "amount: negative"),
        (3, "-12", "amount: negative"),
        (3, "", "amount: missing"),
        (3, "   ", "amount: blank"),
        (2, "2025-02-30", "date: not an ISO calendar date"),
        (2, "24.04.2025", "date: not an ISO calendar date"),
        (2, "20250424", "date: not an ISO calendar date"),
        (2, "2025-4-4", "date: not an ISO calendar date"),
        (
            2,
            "0000-01-01",
            "date: before 1980-01-01, the first plausible day (ABINTEL_EARLIEST_DATE)",
        ),
        (2, "2025-04-25", "date: after delivered_on"),
        (2, "", "date: missing"),
        (
            2,
            "2025-04-21T23:30+02:00",
            "date: a timestamp; set ABINTEL_SOURCE_TIMEZONE to take its day",
        ),
        (
            2,
            "2025-04-21 00:00:00",
            "date: a timestamp; set ABINTEL_SOURCE_TIMEZONE to take its day",
        ),
        (0, "", "customer_id: missing"),
        (0, '" \t"', "customer_id: blank"),
        (1, "", "transaction_id: missing"),
        (4, '"  "', "product_id: blank"),
    ],
)
def test_a_bad_value_is_rejected_with_its_reason_line_and_text(
    landing: Landing, field: int, text: str, reason: str
) -> None:
    fields = ["001", "T2", "2025-04-24", "1", "P1"]
    fields[field] = text
    taken = deliver(landing, HEADER + GOOD + ",".join(fields) + "\n")
    fields[field] = text.strip('"')
    assert taken.accepted == [GOOD_ROW]
    assert taken.reasons == [[reason]]
    assert taken.places == [(CSV, 3)]
    assert list(taken.raw[0].values()) == fields


def test_a_row_is_rejected_with_all_its_reasons(landing: Landing) -> None:
    taken = deliver(landing, HEADER + ",T1,2025-04-25,-1,\n,, ,x,\n")
    first, second = taken.reasons
    assert ", ".join(first) == (
        "amount: negative, customer_id: missing, date: after delivered_on, product_id: missing"
    )
    assert ", ".join(second) == (
        "amount: not a number, customer_id: missing, date: blank, product_id: missing,"
        " transaction_id: missing"
    )
    assert list(taken.intake.reasons.items())[:3] == [
        ("customer_id: missing", 2),
        ("product_id: missing", 2),
        ("amount: negative", 1),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_a_byte_order_mark_change_nothing(
    landing: Landing, end: str, mark: str, last: bool
) -> None:
    text = mark + HEADER + "\n" + GOOD + '"a\n\nb",T2,2025-04-24,1,"P ""1"", big"\nx\n'
    text = text.replace("\n", end) if end != "\r" else text.replace("\n", "\r")
    taken = deliver(landing, text if last else text.removesuffix(end))
    inside = f"a{end}{end}b"
    assert taken.accepted == [
        GOOD_ROW,
        (inside, "T2", DAY, Decimal("1.00"), 'P "1", big'),
    ]
    assert taken.places == [(CSV, 7)]
    assert taken.reasons == [["line: 1 field, the header has 5"]]


def test_mixed_line_ends_are_read_and_blank_lines_are_no_rows(landing: Landing) -> None:
    lines = [f"00{n},T1,2025-04-24,1,P1" for n in range(4)]
    text = HEADER + lines[0] + "\r\n" + lines[1] + "\r\n\r\n" + lines[2] + "\r" + lines[3]
    taken = deliver(landing, "\n\r\n" + text + "\n\n\n")
    assert [row[0] for row in taken.accepted] == ["000", "001", "002", "003"]
    assert taken.rejected == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a,b,c", "3 fields, the header has 5"),
        ("a", "1 field, the header has 5"),
        ("(30 rows affected)", "1 field, the header has 5"),
        ('C4,T4,2025-04-24,1,50,"hello\nC9,T,2025-04-24,9,P\nbye"', "6 fields, the header has 5"),
        ('"a\n\nb",x,"c\n001,T,2025-04-24,1,P\nd"', "3 fields, the header has 5"),
        ('001,"7\\" frame, single",2025-04-24,1,P1', BACKSLASH),
        ('001,"say \\"hi\\"",2025-04-24,1,P1', BACKSLASH),
        ('001,"7\\" x\nC9,T,2025-04-24,9,P\n",2025-04-24,1,P1,', BACKSLASH),
        ('001,T2,"7\\",\nC9,T,2025-04-24,9,P\n",2025-04-24,1', BACKSLASH),
        ('001,T2,2025-04-24,1,"7\\"\nC9,T,2025-04-24,9,P\nbye"', BACKSLASH),
        ("001,T2,2025-04-24,1,P1,", "6 fields, the header has 5"),
        ("001,T2,2025-04-24,1,P1,,", "7 fields, the header has 5"),
        ('001,T2,2025-04-24,1,P1,"x, y"', "6 fields, the header has 5"),
        ('"never,T2,2025-04-24,1,P1', "a quote is never closed"),
        ('001,T2,2025-04-24,1,"P1', "a quote is never closed"),
        ('"00"1,T2,2025-04-24,1,P1', "a quote out of place"),
        ('001, "T2",2025-04-24,1,P1', "a quote out of place"),
    ],
)
def test_a_line_that_is_no_record_is_rejected_and_the_rest_kept(
    landing: Landing, line: str, reason: str
) -> None:
    taken = deliver(landing, HEADER + GOOD + line + "\n" + GOOD.replace("T1", "T3"))
    assert [row[1] for row in taken.accepted] == ["T1", "T3"]
    assert taken.places == [(CSV, 3)]
    assert taken.reasons == [[LINE + reason]]
    assert taken.raw == [{"line": line}]


def test_a_quote_inside_an_unquoted_field_is_a_character(landing: Landing) -> None:
    taken = deliver(landing, HEADER + '001,T1,2025-04-24,1,5" nail\n001,T2,2025-04-24,1,"a""b"\n')
    assert [row[4] for row in taken.accepted] == ['5" nail', 'a"b']


@pytest.mark.parametrize("name", ['size"', 'w" h"', '5" size', ' "size"', '""""', '"a\nb"'])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["x", '5"', '"5"""', '"'])
def test_a_quote_in_a_columns_name_costs_no_row(
    landing: Landing, name: str, end: str, last: str
) -> None:
    text = f"{HEADER.strip()},{name}\n"
    rows = [f"00{n},T1,2025-04-24,1,P1,{last if n == 1 else 'x'}\n" for n in range(3)]
    taken = deliver(landing, (text + "".join(rows)).replace("\n", end))
    assert taken.intake.received == 3
    kept = ["000", "002"] if last == '"' else ["000", "001", "002"]
    assert [row[0] for row in taken.accepted] == kept


@pytest.mark.parametrize("at", [2, 100_000, 199_999])
def test_a_quote_never_closed_costs_one_line_of_a_large_file(landing: Landing, at: int) -> None:
    lines = [f"{n:06},T{n},2025-04-24,1,P{n % 7}" for n in range(200_000)]
    lines[at] = '"' + lines[at]
    taken = deliver(landing, HEADER + "\n".join(lines) + "\n")
    assert (taken.intake.accepted, taken.intake.rejected) == (199_999, 1)
    assert taken.places == [(CSV, at + 2)]
    assert taken.reasons == [["line: a quote is never closed"]]
    assert [row[0] for row in taken.accepted] == [f"{n:06}" for n in range(200_000) if n != at]


def test_latin_1_bytes_cost_their_own_row(landing: Landing) -> None:
    text = HEADER + GOOD + "caf\xe9,T2,2025-04-24,1,P1\n" + '"x\n\xe9",T,2025-04-24,1,P\nü,'
    taken = deliver(landing, text.encode("latin-1") + "é,2025-04-24,1,P1\n".encode())
    assert taken.accepted == [GOOD_ROW]
    assert taken.places == [(CSV, 3), (CSV, 4), (CSV, 6)]
    assert taken.reasons == [["line: not UTF-8"]] * 3
    assert taken.raw[0] == {"line": "caf\\xe9,T2,2025-04-24,1,P1"}
    assert taken.raw[1] == {"line": '"x\n\\xe9",T,2025-04-24,1,P'}


def test_bytes_that_are_not_utf_8_count_in_columns_nobody_asked_for(landing: Landing) -> None:
    header = HEADER.replace("\n", ",note\n").encode()
    taken = deliver(landing, header + b"001,T1,2025-04-24,12.50,P1,\xe9\n")
    assert taken.reasons == [["line: not UTF-8"]]


def test_a_line_longer_than_a_mebibyte_is_rejected(landing: Landing) -> None:
    long = "x" * 5_000_000
    taken = deliver(landing, HEADER + long + "\n" + GOOD + "y" * 1_200_000)
    assert taken.accepted == [GOOD_ROW]
    assert taken.places == [(CSV, 2), (CSV, 4)]
    assert taken.reasons == [["line: longer than 1 MiB"]] * 2
    assert taken.raw[0] == {"line": "x" * 10_000 + "…"}


@pytest.mark.parametrize("odd", ["", "1,2\n"])
@pytest.mark.parametrize("before", [0, 1, 30_000])
@pytest.mark.parametrize(("quote", "inside"), [("", "x"), ('"', "x"), ('"', "\n" + "x" * 9_999)])
def test_a_records_length_is_judged_whatever_its_neighbours(
    landing: Landing, odd: str, before: int, quote: str, inside: str
) -> None:
    def record(name: str, size: int) -> str:
        start, end = f"{name},T,2025-04-24,1,{quote}", f"{quote}\n"
        room = size - len(start) - len(end)
        return start + (inside * (room // len(inside) + 1))[:room] + end

    lines = [f"{n:06},T,2025-04-24,1,P\n" for n in range(before)]
    text = HEADER + "".join(lines) + record("longer", (1 << 20) + 1) + record("fits", 1 << 20)
    taken = deliver(landing, text + "last,T,2025-04-24,1,P\n" + odd)
    assert [row[0] for row in taken.accepted][before:] == ["fits", "last"]
    assert taken.places[0] == (CSV, before + 2)
    if inside == "x":
        assert taken.reasons[0] == ["line: longer than 1 MiB"]


def test_rejected_rows_deep_in_a_large_file_are_found_by_their_line(landing: Landing) -> None:
    lines = [f"{n:06},T{n},2025-04-24,{n},P" for n in range(150_000)]
    lines[70_001] = '"two\nlines",T,2025-04-24,1,"P"'
    lines[70_002] = "x,T,2025-04-24,abc,P"
    lines[149_999] = "x,T,2025-04-24,def,P"
    taken = deliver(landing, HEADER + "\n".join(lines))
    assert taken.places == [(CSV, 70_005), (CSV, 150_002)]
    assert [raw["amount"] for raw in taken.raw] == ["abc", "def"]
    assert [row[0] for row in taken.accepted] == [
        "two\nlines" if n == 70_001 else f"{n:06}"
        for n in range(150_000)
        if n not in (70_002, 149_999)
    ]


def test_additional_columns_and_any_order_of_columns_are_fine(landing: Landing) -> None:
    text = "note,Date,amount,date,note,product_id,customer_id,transaction_id\n"
    rows = "n1,x,12.50,2025-04-24,n2,P1,001,T1\nn1,x,bad,2025-04-24,n2,P1,001,T2\n"
    taken = deliver(landing, text + rows)
    assert taken.accepted == [GOOD_ROW]
    assert taken.raw[0]["note"] == "n1"
    assert taken.raw[0]["note (5)"] == "n2"
    assert taken.raw[0]["Date"] == "x"


def test_columns_of_other_names_are_mapped(landing: Landing) -> None:
    names = {"customer_id": "Kunde Nr.", "date": "Datum"}
    header = HEADER.replace("customer_id", '"Kunde Nr."').replace("date", "Datum")
    taken = deliver(landing, header + GOOD + ",T2,2025-04-24,1,P1\n", transaction_columns=names)
    assert taken.accepted == [GOOD_ROW]
    assert taken.reasons == [["customer_id: missing"]]
    assert list(taken.raw[0])[:3] == ["Kunde Nr.", "transaction_id", "Datum"]


@pytest.mark.parametrize("delimiter", [";", "\t", "|", " "])
def test_another_delimiter_is_a_setting(landing: Landing, delimiter: str) -> None:
    text = HEADER + GOOD + '"a,b",T2,2025-04-24,1,P1\n' + "x,y\n" + 'a"b,T3,2025-04-24,1,P1\n'
    text = text.replace(",", delimiter)
    taken = deliver(landing, text, csv_delimiter=delimiter)
    assert [row[0] for row in taken.accepted] == ["001", f"a{delimiter}b", 'a"b']
    assert taken.reasons == [["line: 2 fields, the header has 5"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("before", ["", "\ufeff", "sep={}\r\n", "\ufeffsep={}\n", '"sep={}"\n'])
def test_the_delimiter_is_told_by_the_header(landing: Landing, delimiter: str, before: str) -> None:
    text = (HEADER + GOOD + "x\n").replace(",", delimiter)
    taken = deliver(landing, before.format(delimiter) + text)
    assert taken.accepted == [GOOD_ROW]
    assert taken.places == [(CSV, 4 if "sep" in before else 3)]


def test_a_delimiter_that_is_set_is_the_one_in_force(landing: Landing) -> None:
    taken = deliver(landing, "a;b," + HEADER + "x;y," + GOOD, csv_delimiter=",")
    assert taken.accepted == [GOOD_ROW]
    with pytest.raises(DeliveryError, match="set ABINTEL_CSV_DELIMITER to ','"):
        deliver(landing, HEADER + GOOD, csv_delimiter=";")


def test_the_mark_of_excel_says_the_delimiter_but_not_against_the_setting(
    landing: Landing,
) -> None:
    assert deliver(landing, "sep=^\n" + (HEADER + GOOD).replace(",", "^")).accepted == [GOOD_ROW]
    taken = deliver(landing, "sep=;\n" + HEADER + GOOD, csv_delimiter=",")
    assert taken.accepted == [GOOD_ROW]


def test_names_of_another_case_or_in_blanks_are_the_same_columns(landing: Landing) -> None:
    assert deliver(landing, HEADER.upper().replace(",", " ; ") + GOOD.replace(",", ";")).rows


def test_a_delimiter_behind_every_line_is_a_column_without_a_name(landing: Landing) -> None:
    text = (HEADER + GOOD * 2 + "\n,,,,,\n").replace("\n", ",\n")
    taken = deliver(landing, text)
    assert (taken.accepted, taken.rejected) == ([GOOD_ROW] * 2, [])


@pytest.mark.parametrize(
    "nothing",
    [",,,,", ",", ",,,,,,", "   ", "\t", " , ,,\t,", '"","","","",""', '"", " " ,""', '""'],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_without_a_value_is_no_row(landing: Landing, nothing: str, end: str) -> None:
    text = HEADER + nothing + "\n" + GOOD + nothing + "\n" + nothing + "\nx\n" + nothing
    taken = deliver(landing, text.replace("\n", end))
    assert taken.accepted == [GOOD_ROW]
    assert taken.places == [(CSV, 6)]
    assert taken.intake.received == 2


def test_a_mark_of_byte_order_inside_a_file_is_shown(landing: Landing) -> None:
    landing.put(CSV, HEADER + GOOD + "\ufeff" + GOOD.replace("12", "x") + "\ufeffz\n")
    taken = landing.take()
    stored = [row["raw"] for row in taken.rejected]
    assert r'{"customer_id": "\ufeff001"' in stored[0]
    assert stored[1] == r'{"line": "\ufeffz"}'


@pytest.mark.parametrize("extra", ["", ",x"])
def test_no_row_is_made_of_a_field_longer_than_a_mebibyte(landing: Landing, extra: str) -> None:
    inside = "C9,T666,2025-04-24,99999.00,P1\n"
    times = (1 << 20) // len(inside) + 10
    note = f'001,T,2025-04-24,1,"\n{inside * times}"{extra}\n'
    taken = deliver(landing, HEADER + GOOD + note + '"never,T2\n' + GOOD.replace("T1", "T3"))
    assert [row[1] for row in taken.accepted] == ["T1", "T3"]
    assert taken.intake.received == 2 + (times + 2) + 1
    assert taken.intake.reasons == {
        "line: part of a record longer than 1 MiB": times + 2,
        "line: a quote is never closed": 1,
    }


def test_a_gzipped_file_is_read_like_a_plain_one(landing: Landing) -> None:
    name = "transactions/2025-04-24.csv.gz"
    taken = deliver(landing, gzip.compress((HEADER + GOOD + "x\n").encode()), name)
    assert taken.accepted == [GOOD_ROW]
    assert taken.places == [(name, 3)]


def test_a_header_alone_is_a_delivery_of_no_rows(landing: Landing) -> None:
    for text in (HEADER, HEADER.strip(), HEADER + "\n\n"):
        taken = deliver(landing, text)
        assert (taken.intake.received, taken.accepted, taken.rejected) == (0, [], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("\ufeff", "is empty"),
        (GOOD, "no column 'customer_id', 'transaction_id', 'date', 'amount', 'product_id'"),
        (HEADER.replace("amount", "total"), "line 1: no column 'amount'; it has customer_id,"),
        (HEADER.replace("amount", "date"), "column 'date' stands there twice"),
        (HEADER.replace(",", "^"), "set ABINTEL_CSV_DELIMITER to '^'"),
        (HEADER.replace(",", ";").replace("amount", "amuont"), "'amuont' for 'amount'"),
        ("sep=;\nx" + HEADER.replace(",", ";"), "line 2: no column 'customer_id'"),
        (HEADER.replace("d", "d\ufeffx"), r"d\ufeffx"),
        (HEADER.encode("utf-16"), "set ABINTEL_ENCODING=utf-16"),
        (HEADER.encode("utf-16-le"), "set ABINTEL_ENCODING=utf-16"),
        (b"PK\x03\x04\x00[Content_Types].xml", "let its name end in .xlsx"),
        (b"PK\x03\x04\x00", "is a zip file: unpack it"),
        (gzip.compress(HEADER.encode(), mtime=0), "let its name end in .csv.gz"),
        (b"PAR1\x00", "let its name end in .parquet"),
        (b"%PDF-1.7", "is a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel file, or one with a password"),
        (b" \r\n<!DOCTYPE html>", "is a web page"),
        (
            "caf\xe9,".encode("latin-1") + HEADER.encode(),
            "byte 4: the header is not UTF-8: set ABINTEL_ENCODING=cp1252",
        ),
        ('"customer_id,x\n' + GOOD, "the header can't be read"),
        ('"a"b,' + HEADER, "the header can't be read"),
        (HEADER.strip() + ',"size\n001,T1,2025-04-24,1,P1,x\n', "the header can't be read"),
        (HEADER.strip() + ',"size\n001,T1,2025-04-24,1,P1,5"\n', "the quote before 'size' is"),
        (HEADER.strip() + ',"size\n001,T1,2025-04-24,1,P1,"x"\n', "the header can't be read"),
        (HEADER.strip() + "," + "x" * (1 << 20), "the header doesn't end within 1 MiB"),
    ],
)
def test_a_file_that_is_no_table_fails_with_its_place(
    landing: Landing, content: str | bytes, message: str
) -> None:
    with pytest.raises(DeliveryError, match=r"^transactions/2025-04-24\.csv") as error:
        deliver(landing, content)
    assert message in str(error.value)
    assert list(landing.staging.iterdir()) == []


def test_a_torn_gzip_file_fails(landing: Landing) -> None:
    whole = gzip.compress((HEADER + GOOD * 1000).encode())
    for torn in (whole[:-20], b"not gzip", whole[:20] + b"xx" + whole[22:]):
        with pytest.raises(DeliveryError, match="gzip file is torn"):
            deliver(landing, torn, "transactions/2025-04-24.csv.gz")


@pytest.mark.parametrize("delimiter", ['"', "\n", "§", "", ",,"])
def test_a_delimiter_that_cannot_be_one_is_no_setting(delimiter: str) -> None:
    with pytest.raises(ValidationError, match="can't separate fields: give one ASCII character"):
        Settings(csv_delimiter=delimiter)


def test_names_that_look_like_patterns_are_only_names(landing: Landing) -> None:
    landing.put("transactions/2025-04-24/a[1]*?'.csv", HEADER + GOOD)
    landing.put("transactions/2025-04-24/a1.csv", HEADER + GOOD.replace("T1", "T2"))
    assert [row[1] for row in landing.take().accepted] == ["T2", "T1"]
