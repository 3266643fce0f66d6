"""The topics as external assets.

Belongs here: which topic feeds which. Does not belong here: fields and retention (contracts), health checks.
"""

import sys

import dagster as dg

from media_analytics.contracts.registry import topic
from media_analytics.contracts.topics import families
from media_analytics.factory import asset_key, external_table
from media_analytics.partitions import Partitions

USER_RAW = topic("user.raw")
USER_LATEST = topic("user.latest")
DEAD_LETTERS = topic("dead_letters")


def specs(partitions: Partitions) -> list[dg.AssetSpec]:
    """Events from the collector by family, enriched events, and what could not become an event."""
    here = sys.modules[__name__]
    raw = dg.AssetDep(asset_key(USER_RAW))
    first = [dg.AssetDep(asset_key(contract)) for contract in families.CONTRACTS]
    return [
        external_table(USER_RAW, partitions, declared_in=here),
        external_table(USER_LATEST, partitions, declared_in=here, deps=[raw]),
        *(external_table(contract, partitions, declared_in=here) for contract in families.CONTRACTS),
        external_table(DEAD_LETTERS, partitions, declared_in=here, deps=[raw, *first]),
    ]
