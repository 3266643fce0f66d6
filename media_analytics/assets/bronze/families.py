"""Bronze of the families without an enricher, of dead letters, and their touched dates.

Belongs here: their place in the lineage. Does not belong here: the batches that write them.
"""

import sys

import dagster as dg

from media_analytics.contracts.registry import table, topic
from media_analytics.factory import asset_key, external_table
from media_analytics.partitions import Partitions

# Bronze table -> the topic whose coordinates it holds.
SOURCES = {
    "bronze.content_events": "content.events",
    "bronze.session_events": "session.events",
    "bronze.security_events": "security.events",
    "bronze.compliance_events": "compliance.events",
    "bronze.interactions": "interactions.events",
    "bronze.dead_letters": "dead_letters",
}
# Letters have no event date, so no dates are touched by them.
DATED = tuple(name for name in SOURCES if name != "bronze.dead_letters")


def specs(partitions: Partitions) -> list[dg.AssetSpec]:
    """Rows of the topics, one per coordinate, by arrival hour; the dates they touch."""
    here = sys.modules[__name__]
    rows = [
        external_table(
            table(name), partitions, declared_in=here, deps=[dg.AssetDep(asset_key(topic(source)))]
        )
        for name, source in SOURCES.items()
    ]
    dates = []
    for name in DATED:
        bronze = table(name)
        # Event dates do not follow arrival hours, so the lineage edge maps nothing.
        lineage = dg.AssetDep(asset_key(bronze), partition_mapping=dg.AllPartitionMapping())
        contract = table(f"ops.{bronze.name}_dates")
        dates.append(external_table(contract, partitions, declared_in=here, deps=[lineage]))
    return [*rows, *dates]
