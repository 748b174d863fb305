"""What texts become: ids, amounts, dates and words, and which rows are left out."""

import unicodedata
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from abintel_pipeline.engine.connection import engine, native
from abintel_pipeline.engine.sql import Names
from abintel_pipeline.intake.texts.ids import CHANGED, id_typed
from abintel_pipeline.intake.texts.numbers import amount_typed, offer_products
from abintel_pipeline.settings import Settings
from abintel_pipeline_tests.intake.conftest import DAY, HEADER, Landing
from abintel_pipeline_tests.metrics.running import reproducible

NAME = "transactions/2025-04-24.csv"


def take(landing: Landing, *lines: str, header: str = HEADER, **changes: Any):
    landing.put(NAME, header + "".join(f"{one}\n" for one in lines))
    return landing.take(**changes)


def of_amount(landing: Landing, *texts: str, **changes: Any):
    lines = (f'C{n},T,2025-04-24,"{text}",P' for n, text in enumerate(texts))
    return take(landing, *lines, **changes)


def of_date(landing: Landing, *texts: str, **changes: Any):
    return take(landing, *(f'C{n},T,"{text}",1,P' for n, text in enumerate(texts)), **changes)


# ── ids ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "customer"),
    [
        ("001", "001"),
        ("C1        ", "C1"),
        ("\u00a0C1\t", "C1"),
        ("\ufeffC1", "C1"),
        ("\u200bC\u200b1\u2060", "C1"),
        ("\u3000C 1\u2003", "C 1"),
        ("Jose\u0301", "Jos\u00e9"),
        ("17850.0", "17850"),
        (" 17850.00 ", "17850"),
        ("-7.0", "-7"),
        ("0.0", "0"),
        ("9007199254740991.0", "9007199254740991"),
        ("1.5", "1.5"),
        ("001.0", "001.0"),
        ("1.10", "1.10"),
        ("5E12", "5E12"),
        ("N-1", "N-1"),
        ("NAN", "NAN"),
        ("Na", "Na"),
    ],
)
def test_an_id_is_itself_without_what_nobody_sees(
    landing: Landing, text: str, customer: str
) -> None:
    taken = take(landing, f'"{text}",T1,2025-04-24,1,P1')
    assert [row[0] for row in taken.accepted] == [customer]
    assert taken.intake.ids_changed == (text != customer)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((word, "missing") for word in ("NA", "N/A", "#N/A", "NULL", "null", r"\N", "nan", "NaN")),
        ("None", "missing"),
        (" NA ", "missing"),
        ("\u200b", "blank"),
        ("\u00a0\t", "blank"),
        ("1.7850E+05", "in scientific notation, its digits are lost: format the column as text"),
        ("1,7850E+05", "in scientific notation, its digits are lost: format the column as text"),
        ("1e+16", "in scientific notation, its digits are lost: format the column as text"),
        ("9007199254740992.0", "a float of 2**53 or more, its last digits are lost"),
        ("123456789012345678901234567890123456789012.0", "a float of 2**53 or more"),
    ],
)
def test_what_can_be_no_id_is_rejected(landing: Landing, text: str, reason: str) -> None:
    for column, name in ((0, "customer_id"), (1, "transaction_id"), (4, "product_id")):
        values = ["001", "T1", "2025-04-24", "1", "P1"]
        values[column] = f'"{text}"'
        taken = take(landing, ",".join(values))
        assert len(taken.reasons) == 1
        assert taken.reasons[0][0].startswith(f"{name}: {reason}")
        assert taken.intake.ids_changed == 0


def test_the_words_for_missing_can_be_others(landing: Landing) -> None:
    lines = ("NA,T1,2025-04-24,1,P1", "-,T2,2025-04-24,1,P1", "?,T3,2025-04-24,?,P1")
    taken = take(landing, *lines, missing_words=["-", "?"])
    assert [row[0] for row in taken.accepted] == ["NA"]
    assert taken.reasons == [
        ["customer_id: missing"],
        ["amount: missing", "customer_id: missing"],
    ]
    assert [row[0] for row in take(landing, *lines[:2], missing_words=[]).accepted] == ["NA", "-"]


def test_changed_ids_are_counted_one_by_one(landing: Landing) -> None:
    lines = [f"{n}.0,T{n} ,2025-04-24,1,P1" for n in range(1000)]
    assert take(landing, *lines, "x,y,z").intake.ids_changed == 2000


PIECES = [*"aZ09._-+ EN", "A", "\u00e9", "e\u0301", "\u200b", "\ufeff", "\u00a0", ".0", "E+05"]
IDS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


def plain_id(text: str, words: tuple[str, ...]) -> str | None:
    """The rule for ids once more, in plain Python."""
    no_width = "\u200b\u2060\ufeff"
    found = text.strip(no_width + " \t\u00a0").strip(no_width + " \t\u00a0")
    found = "".join(c for c in found if c not in no_width)
    whole, point, zeros = found.partition(".")
    digits = whole.removeprefix("-")
    canonical = digits.isdecimal() and digits.isascii() and (digits == "0" or digits[0] != "0")
    if point and canonical and zeros and set(zeros) == {"0"} and whole != "-0":
        return whole if int(digits) < 2**53 else None
    mantissa, e, exponent = found.replace("e", "E").partition("E+")
    first, _, rest = mantissa.lstrip("+-").partition(".")
    if (
        e
        and (exponent.isdecimal() and len(exponent) >= 2)
        and (len(first) == 1 and first.isdecimal())
        and ("." not in mantissa or rest.isdecimal())
        and len(mantissa) - len(mantissa.lstrip("+-")) <= 1
    ):
        return None
    return None if found in ("", *words) else unicodedata.normalize("NFC", found)


@reproducible(600)
@given(st.lists(IDS, min_size=20, max_size=60))
def test_ids_are_what_plain_python_makes_of_them(texts: list[str]) -> None:
    settings = Settings(_env_file=None)
    connection = native(SHARED)
    connection.execute(f"CREATE OR REPLACE TEMP SEQUENCE {CHANGED}")
    names = Names()
    typed = id_typed("t", settings, names)
    found = connection.execute(
        f"SELECT {typed} FROM ({names.below('SELECT unnest(?) AS t')})", [texts]
    ).fetchall()
    expected = [plain_id(text, settings.missing_words) for text in texts]
    assert [one for (one,) in found] == expected
    changed = sum(new is not None and new != old for old, new in zip(texts, expected, strict=True))
    counted = connection.execute(f"SELECT nextval('{CHANGED}') - 1").fetchone()
    assert counted == (changed,)


# ── amounts ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("marks", "text", "amount"),
    [
        ({}, "12.345", "12.35"),
        ({}, " 12.50\u00a0", "12.50"),
        ({}, "1.5e3", "1500.00"),
        ({"decimal_mark": ","}, "122,21", "122.21"),
        ({"decimal_mark": ","}, "1.122,21", "1122.21"),
        ({"decimal_mark": ","}, "1.234.567", "1234567.00"),
        ({"decimal_mark": ","}, "1234567,005", "1234567.01"),
        ({"decimal_mark": ","}, ",5", "0.50"),
        ({"decimal_mark": ",", "thousands_mark": " "}, "1\u202f122,21", "1122.21"),
        ({"decimal_mark": ",", "thousands_mark": " "}, "1 122,21", "1122.21"),
        ({"thousands_mark": ","}, "1,122.21", "1122.21"),
        ({"thousands_mark": "'"}, "1'122.21", "1122.21"),
        ({"thousands_mark": "'"}, "1\u2019122.21", "1122.21"),
    ],
)
def test_a_number_is_read_with_the_sources_marks(
    landing: Landing, marks: dict[str, str], text: str, amount: str
) -> None:
    assert [row[3] for row in of_amount(landing, text, **marks).accepted] == [Decimal(amount)]


@pytest.mark.parametrize(
    ("marks", "text", "reason"),
    [
        ({}, "12,50", "not a number"),
        ({}, "1,122.21", "not a number"),
        ({}, "12 50", "not a number"),
        ({}, "12.50 €", "not a number"),
        ({"decimal_mark": ","}, "12.50", 'not a number with "," before its decimals'),
        ({"decimal_mark": ","}, "1.12,50", 'not a number with "," before its decimals'),
        ({"decimal_mark": ","}, "1,122,21", 'not a number with "," before its decimals'),
        ({"thousands_mark": ","}, "12,50", 'not a number with "." before its decimals'),
        ({"thousands_mark": ","}, "1122,000.00", 'not a number with "." before its decimals'),
        ({"decimal_mark": ","}, "NA", "missing"),
        ({"decimal_mark": ","}, "12345678901234567,00", "more than 16 digits before the point"),
    ],
)
def test_a_number_with_other_marks_is_rejected(
    landing: Landing, marks: dict[str, str], text: str, reason: str
) -> None:
    assert of_amount(landing, text, **marks).reasons == [[f"amount: {reason}"]]


def test_returns_are_rejected_unless_they_are_netted(landing: Landing) -> None:
    texts = ("-10.00", "10.00-", "-0.00", "5")
    taken = of_amount(landing, *texts)
    assert [row[3] for row in taken.accepted] == [Decimal("0.00"), Decimal("5.00")]
    assert taken.reasons == [["amount: negative"]] * 2
    taken = of_amount(landing, *texts, returns="net")
    assert [row[3] for row in taken.accepted] == [Decimal(n) for n in ("-10", "-10", "0", "5")]
    assert (taken.intake.returns, taken.intake.returned) == (2, Decimal("-20.00"))


def test_a_return_is_rounded_like_a_purchase_and_never_to_a_purchase_of_nothing(
    landing: Landing,
) -> None:
    taken = of_amount(landing, "-0.005", "0.005", "-0.004", returns="net")
    assert [row[3] for row in taken.accepted] == [Decimal("-0.01"), Decimal("0.01")]
    assert taken.reasons == [["amount: a return that rounds to zero"]]


PRODUCT_HEADER = "customer_id,transaction_id,date,Quantity,UnitPrice,product_id\n"
PRODUCT = {"amount": "Quantity * UnitPrice"}


@pytest.mark.parametrize(
    ("quantity", "price", "amount"),
    [
        ("6", "2.55", "15.30"),
        ("3", "0.335", "1.01"),  # 1.005, half up
        ("6", "22.200000000000003", "133.20"),
        ("1e1", "0.1005", "1.01"),  # 1.005
        ("0.333333333333333333", "3", "1.00"),
        ("1000000", "9999999999.99", "9999999999990000.00"),
    ],
)
def test_an_amount_may_be_an_exact_product_of_two_columns(
    landing: Landing, quantity: str, price: str, amount: str
) -> None:
    line = f"001,T1,2025-04-24,{quantity},{price},P1"
    taken = take(landing, line, header=PRODUCT_HEADER, transaction_columns=PRODUCT)
    assert [row[3] for row in taken.accepted] == [Decimal(amount)]


@pytest.mark.parametrize(
    ("quantity", "price", "reason"),
    [
        ("", "2.55", "Quantity is missing"),
        ("NA", "2.55", "Quantity is missing"),
        ("6", "", "UnitPrice is missing"),
        ("six", "2.55", "Quantity is not a number"),
        ("6", "2,55", "UnitPrice is not a number"),
        ("1000000000", "100000000", "more than 16 digits before the point"),
        ("1e300", "1e300", "more than 16 digits before the point"),
        ("-6", "2.55", "negative"),
    ],
)
def test_a_product_that_is_no_amount_is_rejected_by_the_name_of_its_column(
    landing: Landing, quantity: str, price: str, reason: str
) -> None:
    line = f'001,T1,2025-04-24,{quantity},"{price}",P1'
    taken = take(landing, line, header=PRODUCT_HEADER, transaction_columns=PRODUCT)
    assert taken.reasons == [[f"amount: {reason}"]]
    assert set(taken.raw[0]) == set(PRODUCT_HEADER.strip().split(","))


def test_a_product_of_a_negative_quantity_is_a_return(landing: Landing) -> None:
    taken = take(
        landing,
        "001,T1,2025-04-24,-6,2.55,P1",
        "001,T2,2025-04-24,-6,-2.55,P1",
        "001,T3,2025-04-24,-6,0,P1",
        header=PRODUCT_HEADER,
        transaction_columns=PRODUCT,
        returns="net",
    )
    assert [row[3] for row in taken.accepted] == [Decimal(n) for n in ("-15.30", "15.30", "0")]


FACTORS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6)


@reproducible(240)
@given(st.lists(st.tuples(FACTORS, FACTORS), min_size=10, max_size=40))
def test_products_are_what_decimals_make_of_them(pairs: list[tuple[Decimal, Decimal]]) -> None:
    settings = Settings(_env_file=None, returns="net")
    connection = native(SHARED)
    offer_products(connection)
    texts = [[f"{a:f}", f"{b:f}"] for a, b in pairs]
    names = Names()
    typed = amount_typed("t[1]", settings, names, "t[2]")
    found = connection.execute(
        f"SELECT {typed} FROM ({names.below('SELECT unnest(?) AS t')})", [texts]
    ).fetchall()
    for (a, b), (amount,) in zip(pairs, found, strict=True):
        exact = in_cents(a, b)
        assert amount == (None if exact == 0 and a * b < 0 else exact)


def in_cents(a: Decimal, b: Decimal) -> Decimal:
    """a · b rounded half away from zero, by whole numbers alone."""
    (sign_a, digits_a, places_a), (sign_b, digits_b, places_b) = a.as_tuple(), b.as_tuple()
    whole = int("".join(map(str, digits_a))) * int("".join(map(str, digits_b)))
    shift = int(places_a) + int(places_b) + 2
    cents = whole * 10**shift if shift >= 0 else (2 * whole + 10**-shift) // (2 * 10**-shift)
    return Decimal(-cents if sign_a != sign_b else cents).scaleb(-2)


# ── dates ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "text", "day"),
    [
        ({}, " 2025-04-24 ", "2025-04-24"),
        ({"date_format": "YYYYMMDD"}, "20250424", "2025-04-24"),
        ({"date_format": "YYYYMMDD"}, "2025-04-24", "2025-04-24"),
        ({"date_format": "%d.%m.%Y"}, "5.3.2025", "2025-03-05"),
        ({"date_format": "%d.%m.%Y"}, "05.03.2025", "2025-03-05"),
        ({"date_format": "%m/%d/%Y"}, "03/05/2025", "2025-03-05"),
        ({"date_format": "%d/%m/%Y"}, "03/04/2025", "2025-04-03"),
        ({"date_format": "%d-%b-%y"}, "05-Mar-25", "2025-03-05"),
        ({"date_format": "%B %d, %Y"}, "March 5, 2025", "2025-03-05"),
        ({"date_format": "%m/%d/%Y %H:%M"}, "3/5/2025 8:26", "2025-03-05"),
        ({"date_format": "%d.%m.%Y %I:%M %p"}, "05.03.2025 11:59 PM", "2025-03-05"),
    ],
)
def test_a_date_is_read_as_the_source_writes_it(
    landing: Landing, settings: dict[str, str], text: str, day: str
) -> None:
    assert [r[2] for r in of_date(landing, text, **settings).accepted] == [date.fromisoformat(day)]


def test_a_pattern_with_an_offset_is_turned_into_the_sources_zone(landing: Landing) -> None:
    form = {"date_format": "%Y-%m-%d %H:%M:%S %z", "source_timezone": "Europe/Berlin"}
    taken = of_date(landing, "2025-04-23 23:30:00 +0000", "2025-04-24 00:30:00 +0400", **form)
    assert [row[2] for row in taken.accepted] == [date(2025, 4, 24), date(2025, 4, 23)]


@pytest.mark.parametrize(
    ("settings", "text", "reason"),
    [
        ({}, "05/03/2024", "not an ISO calendar date"),
        ({}, "20250424", "not an ISO calendar date"),
        ({"date_format": "%d.%m.%Y"}, "31.02.2025", "no calendar date like %d.%m.%Y"),
        ({"date_format": "%d.%m.%Y"}, "24.04.2025 x", "no calendar date like %d.%m.%Y"),
        ({"date_format": "%d.%m.%Y"}, "04.24.2025", "no calendar date like %d.%m.%Y"),
        ({"date_format": "YYYYMMDD"}, "2025042", "no calendar date like YYYYMMDD"),
        ({}, "NA", "missing"),
        ({}, "0001-01-01", "before 1980-01-01, the first plausible day (ABINTEL_EARLIEST_DATE)"),
        ({}, "1979-12-31", "before 1980-01-01, the first plausible day (ABINTEL_EARLIEST_DATE)"),
        ({}, "0000-01-01", "before 1980-01-01, the first plausible day (ABINTEL_EARLIEST_DATE)"),
        ({}, "2025-04-25", "after delivered_on"),
    ],
)
def test_a_date_that_is_none_is_rejected(
    landing: Landing, settings: dict[str, str], text: str, reason: str
) -> None:
    assert of_date(landing, text, **settings).reasons == [[f"date: {reason}"]]


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Pacific/Auckland"])
def test_a_timestamp_of_year_one_is_rejected_in_every_zone(landing: Landing, zone: str) -> None:
    """West of Greenwich it is a day before year 1: published, no later run could read it."""
    texts = ("0001-01-01T00:00:00Z", "0001-01-01 00:00:00", "9999-12-31T23:59:59-12:00")
    taken = of_date(landing, *texts, source_timezone=zone)
    assert taken.accepted == []
    assert len(taken.reasons) == 3


@pytest.mark.parametrize("offset", ["+14:01", "-15:00", "+99:99", "+2400", "+12:60"])
def test_an_offset_that_no_place_has_is_rejected(landing: Landing, offset: str) -> None:
    taken = of_date(landing, f"2025-04-23T12:00:00{offset}", source_timezone="UTC")
    assert taken.reasons == [["date: not an ISO calendar date"]]


def test_the_first_plausible_day_is_a_setting(landing: Landing) -> None:
    taken = of_date(landing, "1899-12-30", "1900-01-01", earliest_date=date(1900, 1, 1))
    assert [row[2] for row in taken.accepted] == [date(1900, 1, 1)]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"date_format": "%d.%m"}, "doesn't tell year, month and day"),
        ({"date_format": "dd.mm.yyyy"}, "doesn't tell year, month and day"),
        ({"date_format": "%d.%m.%Q"}, "'%Q' is no part of a date format"),
        ({"date_format": "%d.%m.%Y %I:%M"}, "an hour is %H"),
        ({"date_format": "%Y-%d-%m"}, "can't be told from an ISO date"),
        ({"date_format": "%d.%m.%Y %z"}, "set source_timezone, whose day it is"),
        ({"decimal_mark": ",", "thousands_mark": ","}, "are both ','"),
        ({"encoding": "klingon"}, "'klingon' is no encoding"),
        ({"encoding": "base64"}, "'base64' is no encoding"),
        ({"keep_rows": {"Status": []}}, "'Status' keeps no value"),
        ({"cancelled_words": {"Yes": True, "yes": False}}, "the word 'yes' stands twice"),
        ({"transaction_columns": {"amount": None}}, "'amount' can't be null"),
        ({"transaction_columns": {"amount": " "}}, "'amount' has no name"),
        ({"transaction_columns": {"product_id": "AMOUNT"}}, "two columns come from 'amount'"),
    ],
)
def test_a_description_of_a_source_that_cannot_be_right_is_no_setting(
    setting: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings(_env_file=None, **setting)


# ── cancelled ────────────────────────────────────────────────────────────────

CANCELLED_HEADER = HEADER.rstrip() + ",cancelled\n"


@pytest.mark.parametrize(
    ("words", "text", "expected"),
    [
        (None, "true", True),
        (None, " YES ", True),
        (None, "1", True),
        (None, "False", False),
        (None, "", False),
        (None, "NA", False),
        ({"storniert": True, "offen": False}, "Storniert", True),
        ({"storniert": True, "*": False}, "bezahlt", False),
        ({"": False, "*": True}, "2025-04-24 10:00", True),
        ({"": False, "*": True}, "", False),
        ({"*": True}, "", False),
    ],
)
def test_whether_a_line_is_cancelled_is_told_by_the_sources_words(
    landing: Landing, words: dict[str, bool] | None, text: str, expected: bool
) -> None:
    changes = {} if words is None else {"cancelled_words": words}
    taken = take(landing, f"001,T1,2025-04-24,1,P1,{text}", header=CANCELLED_HEADER, **changes)
    assert [row["cancelled"] for row in taken.rows] == [expected]


def test_a_word_that_has_no_meaning_is_rejected(landing: Landing) -> None:
    taken = take(landing, "001,T1,2025-04-24,1,P1,maybe", header=CANCELLED_HEADER)
    assert taken.reasons == [
        ["cancelled: neither true nor false (ABINTEL_CANCELLED_WORDS says what a word means)"]
    ]


def test_a_column_of_another_name_says_what_is_cancelled(landing: Landing) -> None:
    taken = take(
        landing,
        "001,T1,2025-04-24,1,P1,Storno",
        "001,T2,2025-04-24,1,P1,ok",
        header=HEADER.rstrip() + ",Status\n",
        transaction_columns={"cancelled": "status"},
        cancelled_words={"Storno": True, "*": False},
    )
    assert [row["cancelled"] for row in taken.rows] == [True, False]


# ── columns that a source doesn't have, and rows that are left out ───────────


def test_a_source_may_have_neither_orders_nor_products(landing: Landing) -> None:
    columns = {"date": "day", "amount": "total", "transaction_id": None, "product_id": None}
    taken = take(
        landing,
        "CS1,2025-04-24,35",
        "CS2,2025-04-23,39",
        header="customer_id,day,total\n",
        transaction_columns=columns,
    )
    assert [(r["customer_id"], r["transaction_id"], r["product_id"]) for r in taken.rows] == [
        ("CS1", None, None),
        ("CS2", None, None),
    ]
    assert taken.rejected == []


def test_rows_of_other_kinds_are_left_out_and_counted(landing: Landing) -> None:
    header = HEADER.rstrip() + ",Financial Status\n"
    lines = [f"00{n},T{n},2025-04-24,1,P1,{s}" for n, s in enumerate(["paid", " paid", "pending"])]
    taken = take(
        landing,
        *lines,
        "bad,T3,2025-02-30,abc,,pending",
        "bad,T4,2025-02-30,1,P1,paid",
        "007,T5,2025-04-24,1,P1,",
        "x",
        header=header,
        keep_rows={"financial status": ["paid"]},
    )
    assert [row[0] for row in taken.accepted] == ["000", "001"]
    assert taken.places == [(NAME, 6), (NAME, 8)]
    assert (taken.intake.received, taken.intake.left_out) == (7, 3)
    assert taken.intake.left_out_by == {
        "financial status: pending": 2,
        "financial status: missing": 1,
    }


def test_ids_that_are_nobody_are_left_out(landing: Landing) -> None:
    lines = [f"{c},T,2025-04-24,1,P1" for c in ("0", "0.0", " Guest ", "", "NA", "00", "1.5E+05")]
    taken = take(landing, *lines, nobody_ids=["0", "Guest", ""])
    assert [row[0] for row in taken.accepted] == ["00"]
    assert taken.intake.left_out == 5
    assert taken.intake.left_out_by == {
        "customer_id: 0": 1,
        "customer_id: 0.0": 1,
        "customer_id: Guest": 1,
        "customer_id: NA": 1,
        "customer_id: missing": 1,
    }
    assert taken.reasons[0][0].startswith("customer_id: in scientific notation")
    assert take(landing, *lines[:1], nobody_ids=["1"]).accepted == [
        ("0", "T", DAY, Decimal("1.00"), "P1")
    ]


@pytest.fixture(scope="module", autouse=True)
def _shared_engine():
    global SHARED
    with engine(Settings(_env_file=None)) as SHARED:
        yield


SHARED: Any = None
