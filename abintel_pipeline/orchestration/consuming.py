"""For Dagster assets downstream of the pipeline: published tables as the frame they annotate."""

from datetime import date
from typing import Any

import dagster as dg
import pandas as pd

from abintel_pipeline.reading import load, mixed_rules, table_named
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.snapshot_store import open_store

ALLOW_MISSING = "allow_missing_partitions"
"""Input metadata with which an asset says that it can do without some of the days it asks for."""


class SnapshotIOManager(dg.IOManager):
    """Loads published days of a table; writes nothing.

    An asset's input is loaded as its annotation says: `ibis.Table`, `pandas.DataFrame` (also where
    there is no annotation), `pyarrow.Table`, `polars.DataFrame` or `polars.LazyFrame`, the same for
    one day and for a range. Days that aren't published are named in the error, unless the input's
    metadata has `allow_missing_partitions: True`: then they are left out, and the run's log
    says how many and which. Days that were made by different rules are a warning there too.

        @dg.asset(ins={"customer_rfm": dg.AssetIn(input_manager_key="snapshots")}, …)
        def fell_to_at_risk(customer_rfm: pd.DataFrame) -> …
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def load_input(self, context: dg.InputContext) -> Any:
        """The days of the input that the run's partitions map to."""
        table = table_named(context.asset_key.path[-1])
        wanted = sorted(date.fromisoformat(key) for key in context.asset_partition_keys)
        published = set(open_store(self._settings).days(table))
        missing = [day for day in wanted if day not in published]
        if missing and (context.definition_metadata or {}).get(ALLOW_MISSING):
            wanted = [day for day in wanted if day in published]
            context.log.warning(
                f"{table.name}: {len(missing)} of {len(wanted) + len(missing)} days are missing:"
                f" {', '.join(map(str, missing))}"
            )
        loaded = load(_frame(context), self._settings, table, wanted)
        if mixed := mixed_rules(self._settings, table, wanted):
            context.log.warning(str(mixed))
        return loaded

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:  # noqa: ARG002
        """Refused: the store is written by the pipeline's own assets alone."""
        raise dg.DagsterInvariantViolationError(
            f"the snapshot store is read-only here: give {context.step_key} another IO manager"
        )


def _frame(context: dg.InputContext) -> Any:
    kind = context.dagster_type.typing_type
    return pd.DataFrame if kind in (Any, type(None)) else kind
