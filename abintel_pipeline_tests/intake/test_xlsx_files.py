"""Excel deliveries: which sheet and which row is the header, and what its cells are."""

import io
import zipfile
from datetime import date
from decimal import Decimal

import pytest

from abintel_pipeline.intake import DeliveryError
from abintel_pipeline.intake import xlsx as xlsx_files
from abintel_pipeline_tests.intake.conftest import DAY, HEADER, Landing
from abintel_pipeline_tests.intake.workbooks import (
    Row,
    boolean,
    dated,
    empty,
    error,
    number,
    text,
    workbook,
)

XLSX = "transactions/2025-04-24.xlsx"
NAMES = [text(name) for name in HEADER.strip().split(",")]
SERIAL = "45771"
"""2025-04-24 in days since 1899-12-30."""
GOOD = [text("001"), text("T1"), dated(SERIAL), number("12.5"), text("P1")]


def deliver(landing: Landing, *sheets: list[Row], **changes: object):
    landing.put(XLSX, workbook(*sheets))
    return landing.take(**changes)


def test_cells_are_taken_by_what_they_hold(landing: Landing) -> None:
    row = [number("17850"), number("536365"), dated(SERIAL), number("22.200000000000003"), GOOD[4]]
    taken = deliver(landing, [(1, NAMES), (2, GOOD), (3, row)])
    assert taken.accepted == [
        ("001", "T1", DAY, Decimal("12.50"), "P1"),
        ("17850", "536365", DAY, Decimal("22.20"), "P1"),
    ]


def test_the_header_is_the_first_row_with_anything_in_it_of_the_first_sheet_that_fits(
    landing: Landing,
) -> None:
    other = [(1, [text("note"), text("amount")]), (2, [text("x"), number("1")])]
    rows = [(2, [empty(), text("  ")]), (4, NAMES), (6, GOOD), (9, [*GOOD[:3], text("x"), GOOD[4]])]
    taken = deliver(landing, [], other, rows)
    assert [row[0] for row in taken.accepted] == ["001"]
    assert taken.places == [(XLSX, 9)]
    assert taken.reasons == [["amount: not a number"]]
    assert taken.raw[0]["date"] == "2025-04-24"


def test_an_error_is_a_missing_value_and_a_time_of_day_asks_for_a_time_zone(
    landing: Landing,
) -> None:
    rows = [
        [error(), *GOOD[1:]],
        [*GOOD[:2], dated(f"{SERIAL}.5"), *GOOD[3:]],
        [*GOOD[:3], boolean(True), GOOD[4]],
        [error("#DIV/0!"), empty(), text(" ")],
    ]
    taken = deliver(landing, [(1, NAMES), *enumerate(rows, start=2)])
    assert taken.reasons == [
        ["customer_id: missing"],
        ["date: a timestamp; set ABINTEL_SOURCE_TIMEZONE to take its day"],
        ["amount: not a number"],
    ]
    assert [place[1] for place in taken.places] == [2, 3, 4]


def test_the_settings_of_text_files_change_no_typed_cell(landing: Landing) -> None:
    changes = {"decimal_mark": ",", "encoding": "cp1252", "csv_delimiter": ";"}
    taken = deliver(landing, [(1, NAMES), (2, GOOD)], **changes)
    assert taken.accepted == [("001", "T1", DAY, Decimal("12.50"), "P1")]


def test_a_header_alone_is_a_delivery_of_no_rows(landing: Landing) -> None:
    assert deliver(landing, [(1, NAMES)]).intake.received == 0


def test_customers_may_come_as_a_workbook(landing: Landing) -> None:
    sheet = [(1, [text("customer_id"), text("loyalty_score")]), (2, [text("001"), number("0.25")])]
    landing.put("customers/2025-04-24.xlsx", workbook(sheet))
    assert landing.take_customers(date(2025, 4, 24)).accepted == [("001", 0.25)]


def zipped(content: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no Excel workbook, or a broken one"),
        (b"customer_id,x\n", "is no Excel workbook, or a broken one"),
        (workbook([(1, NAMES), (2, GOOD)])[:-40], "is no Excel workbook, or a broken one"),
        (zipped("x"), "is no Excel workbook, or a broken one"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "with a password: save it as .xlsx"),
        (b"PAR1", "let its name end in .parquet"),
        (workbook([]), "is empty: a day without rows still needs its header"),
        (workbook([(3, GOOD)]), "sheet 'S1', row 3: no column 'customer_id'"),
        (workbook([(1, [*NAMES, NAMES[2]])]), "column 'date' stands there twice"),
    ],
)
def test_a_file_that_is_no_table_fails_with_its_name(
    landing: Landing, content: bytes, message: str
) -> None:
    landing.put(XLSX, content)
    with pytest.raises(DeliveryError, match=r"^transactions/2025-04-24\.xlsx") as failed:
        landing.take()
    assert message in str(failed.value)
    assert list(landing.staging.iterdir()) == []


def test_a_byte_that_changed_on_the_way_fails_the_file(landing: Landing) -> None:
    content = bytearray(workbook([(1, NAMES), (2, GOOD)]))
    content[content.index(b"xl/workbook.xml") + 40] ^= 0xFF
    landing.put(XLSX, bytes(content))
    with pytest.raises(DeliveryError, match="broken"):
        landing.take()


def test_a_workbook_that_is_too_large_unpacked_is_not_unpacked(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx_files, "MOST_UNPACKED", 1 << 20)
    landing.put(XLSX, zipped("x" * (3 << 20)))
    with pytest.raises(DeliveryError, match="has 3 MiB unpacked, more than 1"):
        landing.take()
