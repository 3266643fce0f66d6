"""ops.subscription_dates: which dates' subscription numbers a publication of silver.subscriptions can alter.

Belongs here: the table as an asset. Does not belong here: computing the dates (`assets/silver/subscriptions.py`).
"""

import sys

import dagster as dg

from media_analytics.contracts.registry import table
from media_analytics.factory import asset_key, external_table
from media_analytics.partitions import Partitions

CONTRACT = table("ops.subscription_dates")


def specs(partitions: Partitions) -> list[dg.AssetSpec]:
    """Runs of silver.subscriptions write it; the stream's monitor reports it."""
    deps = [dg.AssetDep(asset_key(table("silver.subscriptions")))]
    return [external_table(CONTRACT, partitions, declared_in=sys.modules[__name__], deps=deps)]
