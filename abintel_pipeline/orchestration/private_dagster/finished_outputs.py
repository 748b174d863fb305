"""An output that lets the next steps begin and logs no materialization.

Borrowed: the metadata key `SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION`. Dagster logs nothing for
an output that has it: it is meant for observable source assets, whose events are logged by then.

Why: each day's materialization is logged when its files are published, with metadata of its own.
At the end Dagster wants one output per asset, and would log every partition of the run again.
Upstream: a result per partition of a single run is wished for (dagster issues 21072 and 18123, both
open); outputs without a materialization were proposed and not merged (pull requests 16581, 16621).

Without it: two materializations per day. Checks that point at the first are out of date to Dagster.
"""

import dagster as dg
from dagster._core.definitions.source_asset import (
    SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as ALREADY_LOGGED,
)


def finished_output(asset: dg.AssetKey) -> dg.MaterializeResult[None]:
    """The output of an asset whose materializations are all logged."""
    return dg.MaterializeResult(asset_key=asset, metadata={ALREADY_LOGGED: True})
