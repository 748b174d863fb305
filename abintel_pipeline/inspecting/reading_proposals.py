"""Which settings say how a file is read: its letters, its columns, its numbers and dates."""

import re
from collections.abc import Sequence
from typing import Any

from abintel_pipeline.inspecting.amounts import Amount
from abintel_pipeline.inspecting.csv_layout import CsvLayout
from abintel_pipeline.inspecting.encodings import Encoding
from abintel_pipeline.inspecting.matching import Match, Matches
from abintel_pipeline.inspecting.numbers import MARKS, MarksChosen
from abintel_pipeline.inspecting.profiles import Column
from abintel_pipeline.inspecting.proposals import Proposal
from abintel_pipeline.inspecting.wording import counted
from abintel_pipeline.settings.source import ISO_DATES

NEEDED = {"customers": ("customer_id",), "transactions": ("customer_id", "date", "amount")}
MAPPED = {
    "customers": ("customer_id", "loyalty_score"),
    "transactions": ("customer_id", "transaction_id", "date", "amount", "product_id"),
}
WITHOUT = {
    "transaction_id": "no column has the order's number: each row is an order of its own",
    "product_id": "no column has the product: how many products a customer buys isn't told",
}
ROLE_TOLD = {
    "customer_id": "the customer",
    "transaction_id": "the order's number",
    "date": "the day of the order",
    "amount": "the amount of a row",
    "product_id": "the product",
    "loyalty_score": "the loyalty score",
}


def propose_file(proposal: Proposal, layout: CsvLayout | None, encoding: Encoding | None) -> None:
    """How the bytes become rows: encoding and delimiter."""
    if encoding and encoding.name != "utf-8":
        proposal.set("encoding", encoding.name)
    if encoding and encoding.mixed:
        proposal.notes.append(
            f"{counted(encoding.not_utf8, 'line')} not in UTF-8 (the first is line"
            f" {encoding.first_not_utf8}), {counted(encoding.utf8, 'line')} in it: no one encoding"
            " reads them all"
        )
    if layout is None:
        return
    if layout.delimiter not in ",\t":  # a tab is found by itself, and pasted as blanks
        proposal.set("csv_delimiter", layout.delimiter)
    if len(layout.names) == 1:
        proposal.decide("it has one column only: separate the fields by , or ; or | or tabs")
    if layout.header_is_data:
        proposal.decide(
            "the first line holds values, not names: add a line with the columns' names"
        )
    if layout.title_lines:
        proposal.decide(
            f"the header is line {layout.header_line}: delete the"
            f" {layout.header_line - 1} lines above it"
        )


def propose_columns(proposal: Proposal, matches: Matches, amount: Amount | None) -> None:
    """The mapping of columns; what is missing or unsure is a decision."""
    mapping: dict[str, str | None] = {}
    missing: list[Match] = []
    for role in MAPPED[proposal.table]:
        match = matches.roles.get(role, Match(role))
        source = _source(match, amount)
        if source is None:
            missing.append(match)
        elif not folded_alike(source, role):
            mapping[role] = source
        if source and match.by != "name" and role != "amount":
            proposal.notes.append(f"{source!r} is taken for {ROLE_TOLD[role]} by {match.by}")
    for match in missing:
        _without(proposal, match, mapping)
    line = matches.column("line_id")
    if line and not folded_alike(line.name, "line_id"):
        mapping["line_id"] = line.name
    mapping |= proposal.given.get(proposal.mapping_setting, {})
    if mapping:
        proposal.values[proposal.mapping_setting] = mapping


def _source(match: Match, amount: Amount | None) -> str | None:
    if match.role == "amount":
        return amount.source if amount else None
    return match.column.name if match.column else None


def folded_alike(source: str, role: str) -> bool:
    """Whether a source's name is found under the contract's, as intake looks for it."""
    return source.strip().casefold() == role


def _without(proposal: Proposal, match: Match, mapping: dict[str, str | None]) -> None:
    """A role without a column: null where that is allowed and nothing else could be it."""
    if match.candidates:
        told = f"{ROLE_TOLD[match.role]}: choose one of {', '.join(map(repr, match.candidates))}"
        proposal.decide(told)
        options = [
            (proposal.mapping_setting, {**mapping, match.role: name}) for name in match.candidates
        ]
        proposal.choose(told, *options)
    elif match.role in NEEDED[proposal.table]:
        proposal.decide(_missing(match))
    elif match.role in WITHOUT:
        mapping[match.role] = None
        proposal.notes.append(WITHOUT[match.role])
    elif proposal.table == "customers":
        proposal.decide(_missing(match))


def _missing(match: Match) -> str:
    told = f"no column looks like {ROLE_TOLD[match.role]} ({match.role})"
    if match.unfit is None:
        return told
    example = match.unfit.example
    hint = ""
    if match.role == "date" and re.fullmatch(r"\d{10}|\d{13}", example):
        hint = " (seconds since 1970? Export them as 2025-12-24)"
    if match.role == "date" and re.fullmatch(r"[34]\d{4}(\.\d+)?", example):
        hint = " (Excel's day numbers? Format the column as a date)"
    if match.role in ("amount", "loyalty_score") and re.search(r"[€$£]|[A-Z]{3}", example):
        hint = " (export numbers without a currency)"
    return f"{told}: {match.unfit.name!r} has values such as {example!r}{hint}"


def propose_marks(proposal: Proposal, columns: Sequence[Column], marks: MarksChosen) -> None:
    """The marks of the numbers in some columns."""
    if marks.others and "decimal_mark" not in proposal.given:
        names = " and ".join(repr(column.name) for column in columns)
        proposal.decide(
            f"{names} can be read in several ways (is 1.500 one and a half, or one thousand five"
            " hundred?): set the marks"
        )
        for way in (marks.way, *marks.others):
            one, other = MARKS[way]
            options: list[tuple[str, Any]] = [("decimal_mark", one)]
            options += [("thousands_mark", other)] if other else []
            proposal.choose(f"decimal {way}", *options)
        return
    decimal, thousands = MARKS[marks.way]
    if decimal != ".":
        proposal.set("decimal_mark", decimal)
    if thousands:
        proposal.set("thousands_mark", thousands)


def propose_dates(proposal: Proposal, matches: Matches, zone: str) -> None:
    """The date's format, and the time zone of timestamps."""
    column = matches.column("date")
    if column is None or column.dates is None:
        return
    formats = column.dates.formats
    if len(formats) > 1 and "date_format" not in proposal.given:
        proposal.decide(
            f"{column.name!r} may be {' or '.join(formats)}: no value such as {column.example}"
            " proves which, so the file can't tell"
        )
        options = [("date_format", one) for one in formats]
        proposal.choose(f"how {column.name!r} is written: choose one", *options)
    elif formats[0] != ISO_DATES:
        proposal.set("date_format", formats[0])
    if column.dates.clocked:
        _propose_zone(proposal, column.name, column.dates.zoned, column.dates.moved, zone)


def _propose_zone(proposal: Proposal, name: str, zoned: int, moved: int, zone: str) -> None:
    proposal.set("source_timezone", zone)
    if zoned and "source_timezone" not in proposal.given:
        told = f"; in UTC the day is another one in {counted(moved, 'row')}" if moved else ""
        proposal.notes.append(
            f"{name!r} has offsets: set ABINTEL_SOURCE_TIMEZONE to the shop's own zone, such as"
            f" Europe/Berlin, whose days are meant{told}"
        )
