"""How the assets are partitioned: by day, all alike.

Assets whose partitions begin on different days make jobs and single runs fail, so there is one
definition. `raw_*` partition D is the delivery of day D, every other the snapshot of day D.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from abintel_pipeline.settings import Settings

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """One partition per day from `first_day` on; a day exists once it is over."""
    return dg.DailyPartitionsDefinition(
        start_date=settings.first_day.isoformat(), timezone=settings.timezone
    )


def newest_day(settings: Settings, now: datetime) -> date:
    """The newest day that is over at that moment, in the settings' time zone."""
    return now.astimezone(ZoneInfo(settings.timezone)).date() - timedelta(days=1)


def days_of(context: dg.AssetExecutionContext) -> list[date]:
    """The days that the run is to make, in order."""
    return sorted(date.fromisoformat(key) for key in context.partition_keys)


def range_tags(start: date, end: date) -> dict[str, str]:
    """Run tags that make one run take all days from start to end."""
    return {RANGE_START_TAG: start.isoformat(), RANGE_END_TAG: end.isoformat()}


def days_between(start: date, end: date) -> list[date]:
    """Every day from start to end, both included."""
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]
