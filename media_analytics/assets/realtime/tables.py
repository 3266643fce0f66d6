"""The realtime tables as external assets: the ClickHouse sink writes them.

Belongs here: their place in the lineage. Does not belong here: the sink (`streaming/sinks`), its monitor
(`automation/`).
"""

import sys
from collections.abc import Mapping

import dagster as dg

from media_analytics.contracts.model import TableContract, TopicContract
from media_analytics.contracts.registry import table, topic
from media_analytics.factory import asset_key, external_table
from media_analytics.partitions import Partitions

# Table -> the topic the sink reads for it.
SOURCES: Mapping[TableContract, TopicContract] = {
    table("realtime.user_events"): topic("user.latest"),
    table("realtime.session_events"): topic("session.events"),
    table("realtime.security_events"): topic("security.events"),
    table("realtime.interactions"): topic("interactions.events"),
}


def specs(partitions: Partitions) -> list[dg.AssetSpec]:
    """Rows of the sink's topics, one per coordinate."""
    here = sys.modules[__name__]
    return [
        external_table(contract, partitions, declared_in=here, deps=[dg.AssetDep(asset_key(source))])
        for contract, source in SOURCES.items()
    ]
