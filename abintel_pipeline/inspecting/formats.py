"""Which format a file has: its name says so, and its first bytes must agree."""

import zipfile
from pathlib import Path
from typing import Literal

from abintel_pipeline.inspecting.errors import CannotInspect

Format = Literal["csv", "csv.gz", "xlsx", "parquet", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv.gz", "csv", "xlsx", "parquet", "jsonl")
TEXT_ENDINGS = ("txt", "tsv", "dat")
"""Endings of files that are CSV under another name."""

_GZIP, _ZIP, _OLE, _PARQUET = b"\x1f\x8b", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1"
_HTML = (b"<!doctype html", b"<html", b"<table", b"<?xml", b"<head")


def format_of(path: Path) -> Format:
    """The format of a file. Raises CannotInspect when it is none, or isn't what its name says."""
    start = _start(path)
    ending = next((f for f in FORMATS if path.name.lower().endswith(f".{f}")), None)
    _reject_other_things(path, start, ending)
    if ending is None and path.suffix.lower().removeprefix(".") in TEXT_ENDINGS:
        return "csv"
    if ending is None:
        wanted = ", ".join(f".{one}" for one in FORMATS)
        raise CannotInspect(f"{path.name} has none of the endings {wanted}: what is it?")
    _agree(path, start, ending)
    return ending


def landing_name(kind: Format, day: object) -> str:
    """The name under which a file is delivered for a day.

    >>> landing_name("csv", "2025-12-24")
    '2025-12-24.csv'
    """
    return f"{day}.{kind}"


def _start(path: Path) -> bytes:
    if path.is_dir():
        inside = sorted(one.name for one in path.iterdir() if one.is_file())
        such = f", such as {path / inside[0]}" if inside else "; it holds none"
        raise CannotInspect(f"{path} is a folder: inspect one of its files{such}")
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except FileNotFoundError:
        raise CannotInspect(f"{path} isn't there: check its name and folder") from None
    except OSError as error:
        raise CannotInspect(f"{path} can't be read: {(error.strerror or '').lower()}") from None
    if not start.strip(b"\xef\xbb\xbf \t\r\n"):
        raise CannotInspect(f"{path.name} is empty: even a day without sales needs a header line")
    return start


def _reject_other_things(path: Path, start: bytes, ending: Format | None) -> None:
    if start.startswith(b"%PDF"):
        raise CannotInspect(f"{path.name} is a PDF: export the table as CSV or Excel")
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML):
        raise CannotInspect(
            f"{path.name} is a web page or XML, perhaps of a log-in: export the table as CSV or"
            " Excel"
        )
    if start.startswith(_ZIP) and ending != "xlsx":
        excel = "xl/workbook.xml" in _zipped(path)
        advice = "an Excel file: let its name end in .xlsx" if excel else "a zip: unpack it first"
        raise CannotInspect(f"{path.name} is {advice}")
    if start.startswith(_OLE):
        raise CannotInspect(_old_office(path, ending))


def _old_office(path: Path, ending: Format | None) -> str:
    if ending == "xlsx":
        return f"{path.name} is protected with a password: save a copy without one"
    return f"{path.name} is a file of an old Excel: save it as .xlsx or CSV"


def _agree(path: Path, start: bytes, ending: Format) -> None:
    name = path.name
    if ending == "csv" and start.startswith(_GZIP):
        raise CannotInspect(f"{name} is a gzip file: let its name end in .csv.gz")
    if ending == "csv.gz" and not start.startswith(_GZIP):
        raise CannotInspect(f"{name} is no gzip file: let its name end in .csv, or zip it again")
    if start.startswith(_PARQUET) != (ending == "parquet"):
        told = "is no Parquet file" if ending == "parquet" else "is a Parquet file"
        raise CannotInspect(f"{name} {told}: let its name say what it is")
    if ending == "xlsx" and "xl/workbook.xml" not in _zipped(path):
        raise CannotInspect(f"{name} is no Excel file: save it as .xlsx again")
    if ending == "jsonl" and start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        raise CannotInspect(f"{name} is one JSON array: write one object per line")


def _zipped(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return []
