"""Where a line's amount comes from: a column of line totals, or a quantity times a price."""

from dataclasses import dataclass, replace

from abintel_pipeline.inspecting.matching import Matches
from abintel_pipeline.inspecting.numbers import MARKS, MarksChosen, choose_marks, with_marks
from abintel_pipeline.inspecting.profiles import Column
from abintel_pipeline.inspecting.synonyms import PRICE_ALONE, WHOLE_ORDER, folded
from abintel_pipeline.inspecting.text_rows import TextRows
from abintel_pipeline.inspecting.wording import counted
from abintel_pipeline.intake.texts.ids import trimmed
from abintel_pipeline.intake.texts.numbers import pointed
from abintel_pipeline.settings import Settings
from abintel_pipeline.settings.source import product_of

NEARLY_ALL = 0.95
SOME_ORDERS = 5
"""Orders of several rows from which on it says something that they all have one amount."""


@dataclass(frozen=True)
class Amount:
    """`source` is what `amount` is mapped to; `why` says so in a sentence.

    `doubt` is a sentence on what a person should look at.
    """

    source: str | None
    columns: tuple[Column, ...]
    marks: MarksChosen
    why: str
    doubt: str | None = None


@dataclass(frozen=True)
class _Compared:
    """A total beside quantity times price: `differ` of `rows`; and orders with one total."""

    rows: int
    differ: int


def amount_of(rows: TextRows, matches: Matches, settings: Settings) -> Amount | None:
    """The amount of a line; None where no column can be it."""
    total, quantity, price = map(matches.column, ("amount", "quantity", "unit_price"))
    if quantity and price and total:
        return _total_or_product(rows, matches, settings, (total, quantity, price))
    if quantity and price:
        return _product(quantity, price, "there is no column of line totals")
    if total:
        return _total(rows, matches, settings, total)
    if price and folded(price.name) in {folded(name) for name in PRICE_ALONE}:
        why = f"{price.name!r} is the only price, and there is no quantity: a row for each piece"
        return Amount(price.name, (price,), _marks(price), why)
    return None


def _product(quantity: Column, price: Column, why: str, doubt: str | None = None) -> Amount:
    source = f"{quantity.name} * {price.name}"
    return Amount(source, (quantity, price), _marks(quantity, price), why, doubt)


def _total(rows: TextRows, matches: Matches, settings: Settings, total: Column) -> Amount:
    noise = total.numbers.noise if total.numbers else 0
    why = f"{total.name!r} has float noise in {counted(noise, 'row')}: rounded" if noise else ""
    found = Amount(total.name, (total,), _marks(total), why)
    constant, several = _orders_of_one_total(rows, matches, settings, total)
    if several >= SOME_ORDERS and constant >= NEARLY_ALL * several:
        doubt = (
            f"{total.name!r} is the same in all rows of {constant:,} of {several:,} orders with"
            " several rows: if it is the whole order's, each order counts several times"
        )
        return replace(found, doubt=doubt)
    return found


def _total_or_product(
    rows: TextRows, matches: Matches, settings: Settings, three: tuple[Column, Column, Column]
) -> Amount:
    total, quantity, price = three
    compared = _compare(rows, settings, three)
    product = f"{quantity.name} * {price.name}"
    told = f"{product} is {total.name!r} in {compared.rows - compared.differ:,} of"
    told += f" {counted(compared.rows, 'row')}"
    if not compared.differ and total.numbers and total.numbers.noise:
        example = next((v for v in total.values if len(v.partition(".")[2]) > 8), "")
        such = f" such as {example}" if example else ""
        noisy = counted(total.numbers.noise, "row")
        why = f"{total.name!r} has float noise in {noisy}{such}; {told}, exact"
        return _product(quantity, price, why)
    if total.missing > quantity.missing or _is_the_orders(rows, matches, settings, total):
        return _product(quantity, price, f"{total.name!r} looks like the whole order's amount")
    doubt = None
    if compared.differ:
        doubt = f"{told}; perhaps {total.name!r} has discounts or taxes in it. Other: {product!r}"
    return Amount(total.name, (total,), _marks(total), f"{total.name!r} is a line's total", doubt)


def _is_the_orders(rows: TextRows, matches: Matches, settings: Settings, total: Column) -> bool:
    if folded(total.name) not in {folded(name) for name in WHOLE_ORDER}:
        return False
    constant, several = _orders_of_one_total(rows, matches, settings, total)
    return several > 0 and constant >= NEARLY_ALL * several


def _marks(*columns: Column) -> MarksChosen:
    return choose_marks([column.numbers for column in columns if column.numbers])


def _compare(rows: TextRows, settings: Settings, three: tuple[Column, Column, Column]) -> _Compared:
    marked = with_marks(settings, MARKS[_marks(*three).way])
    total, quantity, price = (
        f"TRY_CAST({pointed(rows.text(one.name), marked)} AS DOUBLE)" for one in three
    )
    off = f"abs({total} - {quantity} * {price}) > 0.006"
    found = rows.one(
        f"SELECT count(*) FILTER ({off} IS NOT NULL), count(*) FILTER ({off}) FROM {rows.table}"
    )
    return _Compared(*found)


def _orders_of_one_total(
    rows: TextRows, matches: Matches, settings: Settings, total: Column
) -> tuple[int, int]:
    """(orders whose rows all have one total, orders) among those with several rows."""
    order = matches.name("transaction_id")
    if order is None or order == total.name:
        return 0, 0
    marked = with_marks(settings, MARKS[_marks(total).way])
    found: tuple[int, int] = rows.one(
        "SELECT count(*) FILTER (totals = 1), count(*) FROM (SELECT count(*) AS lines,"
        f" count(DISTINCT {pointed(rows.text(total.name), marked)}) AS totals FROM {rows.table}"
        f" GROUP BY {trimmed(rows.text(order))}) WHERE lines > 1"
    )
    return found


def amount_that_is_set(source: str, matches: Matches) -> Amount | None:
    """The amount that the settings in force name; None where the file doesn't have it."""
    by_name = {folded(column.name): column for column in matches.columns}
    columns = [by_name.get(folded(name)) for name in product_of(source) or (source,)]
    found = tuple(column for column in columns if column and column.numbers)
    if not found or len(found) < len(columns):
        return None
    return Amount(source, found, _marks(*found), "")
