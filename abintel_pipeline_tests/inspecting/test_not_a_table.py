"""Files that can't be inspected are told in a sentence."""

import gzip
import sys
import zipfile
from pathlib import Path

import pytest

from abintel_pipeline.inspecting import CannotInspect
from abintel_pipeline_tests.inspecting.exports import write_xlsx
from abintel_pipeline_tests.inspecting.inspected import inspected, written

HEADER = b"customer_id,transaction_id,date,amount,product_id\n"


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\xef\xbb\xbf\r\n", "is empty"),
        ("a.csv", HEADER, "has no rows"),
        ("a.csv", b"%PDF-1.7 ...", "is a PDF"),
        ("a.csv", b"<!DOCTYPE html><html>", "is a web page"),
        ("a.xlsx", b"<html><table>", "is a web page"),
        ("a.csv", gzip.compress(HEADER, mtime=0), "let its name end in .csv.gz"),
        ("a.csv.gz", HEADER, "is no gzip file"),
        ("a.csv.gz", gzip.compress(HEADER * 9, mtime=0)[:-9], "can't be read to its end"),
        ("a.csv", b"PAR1....", "is a Parquet file"),
        ("a.parquet", HEADER, "is no Parquet file"),
        ("a.parquet", b"PAR1 and nothing behind it", "is a damaged Parquet file"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is protected with a password"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is a file of an old Excel"),
        ("a.xlsx", HEADER, "is no Excel file"),
        ("a.jsonl", b'[{"a": 1}]', "is one JSON array"),
        ("a.pickle", HEADER, "has none of the endings .csv.gz, .csv"),
    ],
)
def test_a_file_that_is_no_table_is_told(name: str, data: bytes, told: str):
    with pytest.raises(CannotInspect, match=told):
        inspected(written(data, name))


def test_a_zip_is_to_be_unpacked():
    with zipfile.ZipFile("a.csv", "w") as archive:
        archive.writestr("orders.csv", HEADER)
    with pytest.raises(CannotInspect, match="a zip: unpack it first"):
        inspected(Path("a.csv"))


def test_an_excel_file_named_csv_is_known():
    with zipfile.ZipFile("a.csv", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    with pytest.raises(CannotInspect, match=r"let its name end in \.xlsx"):
        inspected(Path("a.csv"))


def test_a_broken_workbook_is_told():
    with zipfile.ZipFile("a.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    with pytest.raises(CannotInspect, match="can't be read as an Excel file"):
        inspected(Path("a.xlsx"))


def test_a_folder_names_one_of_its_files():
    written(HEADER, "exports/march.csv")
    with pytest.raises(CannotInspect, match="is a folder: inspect one of its files, such as"):
        inspected(Path("exports"))


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(CannotInspect, match="isn't there"):
        inspected(Path("orders.csv"))


def test_a_text_file_is_a_csv_file_under_another_name():
    seen = inspected(written(HEADER + b"A,T,2025-03-04,1.00,P\n", "orders.txt"))
    assert seen.target.name == "2025-03-04.csv"


def test_a_file_whose_days_are_all_to_come_needs_a_day():
    seen = inspected(written(HEADER + b"A,T,2099-01-01,1.00,P\n"))
    assert seen.proposal.decisions == [
        "neither its name nor its rows say a day: give one with --day YYYY-MM-DD"
    ]
    assert seen.target.name == "YYYY-MM-DD.csv"


def test_customers_need_a_day_and_a_score():
    path = written("client,points\nA,much\n", "crm.csv")
    seen = inspected(path, table="customers", on="2025-03-04")
    assert seen.proposal.decisions == ["no column looks like the loyalty score (loyalty_score)"]


def test_excel_without_its_reader_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    write_xlsx(Path("a.xlsx"), [["customer_id"], ["A"]])
    with pytest.raises(CannotInspect, match="pip install python-calamine"):
        inspected(Path("a.xlsx"))
