"""Dagster's history on SQLite: opened by one process at a time, its event log kept open.

Dagster opens one or two connections per event and closes them again. Kept open, an event costs a
tenth on SQLite (3.9 instead of 41 ms on a busy machine) and a third on PostgreSQL (8.7 instead of
25 ms), and a year of all assets has thousands. The tables are Dagster's own: a history can be read
with these classes or without them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from abintel_pipeline.orchestration.instance.opening import opening
from abintel_pipeline.orchestration.private_dagster.event_logs import SqliteEventLogStorage
from abintel_pipeline.orchestration.private_dagster.sqlite_storage import DagsterSqliteStorage

KEPT = 4
"""Databases held open: SQLite has one for the index of all events, and one per run."""

BUSY_SECONDS = 60


class KeptSqliteStorage(DagsterSqliteStorage):
    """Dagster's SQLite databases. Those of a new history are all made by the first to open it."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        with opening(Path(base_dir)):
            super().__init__(base_dir, inst_data)
            events = Path(base_dir) / "history" / "runs"
            self._event_log_storage = KeptSqliteEventLog(str(events))

    @classmethod
    def from_config_value(
        cls, inst_data: Any, config_value: Mapping[str, Any]
    ) -> "KeptSqliteStorage":
        return cls(inst_data=inst_data, **config_value)


class KeptSqliteEventLog(SqliteEventLogStorage):
    """Dagster's SQLite event log, whose databases stay open."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        # inst_data is Dagster's note of the configuration, of a private type: handed on unread.
        self._open: dict[str, sa.Engine] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: Any, config_value: Mapping[str, Any]
    ) -> "KeptSqliteEventLog":
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        """A transaction on one database. One thread at a time, as in Dagster's own."""
        with self._db_lock:
            engine = self._open.pop(shard, None) or self._opened(shard)
            self._open[shard] = engine
            while len(self._open) > KEPT:
                self._open.pop(next(iter(self._open))).dispose()
            with engine.connect() as connection, connection.begin():
                yield connection

    def dispose(self) -> None:
        super().dispose()
        while self._open:
            self._open.popitem()[1].dispose()

    def _opened(self, shard: str) -> sa.Engine:
        engine = sa.create_engine(
            self.conn_string_for_shard(shard), connect_args={"timeout": BUSY_SECONDS}
        )
        sa.event.listen(engine, "connect", _without_waiting_for_the_disk)
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine


def _without_waiting_for_the_disk(connection: Any, _record: object) -> None:
    """With its write-ahead log SQLite is never corrupt; a power cut may lose the last events."""
    connection.execute("PRAGMA synchronous=NORMAL")
