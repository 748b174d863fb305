"""Files that are no text at all, by their first bytes: a name that ends in .csv makes no CSV."""

import re

_ZIP = b"PK\x03\x04"
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|table|\?xml)", re.IGNORECASE)
_BEGINNINGS = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "is an old Excel file, or one with a password: save it as"
    " .xlsx without a password, or export it as CSV",
    b"\x1f\x8b": "is gzipped: let its name end in .csv.gz",
    b"PAR1": "is a Parquet file: let its name end in .parquet",
    b"%PDF": "is a PDF: export the table as CSV",
}


def other_format(start: bytes) -> str | None:
    """What a file is and what to do, told by how it begins; None: it may well be text."""
    if start.startswith(_ZIP):
        if b"[Content_Types].xml" in start or b"xl/" in start:
            return "is an Excel file: let its name end in .xlsx, or export it as CSV"
        return "is a zip file: unpack it, and deliver what is in it"
    if _HTML.match(start):
        return "is a web page or XML (an error page of the export?): export the table as CSV"
    return next((told for magic, told in _BEGINNINGS.items() if start.startswith(magic)), None)
