"""Names that columns of transactions and customers have in the exports of shops and ERP systems.

Each list is in the order of preference: Olist's `customer_id` is new for every order, its
`customer_unique_id` is the customer. Names are compared by their letters and digits alone.
"""

import re


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES: dict[str, tuple[str, ...]] = {
    "customer_id": _words(
        """customer_unique_id customer_id customerid customer_no customer_nr customer_number
        customer_code customer_key cust_id cust_no cust_num custid customer_user_id client_id
        client_no clientid client kunnr kunag kunrg kunwe
        kundennummer kundennr kunden_nr kundenid kunden_id kundnr
        kd_nr kdnr debitor debitorennummer debitoren_nr member_id household_key household_id
        user_id userid shopper_id buyer_id account_id account_no loyalty_id card_id sold_to soldto
        kunde customer customer_email buyer_email billing_email email e_mail mail id_customer
        id_client cliente codigo_cliente"""
    ),
    "transaction_id": _words(
        """transaction_id order_id orderid order_no order_nr order_number ordernumber invoice_no
        invoiceno invoice_nr invoice_number invoice_id invoice increment_id vbeln belegnummer
        belegnr beleg_nr beleg auftragsnummer auftragsnr auftrag_nr auftrag bestellnummer
        bestellnr bestell_nr bestellung rechnungsnummer rechnungsnr rechnung_nr rechnung bonnummer
        bonnr bon receipt_id receipt_no receipt_number receipt basket_id ticket_id ticket
        amazon_order_id document_no docnum transaktion transaction trans_id id_order order
        order_reference"""
    ),
    "date": _words(
        """date order_purchase_timestamp order_date orderdate invoice_date invoicedate
        transaction_date trans_date transactiondate purchase_date purchase_timestamp sale_date
        sales_date date_of_purchase fkdat audat belegdatum bestelldatum auftragsdatum
        rechnungsdatum kaufdatum buchungsdatum datum created_at date_created order_created
        created paid_at order_timestamp transaction_timestamp transaction_time timestamp
        transaction_timestamp budat erdat day tag date_add"""
    ),
    "amount": _words(
        """amount line_total linetotal line_amount row_total order_line_total item_total
        total_price totalprice line_revenue revenue sales_value net_amount net_sales netwr
        net_value nettobetrag nettoumsatz netto zeilenbetrag positionsbetrag positionswert
        gesamtpreis gesamtbetrag betrag umsatz bruttobetrag brutto sales total_amount tran_amount
        trans_amount transaction_amount purchase_amount payment_value turnover spend total_sales
        total value summe wert amt order_total grand_total total_paid subtotal"""
    ),
    "quantity": _words(
        """quantity qty qty_ordered lineitem_quantity item_quantity quantity_purchased
        order_quantity menge anzahl stueck stück stk units pieces fkimg kwmeng
        product_quantity"""
    ),
    "unit_price": _words(
        """unit_price unitprice lineitem_price item_price item_cost price_each price_per_unit
        unit_cost einzelpreis stueckpreis stückpreis vk_preis netpr price preis
        product_price"""
    ),
    "product_id": _words(
        """product_id productid stock_code stockcode sku item_sku lineitem_sku product_sku
        product_code productcode product_no article_id article_no article_number article
        artikelnummer artikelnr artikel_nr art_nr artnr artikel matnr material material_no ean gtin
        asin upc variant_id item_code item_no item_number product_reference item_id product
        produktnummer produkt item lineitem_name item_name product_name artikelbezeichnung
        bezeichnung product_category_name product_category category warengruppe
        description"""
    ),
    "line_id": _words(
        """line_id line_no line_number line_item_id order_item_id posnr position positionsnummer
        posten pos item_id"""
    ),
    "cancelled": _words(
        """cancelled canceled is_cancelled is_canceled cancelled_at canceled_at cancellation
        storniert storno stornodatum storniert_am stornokennzeichen fksto voided is_void void
        annulliert"""
    ),
    "status": _words(
        """status order_status financial_status payment_status state auftragsstatus bestellstatus
        belegstatus zahlungsstatus transaction_status"""
    ),
    "loyalty_score": ("loyalty_score", "loyaltyscore", "loyalty", "score", "treuewert"),
}

TOKENS: dict[str, tuple[str, ...]] = {
    "customer_id": ("customer", "kund", "client", "debitor", "shopper", "buyer", "member"),
    "transaction_id": ("order", "invoice", "receipt", "beleg", "auftrag", "bestell", "rechnung"),
    "date": ("date", "datum", "timestamp", "time"),
    "amount": ("amount", "total", "revenue", "betrag", "umsatz", "sales", "spend"),
    "product_id": ("product", "sku", "article", "artikel", "produkt", "item"),
    "loyalty_score": ("score",),
}
"""Parts of names, where no whole name is known. What they find is said to be unsure."""

PRICE_ALONE = ("price", "preis", "item_price", "unit_price", "einzelpreis", "stueckpreis")
"""Names of a line's amount where there is no quantity: a row for each piece."""

WHOLE_ORDER = ("order_total", "grand_total", "total", "total_paid", "subtotal", "payment_value")
"""Amounts that are an order's, not a line's, in many exports."""

CANCELLED_WORDS = frozenset(
    _words("""cancelled canceled storniert storno refunded returned retour failed voided void
    expired annulliert rejected abgelehnt declined fehlgeschlagen wc-cancelled wc-refunded wc-failed
    unavailable""")
)
"""Words of a status that say: this is no sale."""

STATUS_WORDS = CANCELLED_WORDS | frozenset(
    _words("""completed complete processing paid pending shipped delivered invoiced approved created
    open offen bezahlt versendet geliefert abgeschlossen erledigt on-hold holding closed fulfilled
    partially_refunded authorized wc-completed wc-processing wc-on-hold draft""")
)

GUESTS = _words(
    """0 -1 guest guests gast gäste anonymous anonym unknown unbekannt laufkunde laufkundschaft
    barverkauf walk-in walkin"""
)
"""Ids that many systems give to all who have none."""

SYSTEMS: dict[str, tuple[str, ...]] = {
    "Shopify orders": ("Name", "Email", "Lineitem quantity", "Lineitem price", "Created at"),
    "WooCommerce orders": ("Order Number", "Order Status", "Item Name", "Item Cost"),
    "Magento order items": ("increment_id", "sku", "qty_ordered", "row_total"),
    "SAP billing": ("VBELN", "KUNNR", "MATNR", "NETWR"),
    "Amazon orders": ("amazon-order-id", "purchase-date", "quantity", "item-price"),
    "Olist order items": ("order_id", "product_id", "price", "freight_value"),
    "Online Retail": ("StockCode", "Quantity", "InvoiceDate"),
}
"""Exports that are known by the columns that they have."""

OF_SYSTEM: dict[str, dict[str, str]] = {
    "Shopify orders": {"transaction_id": "Name", "customer_id": "Email", "date": "Created at"},
    # Amazon's price of an item is that of all its pieces.
    "Amazon orders": {"amount": "item-price"},
}
"""Columns that mean something in these exports alone."""


def folded(name: str) -> str:
    """A name's letters and digits.

    >>> folded("Kunden-Nr."), folded("Customer ID")
    ('kundennr', 'customerid')
    """
    return re.sub(r"[\W_]+", "", name.casefold())


def system_of(names: tuple[str, ...]) -> str | None:
    """The export that has these columns."""
    known = {folded(name) for name in names}
    return next((s for s, has in SYSTEMS.items() if {folded(n) for n in has} <= known), None)
