"""What the tests of inspecting share: a file that is written, inspected, and delivered as told."""

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from abintel_pipeline.inspecting import as_text
from abintel_pipeline.inspecting.inspection import Call, Inspection, inspect_file
from abintel_pipeline.settings import Settings
from abintel_pipeline.snapshots import features_snapshot
from abintel_pipeline_tests.shop import Shop, day

TODAY = date(2026, 11, 28)
TABLE = "transactions"


def inspected(path: Path, table: str = TABLE, on: str | None = None) -> Inspection:
    """An inspection under the settings in force in the working folder."""
    call = Call(path, Settings(), table, TODAY, day(on) if on else None)
    return inspect_file(call)


def written(text: str | bytes, name: str = "orders.csv") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def spoken(seen: Inspection) -> str:
    return "\n".join(as_text.told(seen))


@dataclass(frozen=True)
class Made:
    """What a delivery came to: {customer: (spend, visits)}."""

    customers: dict[str, tuple[float, int]]


def made_as_told(seen: Inspection) -> Made:
    """Paste the lines into `.env`, put the file where it belongs, make the day's features."""
    Path(".env").write_text("\n".join(as_text.env(seen)) + "\n")
    settings = Settings()
    seen.target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(seen.call.path, seen.target)
    on = str(seen.day)
    with Shop.open(settings) as shop:
        shop.take_in(on)
        features_snapshot(shop.step, seen.day)
        rows = shop.read("customer_features", on)
    return Made(
        {
            row.customer_id: (float(row.purchase_total), int(row.visit_frequency))
            for row in rows.itertuples()
        }
    )
