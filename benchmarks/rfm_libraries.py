"""The libraries' RFM summary of the store's lines, each in an environment of its own.

    python -m benchmarks.rfm_libraries lifetimes STORE DAY

Their summary alone: no distinct products, no score, no segment, nothing written. `rfm_segments` of
pymc-marketing adds its quartile scores and its segments. Standard library at the top: the
project's packages aren't in those environments.
"""

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.timed import measured

WINDOW_DAYS = 540
COLUMNS = ("customer_id", "date", "amount")


def transactions(store: Path, day: date) -> Any:
    """The window's lines as the libraries want them: a frame with dates and float amounts."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    days = ds.partitioning(pa.schema([("delivered_on", pa.date32())]), flavor="hive")
    files = ds.dataset(store / "raw_transactions", format="parquet", partitioning=days)
    first = day - timedelta(days=WINDOW_DAYS - 1)
    wanted = (ds.field("delivered_on") <= day) & (ds.field("date") >= first)
    table = files.to_table(columns=list(COLUMNS), filter=wanted)
    table = table.set_column(2, "amount", table["amount"].cast(pa.float64()))
    frame = table.to_pandas(date_as_object=False, split_blocks=True, self_destruct=True)
    frame["date"] = frame["date"].astype("datetime64[ns]")
    return frame


def lifetimes_summary(store: Path, day: date) -> None:
    from lifetimes.utils import summary_data_from_transaction_data

    summary_data_from_transaction_data(
        transactions(store, day),
        "customer_id",
        "date",
        monetary_value_col="amount",
        observation_period_end=str(day),
    )


def pymc_summary(function: str, store: Path, day: date) -> None:
    from pymc_marketing.clv import utils

    getattr(utils, function)(
        transactions(store, day),
        customer_id_col="customer_id",
        datetime_col="date",
        monetary_value_col="amount",
        observation_period_end=str(day),
    )


def main(name: str, store: str, text: str) -> None:
    where, day = Path(store), date.fromisoformat(text)
    if name == "lifetimes":
        import lifetimes.utils  # noqa: F401  imports aren't measured

        print(measured(lambda: lifetimes_summary(where, day)))
    else:
        import pymc_marketing.clv.utils  # noqa: F401

        print(measured(lambda: pymc_summary(name.rsplit(maxsplit=1)[-1], where, day)))


if __name__ == "__main__":
    main(*sys.argv[1:])
