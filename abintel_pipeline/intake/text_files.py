"""Text files in any encoding, as UTF-8; and files that are no text at all.

What can't be decoded becomes something that is not UTF-8 either: `\\xff81` for the byte 0x81 of a
cp1252 file. So the readers reject exactly the line that it stands in.
"""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.landing import Source
from abintel_pipeline.intake.staging import Reading

UTF8 = "UTF-8"
BOM = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_BLOCK = 1 << 20
_MARKED = "abintel_marked"
_MARK = re.compile(rb"\xff([0-9a-f]{2})")
_ASCII = bytes(range(128))
_ZIP = b"PK\x03\x04"
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|table|\?xml)", re.IGNORECASE)
_BEGINNINGS = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "is an old Excel file, or one with a password: save it as"
    " .xlsx without a password, or export it as CSV",
    b"\x1f\x8b": "is gzipped: let its name end in .csv.gz",
    b"PAR1": "is a Parquet file: let its name end in .parquet",
    b"%PDF": "is a PDF: export the table as CSV",
}


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def told(encoding: str) -> str:
    """What an encoding is called where a line is rejected for it."""
    return UTF8 if encoding in ("utf-8", "utf-8-sig") else encoding


def is_utf8(text: str | bytes) -> bool:
    r"""Whether bytes are UTF-8, or a text can be: half a character, as JSON's `\ud800`, can't.

    >>> is_utf8("\u00e9".encode("latin-1")), is_utf8("\ud800"), is_utf8("\u00e9")
    (False, False, True)
    """
    if text.isascii():
        return True
    try:
        text.decode() if isinstance(text, bytes) else text.encode()
    except UnicodeError:
        return False
    return True


def as_utf8(reading: Reading, source: Source) -> Path:
    """A text file as plain UTF-8: the file itself, or a copy in the staging folder.

    Raises DeliveryError when gzip is torn.
    """
    zipped = source.path.suffix.lower() == ".gz"
    encoding = reading.settings.encoding
    if not zipped and told(encoding) == UTF8:
        return source.path
    path = reading.new_path(".csv")
    try:
        with (
            gzip.open(source.path) if zipped else source.path.open("rb") as file,
            path.open("wb") as target,
        ):
            for block in _decoded(file, source.name, encoding):
                target.write(block)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DeliveryError(
            f"{source.name}: the gzip file is torn ({error}): deliver it again"
        ) from None
    return path


def shown(data: bytes, encoding: str) -> str:
    r"""Bytes of a rejected line as text, what could not be decoded as `\x81`."""
    known = data if encoding == UTF8 else _MARK.sub(rb"\\x\1", data)
    return known.decode(errors="backslashreplace")


def fitting(data: bytes) -> str:
    """An encoding in which bytes that are not UTF-8 can be read: Windows' own, or one of any byte.

    >>> fitting("Größe".encode("latin-1")), fitting(bytes([0x81]))
    ('cp1252', 'latin-1')
    """
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def other_format(start: bytes) -> str | None:
    """What a file is and what to do, told by how it begins; None: it may well be text.

    A name that ends in .csv makes no CSV.
    """
    if start.startswith(_ZIP):
        if b"[Content_Types].xml" in start or b"xl/" in start:
            return "is an Excel file: let its name end in .xlsx, or export it as CSV"
        return "is a zip file: unpack it, and deliver what is in it"
    if _HTML.match(start):
        return "is a web page or XML (an error page of the export?): export the table as CSV"
    return next((says for magic, says in _BEGINNINGS.items() if start.startswith(magic)), None)


def _decoded(file: _Readable, name: str, encoding: str) -> Iterator[bytes]:
    """A file's content in UTF-8, block by block. Plain ASCII passes as it is, where it may."""
    start = file.read(_BLOCK)
    if told(encoding) == UTF8:
        while start:
            yield start
            start = file.read(_BLOCK)
        return
    if start.startswith(BOM):
        raise DeliveryError(
            f"{name}: begins with the mark of UTF-8, and ABINTEL_ENCODING is {encoding}: unset it,"
            " or deliver the file in that encoding"
        )
    decoder = codecs.getincrementaldecoder(encoding)(_MARKED)
    clean = decoder.getstate() if _keeps_ascii(encoding) else None
    block = start
    while block:
        plain = block.isascii() and decoder.getstate() == clean
        yield block if plain else decoder.decode(block).encode("utf-8", _MARKED)
        block = file.read(_BLOCK)
    yield decoder.decode(b"", True).encode("utf-8", _MARKED)


def _keeps_ascii(encoding: str) -> bool:
    try:
        return _ASCII.decode(encoding) == _ASCII.decode("ascii")
    except UnicodeError:
        return False


def _marked(error: Any) -> tuple[str | bytes, int]:
    """Error handler of both ways: bytes pass through text as surrogates, and come out marked."""
    wrong = error.object[error.start : error.end]
    if isinstance(error, UnicodeDecodeError):
        return "".join(chr(0xDC00 + byte) for byte in wrong), error.end
    return b"".join(b"\xff%02x" % (ord(one) & 0xFF) for one in wrong), error.end


codecs.register_error(_MARKED, _marked)
