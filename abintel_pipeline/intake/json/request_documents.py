"""Reads request documents: `today`, `customers[]` and their `transactions[]`.

Places in reasons are written as in the document, counted from 0: `customers[3].transactions[7]`.
`row` is the number of the transaction (or customer) in the document, from 1. Documents are read
whole: about ten times their size in memory.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any

from abintel_pipeline.intake.errors import DeliveryError
from abintel_pipeline.intake.json.values import Repeated, as_json, parse
from abintel_pipeline.intake.landing import Source
from abintel_pipeline.intake.request_tables import TRANSACTIONS
from abintel_pipeline.intake.staging import Part, Reading
from abintel_pipeline.intake.text_rows import TextRows


def read_request(reading: Reading, source: Source) -> Part:
    """One request document as a part of the reading's table.

    Raises DeliveryError when it isn't a request: not JSON, not of this day, no customers array.
    """
    customers = _customers(source, reading.day)
    with closing(TextRows(reading, source.name)) as rows:
        if reading.table is TRANSACTIONS:
            _add_transactions(rows, customers)
        else:
            _add_customers(rows, customers)
        return rows.part()


def _customers(source: Source, day: date) -> list[Any]:
    name = source.name
    try:
        document = parse(source.path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DeliveryError(
            f"{name}, byte {error.start + 1}: is not UTF-8: deliver it as UTF-8"
        ) from None
    except json.JSONDecodeError as error:
        raise DeliveryError(
            f"{name}, line {error.lineno}, column {error.colno}: is not JSON ({error.msg})"
        ) from None
    except RecursionError:
        raise DeliveryError(f"{name}: is nested too deep to be a request") from None
    if not isinstance(document, dict) or not isinstance(document.get("customers"), list):
        raise DeliveryError(f"{name}: is not a request: it has no array `customers`")
    if isinstance(document, Repeated):
        raise DeliveryError(f"{name}: {document.fault}")
    today = document.get("today")
    if today is not None and today != day.isoformat():
        raise DeliveryError(
            f"{name}: `today` is {as_json(today)}, but the file is named for {day}: they must agree"
        )
    return document["customers"]  # type: ignore[no-any-return]


def _add_customers(rows: TextRows, customers: list[Any]) -> None:
    for number, customer in enumerate(customers):
        place = f"customers[{number}]"
        if fault := _fault(customer):
            rows.reject(number + 1, f"{place}: {fault}", customer)
            continue
        raw = as_json({key: value for key, value in customer.items() if key != "transactions"})
        problems = _transactions_problem(customer)
        rows.add(number + 1, raw, customer, owner=place, place=place, problems=problems)


def _transactions_problem(customer: dict[str, Any]) -> dict[str, str]:
    transactions = customer.get("transactions")
    if transactions is None:
        return {"transactions": "missing"}
    if not isinstance(transactions, list):
        return {"transactions": "not an array"}
    return {} if transactions else {"transactions": "empty"}


def _add_transactions(rows: TextRows, customers: list[Any]) -> None:
    for owner, customer_id, place, transaction in _transactions(customers):
        row = rows.received + 1
        if fault := _fault(transaction):
            rows.reject(row, f"{place}: {fault}", transaction)
            continue
        values = {**transaction, "customer_id": customer_id, **rows.neutral}
        raw = as_json({"customer_id": customer_id, **transaction})
        rows.add(row, raw, values, owner=owner, place=place)


def _transactions(customers: list[Any]) -> Iterator[tuple[str, Any, str, Any]]:
    """(the customer's place, its id, the transaction's place, the transaction), in order."""
    for number, customer in enumerate(customers):
        found = customer.get("transactions") if isinstance(customer, dict) else None
        for position, transaction in enumerate(found if isinstance(found, list) else []):
            owner = f"customers[{number}]"
            place = f"{owner}.transactions[{position}]"
            yield owner, customer.get("customer_id"), place, transaction


def _fault(value: Any) -> str | None:
    if isinstance(value, Repeated):
        return value.fault
    return None if isinstance(value, dict) else "not an object"
