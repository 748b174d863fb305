"""Reading what was published, without Dagster: by name and day, as the frame one works with."""

import warnings
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from abintel_pipeline.contract import DECIDED_BY, TABLES, Table
from abintel_pipeline.engine.connection import open_engine
from abintel_pipeline.settings import Settings
from abintel_pipeline.store.proofs import stored_rules
from abintel_pipeline.store.snapshot_store import open_store


class MixedRules(UserWarning):
    """Days of one table were asked for together that were made by different rules."""

    def __init__(self, table: Table, rule: str, first: tuple[date, Any], other: tuple[date, Any]):
        super().__init__(
            f"{table.name}: {rule} was {first[1]} on {first[0]} and {other[1]} on {other[0]}: their"
            " values do not compare. Read days that were made alike, or publish these again"
        )


class UnknownFrame(TypeError):
    """A table was asked for as something it can't be loaded as."""


def list_snapshots(table: str, *, settings: Settings | None = None) -> list[date]:
    """The published days of a table, in order."""
    return open_store(settings or Settings()).days(table_named(table))


def read_snapshot(table: str, day: date | str, *, settings: Settings | None = None) -> pd.DataFrame:
    """One published day of a table as a pandas frame with Arrow-backed columns.

    Rows in the published order; columns as in the contract, partition column included. Raises
    SnapshotMissing when the day isn't published, NotAsPublished when its file isn't what was.
    """
    return _read(table, [_day(day)], settings or Settings())


def read_snapshots(
    table: str,
    start: date | str,
    end: date | str,
    *,
    settings: Settings | None = None,
    same_rules: bool = False,
) -> pd.DataFrame:
    """The published days of a table from start to end, both included, as one pandas frame.

    Warns with MixedRules when the days were made by different rules; raises it with `same_rules`.
    Raises SnapshotMissing when a day between them isn't published, NotAsPublished when a file isn't
    what was.
    """
    first, last = _day(start), _day(end)
    if last < first:
        raise ValueError(f"the range ends ({last}) before it starts ({first})")
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    settings = settings or Settings()
    frame = _read(table, days, settings)
    if mixed := mixed_rules(settings, table_named(table), days):
        if same_rules:
            raise mixed
        warnings.warn(mixed, stacklevel=2)
    return frame


def mixed_rules(settings: Settings, table: Table, days: list[date]) -> MixedRules | None:
    """What is to be told of days that were made by different rules, of those that decide the table.

    None where all were made alike.
    """
    store = open_store(settings)
    known = {day: stored_rules(store.path(table, day)) for day in days if DECIDED_BY[table]}
    for name in DECIDED_BY[table]:
        values = [(day, getattr(rules, name)) for day, rules in known.items() if rules]
        for one in values:
            if one[1] != values[0][1]:
                return MixedRules(table, name, values[0], one)
    return None


def table_named(name: str) -> Table:
    """The contract's table of that name. Raises ValueError listing the tables there are."""
    if name not in TABLES:
        raise ValueError(f"no table {name!r}: the tables are {', '.join(TABLES)}")
    return TABLES[name]


def load(kind: Any, settings: Settings, table: Table, days: list[date]) -> Any:
    """Days of a table as an `ibis.Table`, pandas, pyarrow or polars frame: the type `kind`.

    The same type for one day, many, and none. Raises UnknownFrame, and SnapshotMissing when one of
    the days isn't published.
    """
    loader = LOADERS.get(f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}")
    if loader is None:
        raise UnknownFrame(
            f"{table.name} can't be loaded as {kind!r}: annotate it as one of {', '.join(LOADERS)}"
        )
    return loader(settings, table, days)


def _read(name: str, days: list[date], settings: Settings) -> pd.DataFrame:
    return _as_pandas(settings, table_named(name), days)


def _as_ibis(settings: Settings, table: Table, days: list[date]) -> ir.Table:
    """The engine stays open as long as somebody holds the table."""
    return open_store(settings).read(open_engine(settings), table, days)


def _as_arrow(settings: Settings, table: Table, days: list[date]) -> pa.Table:
    rows = _as_ibis(settings, table, days).to_pyarrow()
    return rows.cast(_with_stored_money(table.schema, rows.schema))


def _with_stored_money(contract: pa.Schema, stored: pa.Schema) -> pa.Schema:
    """The contract's types, but money with the decimals it was stored with."""
    fields = (
        field.with_type(stored.field(field.name).type) if pa.types.is_decimal(field.type) else field
        for field in contract
    )
    return pa.schema(list(fields))


def _as_pandas(settings: Settings, table: Table, days: list[date]) -> pd.DataFrame:
    frame: pd.DataFrame = _as_arrow(settings, table, days).to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _as_polars(settings: Settings, table: Table, days: list[date]) -> Any:
    return _as_polars_lazy(settings, table, days).collect()


def _as_polars_lazy(settings: Settings, table: Table, days: list[date]) -> Any:
    import polars as pl

    paths = open_store(settings).paths(table, days)
    if not paths:
        return pl.LazyFrame(pl.from_arrow(table.schema.empty_table()))
    each = [
        pl.scan_parquet(path.absolute(), glob=False, hive_partitioning=False)
        .with_columns(pl.lit(day).alias(table.partition_column), **_added(table, path))
        .select(table.schema.names)
        for day, path in zip(days, paths, strict=True)
    ]
    # Relaxed: days may be stored with different decimals of the currency.
    return pl.concat(each, how="vertical_relaxed")


def _added(table: Table, path: Path) -> dict[str, Any]:
    """The columns that a file of an earlier version doesn't have, for Polars."""
    import polars as pl

    if not table.added:
        return {}
    types: Any = pl.from_arrow(table.schema.empty_table())
    have = pq.read_schema(path).names
    missing = {name: value for name, value in table.added.items() if name not in have}
    return {name: pl.lit(value, types.schema[name]) for name, value in missing.items()}


LOADERS: dict[str, Callable[[Settings, Table, list[date]], Any]] = {
    "ibis.Table": _as_ibis,
    "pandas.DataFrame": _as_pandas,
    "pyarrow.Table": _as_arrow,
    "polars.DataFrame": _as_polars,
    "polars.LazyFrame": _as_polars_lazy,
}
"""How each type of frame is loaded, by its public name."""


def _day(day: date | str) -> date:
    if isinstance(day, datetime):  # a pandas Timestamp is one, and a datetime is a date
        return day.date()
    return day if isinstance(day, date) else date.fromisoformat(day)
