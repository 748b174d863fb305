"""Small exports of well-known shop and ERP systems, each with values that earn their place."""

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

GERMAN_ERP = """\
Kundennr.;Belegnr.;Belegdatum;Artikelnr.;Bezeichnung;Betrag
10001;R-1;24.12.2025;A-1;Tür;1.122,21
10001;R-1;24.12.2025;A-2;Schloss;122,21
10002;R-2;03.12.2025;A-1;Tür;1.122,21
10002;G-1;27.12.2025;A-1;Tür;-122,21
"""
"""1122.21 + 122.21 = 1244.42 of 10001; 1122.21 - 122.21 = 1000.00 of 10002."""

MARKETPLACE = """\
order_id,order_item_id,product_id,price,freight_value,customer_id,customer_unique_id,order_purchase_timestamp
o1,1,p1,21.63,10.00,c-o1,u1,2018-01-14 14:33:31
o1,2,p1,21.63,10.00,c-o1,u1,2018-01-14 14:33:31
o1,3,p1,21.63,10.00,c-o1,u1,2018-01-14 14:33:31
o2,1,p2,5.00,1.00,c-o2,u1,2018-01-15 09:00:00
o3,1,p2,5.00,1.00,c-o3,u2,2018-01-15 10:00:00
"""
"""A row per piece: u1 bought 3 x 21.63 + 5.00 = 69.89 in two orders, u2 5.00."""

R_EXPORT = """\
"","customer","invoice","date","sales","product"
"1","A","T1",2025-03-04,10,"P1"
"2",NA,"T2",2025-03-04,7.5,"P1"
"3","B","T3",2025-03-05,20,"P2"
"4",NA,"T4",2025-03-05,2.5,"P2"
"""
"""write.csv: row names without a column name, and NA for two customers with 10.00 together."""

SHOPIFY = """\
Name,Email,Financial Status,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price,\
Lineitem sku,Cancelled at
#1001,ann@example.com,paid,45.00,2024-03-04 10:00:00 +0100,2,Mug,10.00,MUG,
#1001,ann@example.com,,,2024-03-04 10:00:00 +0100,1,Pot,25.00,POT,
#1002,bob@example.com,refunded,10.00,2024-03-05 00:30:00 +0100,1,Mug,10.00,MUG,\
2024-03-05 12:00:00 +0100
#1003,eve@example.com,paid,20.00,2024-03-05 11:00:00 +0100,2,Mug,10.00,MUG,
"""
"""45.00 of ann and 20.00 of eve; bob's order is cancelled, and its day in UTC is the one before."""

WOOCOMMERCE = """\
Order Number,Order Status,Order Date,Customer User ID,Billing Email,SKU,Item Name,\
Quantity,Item Cost,Order Line Total
501,completed,2024-05-13 09:10,0,a@example.com,S1,Soap,3,2.50,7.50
501,completed,2024-05-13 09:10,0,a@example.com,S2,Oil,1,9.00,9.00
502,cancelled,2024-05-14 10:00,7,b@example.com,S1,Soap,2,2.50,5.00
503,processing,2024-05-14 11:00,8,c@example.com,S2,Oil,1,9.00,9.00
"""

SAP = """\
VBELN|POSNR|FKDAT|KUNNR|MATNR|FKIMG|NETWR
0090000001|000010|20251201|0000100001|MAT-1|2|199.80
0090000001|000020|20251201|0000100001|MAT-1|1|99.90
0090000002|000010|20251202|0000100002|MAT-2|1|15.00
0090000003|000010|20251203|0000100002|MAT-2|1|15.00-
"""
"""A minus behind the number: 299.70 of 100001, and 0.00 of 100002."""

AMAZON = """\
amazon-order-id\tpurchase-date\torder-status\tsku\tquantity\titem-price\tbuyer-email
11\t2024-03-04T10:00:00+00:00\tShipped\tS1\t2\t20.00\tann@example.com
12\t2024-03-04T11:00:00+00:00\tShipped\tS1\t1\t10.00\tbob@example.com
"""
"""The price of an item is that of all its pieces: 20.00 of ann, not 40.00."""

THREE_COLUMNS = """\
customer_id,trans_date,tran_amount
CS5295,13-Feb-13,35
CS4768,15-Mar-15,39
CS5295,26-Feb-13,52
"""
"""The retail data of Kaggle: 87 of CS5295 on two days."""


def write_xlsx(path: Path, rows: list[list[str | float]], sheet: str = "Orders") -> None:
    """A workbook with one sheet, by hand: texts are inline, numbers are numbers."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = 'xmlns="http://schemas.openxmlformats.org/package/2006/{}"'
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml.{}+xml"
    files = {
        "[Content_Types].xml": f"<Types {package.format('content-types')}>"
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{types.format("sheet.main")}"/>'
        f'<Override PartName="/xl/sheet.xml" ContentType="{types.format("worksheet")}"/></Types>',
        "_rels/.rels": f"<Relationships {package.format('relationships')}>"
        f'<Relationship Id="r1" Type="{relations}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>",
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{relations}"><sheets>'
        f'<sheet name="{sheet}" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f"<Relationships {package.format('relationships')}>"
        f'<Relationship Id="r1" Type="{relations}/worksheet" Target="sheet.xml"/></Relationships>',
        "xl/sheet.xml": f"<worksheet {main}><sheetData>{_rows(rows)}</sheetData></worksheet>",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')


def _rows(rows: list[list[str | float]]) -> str:
    found = []
    for n, row in enumerate(rows, 1):
        cells = "".join(_cell(cell, f"{chr(65 + c)}{n}") for c, cell in enumerate(row))
        found.append(f'<row r="{n}">{cells}</row>')
    return "".join(found)


def _cell(value: str | float, place: str) -> str:
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


SAP_INVOICES = (
    "VBELN\tPOSNR\tFKDAT\tKUNAG\tMATNR\tFKIMG\tNETWR\tWAERK\tFKSTO\r\n"
    "90000001\t000010\t31.10.2026\t0000123456\tM-100\t2,000\t1.249,80\tEUR\t\r\n"
    "90000001\t000020\t31.10.2026\t0000123456\tM-200\t1,000\t99,00\tEUR\t\r\n"
    "90000002\t000010\t02.11.2026\t0000123457\tM-100\t1,000\t624,90-\tEUR\t\r\n"
    "90000003\t000010\t03.11.2026\t0000123457\tM-300\t5,000\t12,50\tEUR\tX\r\n"
    "90000004\t000010\t03.11.2026\t0000123457\tGr\u00f6-1\t5,000\t112,50\tEUR\t\r\n"
)
"""1,348.80 of 123456; of 123457 112.50 less 624.90, and 12.50 that was cancelled."""
