"""Excel workbooks, written by hand: no library stands between a cell and what is expected of it."""

import io
import zipfile
from xml.sax.saxutils import escape

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
Cell = str
Row = tuple[int, list[Cell]]


def text(value: str) -> Cell:
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


def number(value: str) -> Cell:
    return f"<c><v>{value}</v></c>"


def dated(serial: str) -> Cell:
    """A cell that is formatted as a day: days since 1899-12-30."""
    return f'<c s="1"><v>{serial}</v></c>'


def boolean(value: bool) -> Cell:
    return f'<c t="b"><v>{int(value)}</v></c>'


def error(value: str = "#N/A") -> Cell:
    return f'<c t="e"><v>{value}</v></c>'


def empty() -> Cell:
    return "<c/>"


def workbook(*sheets: list[Row]) -> bytes:
    """A workbook of sheets, each with its rows as (number in Excel, cells)."""
    names = [f"S{n}" for n in range(1, len(sheets) + 1)]
    parts = {
        "[Content_Types].xml": _content_types(names),
        "_rels/.rels": _relations([("officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_RELATIONS}"><sheets>'
        + "".join(
            f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>'
            for n, name in enumerate(names, start=1)
        )
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations(
            [*[("worksheet", f"worksheets/{name}.xml") for name in names], ("styles", "styles.xml")]
        ),
        "xl/styles.xml": f'<styleSheet {_MAIN}><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>',
    }
    for name, rows in zip(names, sheets, strict=True):
        parts[f"xl/worksheets/{name}.xml"] = _sheet(rows)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{content}')
    return file.getvalue()


def _sheet(rows: list[Row]) -> str:
    lines = []
    for row, cells in rows:
        placed = (
            cell.replace("<c", f'<c r="{chr(ord("A") + column)}{row}"', 1)
            for column, cell in enumerate(cells)
        )
        lines.append(f'<row r="{row}">{"".join(placed)}</row>')
    return f"<worksheet {_MAIN}><sheetData>{''.join(lines)}</sheetData></worksheet>"


def _content_types(names: list[str]) -> str:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    sheets = "".join(
        f'<Override PartName="/xl/worksheets/{name}.xml" ContentType="{kind}.worksheet+xml"/>'
        for name in names
    )
    return (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>{sheets}'
        f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/></Types>'
    )


def _relations(targets: list[tuple[str, str]]) -> str:
    inner = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{inner}</Relationships>'
