"""The event log whose database connections `instance.history` keeps open.

Borrowed: `SqliteEventLogStorage`, and of it `_connect`, `_db_lock`, `_initdb`, `_initialized_dbs`
and `conn_string_for_shard`. Its sibling `dagster_postgres.PostgresEventLogStorage` can be imported
publicly, but what `instance.history_postgres` replaces of it, `_engine`, is private too.

Why: Dagster opens and closes a connection or two per event; how to keep them is no setting.
Upstream: the number of connections is dagster issue 20325, settings for them are issue 33935 (both
open, both for PostgreSQL).

Without it: use Dagster's own classes in `dagster.yaml`; the tables are the same. An event then
costs ten times as much on SQLite, three times on PostgreSQL: a year of all assets has thousands.
"""

from dagster._core.storage.event_log import SqliteEventLogStorage

__all__ = ["SqliteEventLogStorage"]
