"""The rows as intake types them under proposed settings: a temporary table that checks ask."""

from abintel_pipeline.engine.sql import Names
from abintel_pipeline.inspecting.dates import read_dates
from abintel_pipeline.inspecting.text_rows import TextRows
from abintel_pipeline.intake.request_tables import TRANSACTIONS, SourceColumns
from abintel_pipeline.intake.texts.ids import CHANGED, id_typed
from abintel_pipeline.intake.texts.numbers import amount_typed, offer_products
from abintel_pipeline.settings import Settings

TYPED = "typed_rows"


def make_typed_table(rows: TextRows, settings: Settings) -> None:
    """Its columns: customer (as written, and as id), order, day, product, line, amount.

    A column that the source doesn't have is null, and so is a value that intake would reject.
    """
    offer_products(rows.connection)
    rows.connection.execute(f"CREATE OR REPLACE TEMP SEQUENCE {CHANGED}")
    netted = settings.model_copy(update={"returns": "net"})
    columns = SourceColumns(TRANSACTIONS, netted)
    texts = {one.name: _text(rows, one.source) for one in columns.wanted}
    factor = texts.get("amount_by") if columns.factors else None
    whole = ", ".join(f"c{n}" for n in range(len(rows.names)))
    names = Names()
    rows.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {TYPED} AS SELECT"
        f" {texts['customer_id']} AS customer_text,"
        f" {id_typed(texts['customer_id'], netted, names)} AS customer,"
        f" {id_typed(texts['transaction_id'], netted, names)} AS order_id,"
        f" {read_dates(texts['date'], netted)} AS day,"
        f" {id_typed(texts['product_id'], netted, names)} AS product,"
        f" {id_typed(texts['line_id'], netted, names)} AS line,"
        f" {amount_typed(texts['amount'], netted, names, factor)} AS amount,"
        f" hash({whole}) AS whole"
        f" FROM ({names.below(rows.table)})"
    )


def _text(rows: TextRows, source: str | None) -> str:
    if source is None:
        return "NULL::VARCHAR"
    exact = source if source in rows.names else None
    folded = {name.casefold(): name for name in rows.names}
    found = exact or folded.get(source.strip().casefold())
    return rows.text(found) if found else "NULL::VARCHAR"
