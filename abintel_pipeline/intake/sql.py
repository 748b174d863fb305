"""Reads a SQL database: the table's query between two days, streamed, never held whole."""

import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus

import sqlalchemy as sa
from pydantic import SecretStr

from abintel_pipeline.intake.errors import DeliveryError, SourceUnavailable
from abintel_pipeline.intake.faults import database_passes
from abintel_pipeline.intake.json.values import Number, as_json
from abintel_pipeline.intake.landing import SQL
from abintel_pipeline.intake.request_tables import Place
from abintel_pipeline.intake.staging import Part, Reading
from abintel_pipeline.intake.text_rows import TextRows

ROWS_AT_ONCE = 10_000

_SHORT = 4
_IN_URL = re.compile(r"(://[^\s:/@]*:)[^\s@]*@")
_SECRET_NAME = r"\w*(?:pass|pwd|secret|token)\w*"
_ASSIGNED = re.compile(
    rf"(?i)(\b{_SECRET_NAME}\s*=\s*)('[^']*'|\"[^\"]*\"|\{{[^}}]*\}}|[^\s;&,)]+)"
)


def read_sql(reading: Reading) -> Part | None:
    """The day's rows of the table's query as a part; None when there are none: no delivery.

    Raises DeliveryError when the database can't be asked, SourceUnavailable when that may pass;
    the message never holds the password.
    """
    url = reading.settings.sql_url
    query = reading.table.query(reading.settings)
    if url is None or query is None:
        return None
    told = f"sql: the {reading.table.folder} query"
    with closing(TextRows(reading, SQL)) as rows:
        try:
            placed: dict[str, Place] = {}
            for number, names, row in _rows(url, query, reading.day):
                placed = placed or reading.columns.placed(names, told)
                values = tuple(map(plain_value, row))
                raw = as_json(dict(zip(names, values, strict=True)))
                rows.add(number, raw, reading.columns.values(placed, values))
        except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
            kind = SourceUnavailable if database_passes(error) else DeliveryError
            raise kind(_advice(reading, url, error)) from None
        return rows.part() if rows.received else None


def _rows(url: SecretStr, query: str, day: date) -> Iterator[tuple[int, list[str], Sequence[Any]]]:
    """(number from 1, column names, values) of each row of the query for that day."""
    statement = sa.text(query)
    bounds = {"start": day, "end": day + timedelta(days=1)}
    if missing := sorted(set(bounds) - set(statement.compile().params)):
        raise DeliveryError(
            f"sql: the query doesn't use :{missing[0]}: without it each day would deliver all days;"
            " write … WHERE day >= :start AND day < :end"
        )
    engine = sa.create_engine(url.get_secret_value(), poolclass=sa.NullPool)
    options = {"stream_results": True, "yield_per": ROWS_AT_ONCE}
    with engine.connect() as connection:
        result = connection.execution_options(**options).execute(statement, bounds)
        names = list(result.keys())
        for number, row in enumerate(result, start=1):
            yield number, names, tuple(row)


def plain_value(value: Any) -> Any:
    """A driver's value as JSON would have it: numbers by their exact text, days and times ISO."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return Number(value)
    if isinstance(value, Decimal):
        return Number(format(value, "f"))
    if isinstance(value, datetime):
        midnight = value.tzinfo is None and value.time() == time.min
        return (value.date() if midnight else value).isoformat()
    if isinstance(value, date | uuid.UUID):
        return str(value)
    return value


def _advice(reading: Reading, url: SecretStr, error: Exception) -> str:
    return (
        f"sql: the {reading.table.folder} of {reading.day} can't be read ({_told(url, error)}):"
        f" check ABINTEL_SQL_URL, its driver, and ABINTEL_{reading.table.folder.upper()}_QUERY"
    )


def _told(url: SecretStr, error: Exception) -> str:
    """The first line of an error, without the URL and without a secret in it."""
    raw = url.get_secret_value()
    try:
        parsed = sa.make_url(raw)
    except (sa.exc.ArgumentError, ValueError):
        return "it is no URL like dialect+driver://user:password@host:port/database"
    if "@" in (parsed.host or ""):
        return "an @ in the user's name or the password has to be written as %40"
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    message = text.splitlines()[0]
    for form in (raw, parsed.render_as_string(hide_password=False)):
        message = message.replace(form, "***")
    message = _ASSIGNED.sub(r"\1***", _IN_URL.sub(r"\1***@", message))
    for secret in sorted(_secrets(raw, parsed), key=len, reverse=True):
        message = re.sub(_bare(secret), "***", message)
    return message


def _secrets(raw: str, parsed: sa.URL) -> set[str]:
    """The password and the secret parameters of a URL, as they are written in it and decoded."""
    login = re.match(r"[\w+]+://[^:/@]*:([^@]*)@", raw)
    found = {parsed.password or "", login[1] if login else ""}
    for text in (raw.partition("?")[2], unquote_plus(raw.partition("?")[2])):
        found |= {value.strip("'\"{}") for _, value in _ASSIGNED.findall(text)}
    return {form for secret in found for form in (secret, unquote_plus(secret)) if form}


def _bare(secret: str) -> str:
    """Pattern of a secret as a whole word; of a short one only in quotes: `the` is a word, too."""
    escaped = re.escape(secret)
    if len(secret) < _SHORT:
        return rf"(?<=['\"]){escaped}(?=['\"])"
    before = r"(?<!\w)" if re.match(r"\w", secret[0]) else ""
    behind = r"(?!\w)" if re.match(r"\w", secret[-1]) else ""
    return before + escaped + behind
