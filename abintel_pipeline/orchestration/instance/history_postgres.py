"""The event log of a deployment: Dagster's own on PostgreSQL, with connections kept open.

See `history.py` for why. A module of its own: dagster-postgres is an extra.
"""

from collections.abc import Mapping
from typing import Any

from dagster_postgres import PostgresEventLogStorage
from dagster_postgres.utils import create_pg_engine, pg_url_from_config

RECYCLE_SECONDS = 1800


class KeptPostgresEventLog(PostgresEventLogStorage):
    """Dagster's PostgreSQL event log. One connection of each process stays open, others close."""

    def __init__(self, postgres_url: str, inst_data: Any = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        self._engine = create_pg_engine(
            postgres_url,
            isolation_level="AUTOCOMMIT",
            pool_size=1,
            max_overflow=-1,
            pool_pre_ping=True,  # the server may have been restarted
            pool_recycle=RECYCLE_SECONDS,
        )

    @classmethod
    def from_config_value(
        cls, inst_data: Any, config_value: Mapping[str, Any]
    ) -> "KeptPostgresEventLog":
        return cls(pg_url_from_config(config_value), inst_data)
