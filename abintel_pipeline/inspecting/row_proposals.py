"""What becomes of rows: returns, guests, cancelled orders, copies. From what the checks found."""

import re

from abintel_pipeline.inspecting.checks import Checks, Rows
from abintel_pipeline.inspecting.matching import Matches, status_words
from abintel_pipeline.inspecting.profiles import Column
from abintel_pipeline.inspecting.proposals import Proposal
from abintel_pipeline.inspecting.synonyms import CANCELLED_WORDS as CANCELLED_STATUS
from abintel_pipeline.inspecting.text_rows import TextRows
from abintel_pipeline.inspecting.wording import counted, money
from abintel_pipeline.intake.texts.ids import trimmed
from abintel_pipeline.settings import Settings
from abintel_pipeline.settings.source import ANY_WORD, CANCELLED_WORDS

_YES, _NO = {"ja", "j", "y", "x", "t", "s", "wahr"}, {"nein", "n", "f", "-", "falsch"}
_A_MOMENT = re.compile(r"(_at|\bat|am|datum|date|on)$", re.IGNORECASE)


def propose_cancelled(proposal: Proposal, matches: Matches) -> None:
    """The column that says whether a line was taken back, and what its words mean."""
    column = matches.column("cancelled")
    if column is None:
        return
    words = _words_of(column)
    if words is None:
        told = ", ".join(
            f"{value!r} ({counted(rows, 'row')})" for value, rows in column.values.items()
        )
        proposal.notes.append(f"{column.name!r} may say what was cancelled: {told}")
        options = dict.fromkeys(column.values, "?") | {"": False}
        proposal.choose(
            f"{column.name!r}: write true or false for each word, and add"
            f' "cancelled": "{column.name}" to the mapping',
            ("cancelled_words", options),
        )
        return
    if column.name.strip().casefold() != "cancelled":
        mapping = proposal.values.get(proposal.mapping_setting, {})
        proposal.values[proposal.mapping_setting] = {**mapping, "cancelled": column.name}
    if words != CANCELLED_WORDS:
        proposal.set("cancelled_words", words)


def _words_of(column: Column) -> dict[str, bool] | None:
    """What the words of a column mean; None where that isn't plain."""
    found = {value.casefold() for value in column.values}
    known = {word for word in CANCELLED_WORDS if word}
    if found <= known and (found or not _A_MOMENT.search(column.name)):
        return CANCELLED_WORDS
    if column.is_date or (not found and _A_MOMENT.search(column.name)):
        return {"": False, ANY_WORD: True}
    meant = dict.fromkeys(found & (_YES | _true()), True)
    meant |= dict.fromkeys(found & (_NO | known - _true()), False)
    if found == set(meant):
        return meant | {"": False}
    if len(found) == 1 and column.missing:
        return {"": False, ANY_WORD: True}
    return None


def _true() -> set[str]:
    return {word for word, value in CANCELLED_WORDS.items() if value}


def note_half_filled_orders(proposal: Proposal, rows: TextRows, matches: Matches) -> None:
    """Exports that fill a column in the first row of an order alone."""
    order, column = matches.name("transaction_id"), matches.name("cancelled")
    if order is None or column is None:
        return
    empty = f"({rows.text(column)} IS NULL OR {trimmed(rows.text(column))} = '')"
    (orders,) = rows.one(
        f"SELECT count(*) FROM (SELECT 1 FROM {rows.table} WHERE {rows.text(order)} IS NOT NULL"
        f" GROUP BY {rows.text(order)} HAVING bool_or({empty}) AND NOT bool_and({empty}))"
    )
    if orders:
        proposal.notes.append(
            f"orders in which only some rows have a {column!r}: {orders:,}; their other rows still"
            " count: fill it in every row before you deliver"
        )


def propose_status(proposal: Proposal, matches: Matches) -> None:
    """A column with few values that say what became of an order: a choice, never a default."""
    column = matches.column("status")
    if column is None or "keep_rows" in proposal.given:
        return
    told = ", ".join(f"{value} {rows:,}" for value, rows in column.values.items())
    empty = f", nothing {column.missing:,}" if column.missing else ""
    proposal.notes.append(f"{column.name!r} says what became of an order: {told}{empty}")
    kept = [value for value in column.values if value.casefold() not in CANCELLED_STATUS]
    if column.missing:
        kept.append("")
    proposal.choose(
        f"only some values of {column.name!r} count? Other rows are left out",
        ("keep_rows", {column.name: kept}),
    )
    gone = [v for v in status_words(column) if v.casefold() in CANCELLED_STATUS]
    if gone and matches.column("cancelled") is None:
        words: dict[str, bool] = dict.fromkeys(sorted(gone), True)
        mapping = proposal.values.get(proposal.mapping_setting, {})
        proposal.choose(
            "or take such orders back, so that a later delivery can cancel an order that counted",
            (proposal.mapping_setting, {**mapping, "cancelled": column.name}),
            ("cancelled_words", words | {ANY_WORD: False, "": False}),
        )


def propose_rows(proposal: Proposal, checks: Checks, settings: Settings, total: int) -> None:
    """Returns, rows without a customer, copies, and ids that look alike."""
    if checks.returns.rows:
        proposal.set("returns", "net")
        told = _shared(checks.returns, total)
        proposal.notes.append(f"rows below zero: {told}; returns, netted against the spend")
    if checks.nobody.rows:
        proposal.set("nobody_ids", [""])
        told = _shared(checks.nobody, total)
        proposal.notes.append(f"rows without a customer: {told}; left out, with that money")
    _note_copies(proposal, checks, settings, total)
    _note_alike(proposal, checks)
    _note_guests(proposal, checks, settings)
    if checks.early:
        told = f"rows with a date before {settings.earliest_date}: {checks.early:,}; rejected"
        proposal.notes.append(told)
    if checks.future:
        proposal.notes.append(f"rows with a date in the future: {checks.future:,}; rejected")


def _note_copies(proposal: Proposal, checks: Checks, settings: Settings, total: int) -> None:
    if checks.repeated.rows:
        told = _shared(checks.repeated, total)
        proposal.notes.append(
            f"rows at a position (customer, order, date, product) that an earlier row has: {told};"
            " they are added up"
        )
    if checks.copies.rows:
        told = _shared(checks.copies, total)
        proposal.notes.append(
            f"rows that copy an earlier row exactly: {told}; pieces of one product, or an export"
            " that was written twice"
        )
    if checks.copied_rows_share > settings.warn_repeated_share:
        proposal.choose("written twice? Then copies are rejected", ("repeated_lines", "refuse"))


def _shared(found: Rows, total: int) -> str:
    return f"{found.rows:,} ({found.rows / total:.1%}), {money(found.money)} of money"


def _note_alike(proposal: Proposal, checks: Checks) -> None:
    for pair in checks.alike:
        told = "one customer" if pair.same else "two customers"
        proposal.notes.append(f"customers {pair.one!r} and {pair.other!r} look alike: {told}")
    if checks.alike_pairs > len(checks.alike):
        proposal.notes.append(f"… and {checks.alike_pairs - len(checks.alike):,} more such pairs")


def _note_guests(proposal: Proposal, checks: Checks, settings: Settings) -> None:
    """Customers that may be all who have no id of their own: by their id, or by their orders."""
    nobody = [*proposal.values.get("nobody_ids", ())]
    if "nobody_ids" in proposal.given:
        return
    for customer, rows in checks.guests.items():
        told = f"{counted(rows.rows, 'row')}, {money(rows.money)} of money"
        proposal.notes.append(f"customer {customer!r}: {told}; guests, perhaps")
    if checks.guests:
        proposal.choose("guests? Then", ("nobody_ids", [*nobody, *checks.guests]))
    if not checks.largest or checks.largest[0] in checks.guests:
        return
    customer, orders, share = checks.largest
    if share > settings.warn_customer_share:
        told = f"{share:.0%} of all orders ({orders:,})"
        proposal.notes.append(f"customer {customer!r} has {told}: guests, perhaps")
        proposal.choose(f"{customer!r} is no customer? Then", ("nobody_ids", [*nobody, customer]))


def line_number(proposal: Proposal, checks: Checks, matches: Matches) -> None:
    """The line's own number, where each stands once in its order."""
    name = matches.name("line_id")
    if name is None:
        return
    mapping = proposal.values.get(proposal.mapping_setting, {})
    if not checks.lines_are_numbered:
        mapping.pop("line_id", None)
        if name.strip().casefold() == "line_id":
            mapping["line_id"] = None
        proposal.notes.append(f"{name!r} is no number of its own in an order: it isn't used")
    if mapping:
        proposal.values[proposal.mapping_setting] = mapping
    else:
        proposal.values.pop(proposal.mapping_setting, None)
