"""realtime.user_events as an external asset: the ClickHouse sink writes it.

Belongs here: its place in the lineage. Does not belong here: the sink (`streaming/sinks`), its monitor (`automation/`).
"""

import sys

import dagster as dg

from media_analytics.contracts.registry import table, topic
from media_analytics.factory import asset_key, external_table
from media_analytics.partitions import Partitions

CONTRACT = table("realtime.user_events")


def specs(partitions: Partitions) -> list[dg.AssetSpec]:
    """Rows of `user.latest`, one per coordinate."""
    deps = [dg.AssetDep(asset_key(topic("user.latest")))]
    return [external_table(CONTRACT, partitions, declared_in=sys.modules[__name__], deps=deps)]
