r"""What a CSV record is made of, as regular expressions on bytes.

A record has fields, as many as the header, parted by the delimiter and ended by LF, CRLF or CR. A
field is `"…"` with its quotes doubled, or free of line ends; a quote inside a field that doesn't
begin with one (`5" nail`) is a character like any other. A record whose fields are all empty is no
row.

What is no record still has an end. A quote that is closed (its closing quote is the last character
of the field) belongs to its record, with the line ends inside it; a quote that never is, is read to
the end of its line alone. Spark and MySQL write `\"` for a quote: where a record reads well in that
way, its end is that of this reading.

Nothing backtracks: linear time. Repeated groups are atomic, `(?>(?:…)*)`, and not possessive,
`(?:…)*+`: Python before 3.11.5 doesn't step back from a possessive group's last, failed round
(gh-106052), and a record would begin a byte late.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

LINE_END = rb"(?:\r\n|\n|\r)"
_INSIDE = rb'"[^"]*+(?>(?:""[^"]*+)*)"'
_ESCAPED = rb'"[^"\\]*+(?>(?:\\[\s\S][^"\\]*+)*)"'
_OPEN = rb'"[^"]*+(?>(?:""[^"]*+)*)\Z'
_NEVER = rb"(?!)"
Pattern = re.Pattern[bytes]


@dataclass(frozen=True)
class Grammar:
    """Records of so many fields parted by this delimiter.

    `run` is any number of strict records none of which could be empty, `record` a strict record,
    `loose` one with quotes inside fields that don't begin with one, `empty` one without a value,
    `whole` a record of any number of fields, and `rest` what follows a field of it. `escaped` is a
    record in which `\\"` stands for a quote, `escaped_whole` likewise of any number of fields.
    `unended` are the fields before one whose quote is not closed within the text.
    """

    fields: int
    delimiter: bytes
    run: Pattern
    record: Pattern
    loose: Pattern
    field: Pattern
    empty: Pattern
    whole: Pattern
    rest: Pattern
    escaped: Pattern
    escaped_whole: Pattern
    unended: Pattern

    def split(self, record: bytes) -> list[bytes]:
        """The fields of one record, without its line end."""
        values = []
        for found in self.field.finditer(record):
            quoted, free = found.groups()
            values.append(free if quoted is None else quoted.replace(b'""', b'"'))
            if len(values) == self.fields:
                break
        return values

    def join(self, fields: list[bytes]) -> bytes:
        """Fields as one strictly quoted record, ended by LF."""
        return self.delimiter.join(b'"' + f.replace(b'"', b'""') + b'"' for f in fields) + b"\n"


@lru_cache
def grammar(fields: int, delimiter: str) -> Grammar:
    """The grammar of a file's records, from its header."""
    mark = delimiter.encode()
    d = re.escape(mark)
    space = rb"[" + b" \t".replace(mark, b"") + rb"]*+"
    anything = rb"[^" + d + rb"\r\n]*+"
    strict = rb"(?:" + _INSIDE + rb'|[^"' + d + rb"\r\n]*+)"
    free = space + rb'(?!")' + anything
    loose = rb"(?:" + _INSIDE + rb"|" + free + rb")"
    blank = rb"(?:" + space + rb'(?:"[ \t]*+")?' + space + rb")"
    escaped = rb"(?:" + (_NEVER if mark == b"\\" else _ESCAPED) + rb"|" + free + rb")"
    part = _part(space, anything, d, mark)
    record = _repeated(strict, d, fields) + LINE_END
    unsure = rb'(?!["' + d + rb" \t]*+[\r\n])"
    return Grammar(
        fields,
        mark,
        run=re.compile(rb"(?>(?:" + unsure + record + rb")*)"),
        record=re.compile(record),
        loose=re.compile(_repeated(loose, d, fields) + LINE_END),
        field=re.compile(
            rb'(?:"([^"]*+(?>(?:""[^"]*+)*))"|(' + free + rb"))(?:" + d + rb"|\r\n|\n|\r|\Z)"
        ),
        empty=re.compile(_repeated(blank, d) + LINE_END),
        whole=re.compile(_repeated(part, d) + LINE_END),
        rest=re.compile(anything + rb"(?>(?:" + d + part + rb")*)" + LINE_END),
        escaped=re.compile(_repeated(escaped, d, fields) + LINE_END),
        escaped_whole=re.compile(_repeated(escaped, d) + LINE_END),
        unended=re.compile(
            rb"(?>(?:(?!" + space + _OPEN + rb")" + part + d + rb")*)(?=" + space + _OPEN + rb")"
        ),
    )


def _repeated(field: bytes, delimiter: bytes, times: int | None = None) -> bytes:
    """Fields parted by the delimiter: so many, or any number."""
    more = b"*" if times is None else b"{%d}" % (times - 1)
    return field + rb"(?>(?:" + delimiter + field + rb")" + more + rb")"


def _part(space: bytes, anything: bytes, d: bytes, mark: bytes) -> bytes:
    """A field of a record that is no row: closed quotes with all they hold, else up to its end."""
    closed = rb"(?=" + d + rb"|[\r\n])"
    kinds = [space + _INSIDE + space + closed]
    if mark != b"\\":
        kinds.append(space + _ESCAPED + space + closed)
    return rb"(?:" + rb"|".join([*kinds, anything]) + rb")"
