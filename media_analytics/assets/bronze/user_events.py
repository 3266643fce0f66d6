"""bronze.user_events as an external asset: the Spark stream writes it.

Belongs here: its place in the lineage. Does not belong here: the stream (`spark_jobs/jobs`), its monitor
(`automation/`), maintenance (`ops.maintenance_requests`).
"""

import sys

import dagster as dg

from media_analytics.contracts.registry import table, topic
from media_analytics.factory import asset_key, external_table
from media_analytics.partitions import Partitions

CONTRACT = table("bronze.user_events")


def specs(partitions: Partitions) -> list[dg.AssetSpec]:
    """Rows of `user.latest`, one per coordinate, by arrival hour."""
    deps = [dg.AssetDep(asset_key(topic("user.latest")))]
    return [external_table(CONTRACT, partitions, declared_in=sys.modules[__name__], deps=deps)]
