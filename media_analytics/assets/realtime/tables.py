"""The realtime tables as external assets: the ClickHouse sink writes them.

Belongs here: their place in the lineage. Does not belong here: the sink (`streaming/sinks`), its monitor
(`automation/`).
"""

import sys

import dagster as dg

from media_analytics.contracts import registry
from media_analytics.factory import asset_key, external_table
from media_analytics.partitions import Partitions

TABLES = [contract for contract in registry.TABLES.values() if contract.layer == "realtime"]


def specs(partitions: Partitions) -> list[dg.AssetSpec]:
    """Rows of the sink's topics, one per coordinate."""
    here = sys.modules[__name__]
    return [
        external_table(
            contract,
            partitions,
            declared_in=here,
            deps=[dg.AssetDep(asset_key(registry.topic(str(contract.source))))],
        )
        for contract in TABLES
    ]
