"""warehouse.*: tables of silver and gold that ClickHouse holds as they are.

Belongs here: their place in the graph. Does not belong here: which tables these are
(`contracts/tables/warehouse.py`), how rows are copied (`media_analytics/warehouse`).
"""

import sys
from collections.abc import Callable
from typing import Any

import dagster as dg

from media_analytics.contracts.registry import TABLES
from media_analytics.factory import asset_key
from media_analytics.partitions import Partitions
from media_analytics.warehouse.asset import copy_asset
from media_analytics.warehouse.statements import original

COPIES = tuple(contract for contract in TABLES.values() if contract.copy_of is not None)


def assets(
    partitions: Partitions, due: Callable[[dg.AssetKey], dg.AutomationCondition[Any]]
) -> list[dg.AssetsDefinition]:
    """One asset a copy; `due` makes the condition from the key of its original."""
    here = sys.modules[__name__]
    return [copy_asset(contract, partitions, here, due(asset_key(original(contract)))) for contract in COPIES]
