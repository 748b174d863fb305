"""The databases of a history on SQLite, which `instance.history` opens one process at a time.

Borrowed: `DagsterSqliteStorage`, and of it `_event_log_storage`.

Why: Dagster makes its databases in the class that opens them, without a lock between processes. A
class that `dagster.yaml` names is used by every process: webserver, daemon, code server and run.
Upstream: dagster issue 27390 is what happens without the lock (open).

Without it: leave `storage` out of `dagster.yaml`; the databases are the same. Two processes that
open a new history at once may then break it, unless `abintel` has opened it before.
"""

from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

__all__ = ["DagsterSqliteStorage"]
