"""Faults that pass by themselves, told from those that don't; real errors where there are any."""

import errno

import duckdb
import pytest
import sqlalchemy as sa

from abintel_pipeline.intake.errors import SourceUnavailable
from abintel_pipeline.intake.faults import database_passes, passes


def duckdb_error(statement: str) -> duckdb.Error:
    with pytest.raises(duckdb.Error) as error:
        duckdb.execute(statement)
    return error.value


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (OSError(errno.EIO, "I/O error"), True),
        (ConnectionResetError(errno.ECONNRESET, "reset"), True),
        (SourceUnavailable("gone"), True),
        (PermissionError(errno.EACCES, "denied"), False),
        (FileNotFoundError(errno.ENOENT, "no file"), False),
        (IsADirectoryError(errno.EISDIR, "a folder"), False),
        (MemoryError(), False),
    ],
    ids=repr,
)
def test_which_faults_pass(fault: BaseException, expected: bool):
    assert passes(fault) == expected


def test_a_full_disk_passes_in_the_engines_words_too():
    full = duckdb_error("COPY (SELECT range AS n FROM range(1000000)) TO '/dev/full' (FORMAT csv)")
    assert "No space left" in str(full)
    assert passes(full)
    assert not passes(duckdb_error("FROM read_csv('/nowhere/at/all.csv')"))
    assert not passes(duckdb_error("SELECT nothing"))


@pytest.mark.parametrize(
    ("url", "query", "expected"),
    [
        ("postgresql+psycopg2://me@127.0.0.1:1/shop", "SELECT 1", True),  # nobody listens
        ("sqlite:////nowhere/at/all.db", "SELECT 1", False),
        ("sqlite://", "SELECT * FROM nothing", False),
        ("sqlite://", "SELEKT", False),
    ],
)
def test_which_errors_of_a_database_pass(url: str, query: str, expected: bool):
    with pytest.raises(sa.exc.DBAPIError) as error, sa.create_engine(url).connect() as connection:
        connection.execute(sa.text(query))
    assert database_passes(error.value) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", True),  # as a restart of the server
        ("SELECT * FROM nothing", False),
        ("SELECT 1 / 0", False),
        ("SELECT 'a'::int", False),
    ],
)
def test_which_errors_of_a_real_postgresql_pass(postgres: str, query: str, expected: bool):
    with pytest.raises(sa.exc.DBAPIError) as error, sa.create_engine(postgres).connect() as server:
        server.execute(sa.text(query))
    assert database_passes(error.value) == expected


def test_a_database_that_is_not_there_is_no_passing_fault(postgres: str):
    elsewhere = sa.make_url(postgres).set(database="nowhere")
    with pytest.raises(sa.exc.OperationalError) as error:
        sa.create_engine(elsewhere).connect()
    assert not database_passes(error.value)
