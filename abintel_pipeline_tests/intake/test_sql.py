"""Deliveries from a SQL database, on a real PostgreSQL server."""

import logging
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from abintel_pipeline.intake import DeliveryError, take_in_customers, take_in_transactions
from abintel_pipeline.intake.errors import SourceUnavailable
from abintel_pipeline_tests.intake.conftest import DAY, HEADER, Landing

LINES = """
SELECT o.customer_id, i.order_id AS transaction_id, o.order_date AS date, i.line_total AS amount,
       i.product_id
FROM orders o JOIN order_items i USING (order_id)
WHERE o.order_date >= :start AND o.order_date < :end
ORDER BY i.order_id, i.product_id NULLS LAST
"""
MEMBERS = "SELECT * FROM members WHERE updated >= :start AND updated < :end ORDER BY member_no"
UNREACHABLE = "postgresql+psycopg2://me:s3cr%40t@127.0.0.1:1/shop"


def take(landing: Landing, url: str, query: str = LINES, day: date = DAY, **changes: Any):
    return landing.take(day, sql_url=url, transactions_query=query, **changes)


def test_a_days_lines_come_from_the_database(landing: Landing, postgres: str) -> None:
    taken = take(landing, postgres)
    assert taken.accepted == [
        ("001", "T-001", DAY, Decimal("520.56"), "P-01"),
        ("001", "T-001", DAY, Decimal("19.99"), "P-02"),
    ]
    assert taken.reasons == [
        ["amount: negative"],
        ["amount: missing", "product_id: missing"],
        ["customer_id: blank"],
    ]
    assert taken.places == [("sql", 3), ("sql", 4), ("sql", 5)]
    assert taken.raw[0] == {
        "customer_id": "002",
        "transaction_id": "T-002",
        "date": "2025-04-24",
        "amount": -1.0,
        "product_id": "P-01",
    }
    assert taken.intake.files == ("sql",)


def test_each_day_gets_its_own_rows(landing: Landing, postgres: str) -> None:
    taken = take(landing, postgres, day=date(2025, 4, 23))
    assert [row[1] for row in taken.accepted] == ["T-000"]


def test_no_rows_are_no_delivery(landing: Landing, postgres: str) -> None:
    changes = {"sql_url": postgres, "transactions_query": LINES}
    assert landing.intake(take_in_transactions, date(2025, 1, 1), **changes) is None
    assert list(landing.staging.iterdir()) == []


def test_customers_come_from_their_own_query(landing: Landing, postgres: str) -> None:
    taken = landing.take_customers(
        sql_url=postgres,
        transactions_query=LINES,
        customers_query=MEMBERS,
        customer_columns={"customer_id": "member_no", "loyalty_score": "share"},
    )
    assert taken.accepted == [("7", 0.97), ("8", None)]
    assert taken.reasons == [["loyalty_score: not in 0..1"]]


def test_a_table_without_a_query_comes_from_the_landing_folder(
    landing: Landing, postgres: str
) -> None:
    changes = {"sql_url": postgres, "transactions_query": LINES}
    assert landing.intake(take_in_customers, DAY, **changes) is None
    landing.put("customers/2025-04-24.csv", "customer_id,loyalty_score\n1,0.5\n")
    assert landing.take_customers(**changes).accepted == [("1", 0.5)]


def test_timestamps_are_turned_into_days_of_the_sources_zone(
    landing: Landing, postgres: str
) -> None:
    query = LINES.replace("o.order_date AS date", "o.placed_at AS date")
    rejected = take(landing, postgres, query)
    assert rejected.accepted == []
    assert rejected.reasons[0] == ["date: a timestamp; set ABINTEL_SOURCE_TIMEZONE to take its day"]
    taken = take(landing, postgres, query, source_timezone="Europe/Berlin")
    assert taken.reasons[0] == ["date: after delivered_on"]
    assert take(landing, postgres, query, source_timezone="America/New_York").accepted[0][2] == DAY


def test_values_of_every_kind_are_taken_for_what_they_are(landing: Landing, postgres: str) -> None:
    query = """
    SELECT * FROM (VALUES
        (1, true, '2025-04-24'::timestamp, 19.99::real::text, 'P'),
        (2, false, '2025-04-24'::timestamp, '1', 'P')
    ) v (customer_id, flag, date, amount, product_id),
    LATERAL (SELECT flag AS transaction_id WHERE :start < :end) t
    """
    taken = take(landing, postgres, query)
    assert taken.reasons == [["transaction_id: not text"]] * 2
    query = query.replace("flag AS transaction_id", "gen_random_uuid() AS transaction_id")
    assert [(row[0], row[3]) for row in take(landing, postgres, query).accepted] == [
        ("1", Decimal("19.99")),
        ("2", Decimal("1.00")),
    ]
    for value, amount, reason in (
        ("'NaN'::float8", None, "missing"),
        ("19.99::real", "19.99", ""),
        ("true", None, "not a number"),
    ):
        asked = query.replace("amount, product_id),", "x, product_id),").replace(
            "(SELECT", f"(SELECT {value} AS amount,"
        )
        found = take(landing, postgres, asked)
        if amount is None:
            assert found.reasons == [[f"amount: {reason}"]] * 2
        else:
            assert [row[3] for row in found.accepted] == [Decimal(amount)] * 2


def test_rows_are_streamed_in_their_order(landing: Landing, postgres: str) -> None:
    query = """
    SELECT lpad(n::text, 6, '0') AS customer_id, 'T' AS transaction_id, :start AS date,
        n AS amount, 'P' AS product_id
    FROM generate_series(1, 45000) n WHERE :start < :end ORDER BY n
    """
    taken = take(landing, postgres, query.replace(":start AS", "CAST(:start AS date) AS"))
    assert [row[0] for row in taken.accepted] == [f"{n:06}" for n in range(1, 45001)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "SELECT 1 AS one WHERE :start < :end",
            "no column 'customer_id', 'transaction_id'",
        ),
        (
            LINES.replace("SELECT", "SELECT 1 AS date,"),
            "column 'date' stands there twice",
        ),
        ("SELECT * FROM orders", "doesn't use :end"),
        (LINES.replace(":end", "now()"), "doesn't use :end"),
        (LINES.replace("order_items", "no_items"), 'relation "no_items" does not exist'),
    ],
)
def test_a_query_that_cannot_deliver_fails(
    landing: Landing, postgres: str, query: str, message: str
) -> None:
    with pytest.raises(DeliveryError, match=r"^sql: ") as error:
        take(landing, postgres, query)
    assert message in str(error.value)
    assert list(landing.staging.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        UNREACHABLE,
        "postgresql+nodriver://me:s3cr%40t@127.0.0.1:1/shop",
        "postgresql+psycopg2://me:s3cr%40t@127.0.0.1:port/shop",
        "nonsense:s3cr%40t@",
        "sqlite:////nowhere/s3cr%40t/x.db",
    ],
)
def test_an_unreachable_database_fails_without_telling_the_password(
    landing: Landing, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(
        (DeliveryError, SourceUnavailable), match=r"^sql: .* can't be read"
    ) as error:
        take(landing, url)
    told = [str(error.value), repr(error.value.__cause__), caplog.text]
    if "sqlite" not in url:
        assert not [text for text in told if "s3cr" in text]
    assert url not in told[0]
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


@pytest.mark.parametrize("password", ["the", "is", "transactions", "read", "ABINTEL_SQL_URL"])
def test_a_password_that_is_a_common_word_garbles_no_message(
    landing: Landing, password: str
) -> None:
    with pytest.raises(SourceUnavailable) as error:
        take(landing, f"postgresql+psycopg2://me:{password}@127.0.0.1:1/shop")
    told = str(error.value)
    assert told.startswith("sql: the transactions of 2025-04-24 can't be read (")
    assert told.endswith("check ABINTEL_SQL_URL, its driver, and ABINTEL_TRANSACTIONS_QUERY")
    assert f":{password}@" not in told


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg2://me:s3c@h/x", "bad password 's3c'"),
        ("postgresql+psycopg2://me:s3cr%40t@h/x", "s3cr@t; s3cr%40t; (s3cr@t)"),
        ("postgresql+psycopg2://h/x?user=me&password=s3cret", "near s3cret: password=s3cret x"),
        ("postgresql+psycopg2://h/x?user=me&sslpassword=s3%20cr", "near 's3 cr', s3%20cr"),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Ds3cret%3B", "PWD=s3cret; s3cret"),
        ("postgresql+psycopg2://me:s3cret@h/x", "postgresql+psycopg2://me:s3cret@h/x is bad"),
        ("postgresql+psycopg2://me:s3c@h/x", "postgresql://me:s3c@h/y is bad"),
        ("postgresql+psycopg2://me:p@s3cr@h/x", "could not translate host name s3cr@h"),
        ("postgresql+psycopg2://me:p@s3cr:x@h:1/x", "invalid literal for int(): 's3cr:x@h'"),
    ],
)
def test_no_secret_of_the_url_is_told(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError(said)

    monkeypatch.setattr("sqlalchemy.create_engine", fail)
    with pytest.raises(DeliveryError) as error:
        take(landing, url)
    told = str(error.value)
    assert not [secret for secret in ("s3cr", "s3 cr", "s3%20", "'s3c'", ":s3c@") if secret in told]


def test_files_beside_a_query_are_a_clash(landing: Landing, postgres: str) -> None:
    landing.put("transactions/2025-04-24.csv", HEADER)
    with pytest.raises(DeliveryError, match=r"transactions/2025-04-24\.csv was delivered, but"):
        take(landing, postgres)
