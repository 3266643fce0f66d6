"""bronze.raw_*: rows of the video files as they were in the files, and ops.video_files, the ledger of the files.

Belongs here: the six tables as assets. Does not belong here: loading (`media_analytics/video_files`).
"""

import sys

import dagster as dg

from media_analytics.contracts.tables.video_raw import DATASETS
from media_analytics.factory import asset_key, external_table
from media_analytics.partitions import Partitions
from media_analytics.video_files import ledger
from media_analytics.video_files.asset import ingest_asset
from media_analytics.video_files.reading import bronze


def assets(partitions: Partitions, retries: dg.RetryPolicy) -> list[dg.AssetsDefinition]:
    """The step that loads files."""
    return [ingest_asset(partitions, retries, sys.modules[__name__])]


def specs(partitions: Partitions) -> list[dg.AssetSpec]:
    """The ledger; runs that load files write it."""
    deps = [
        dg.AssetDep(asset_key(bronze(dataset)), partition_mapping=dg.AllPartitionMapping())
        for dataset in DATASETS
    ]
    return [external_table(ledger.CONTRACT, partitions, declared_in=sys.modules[__name__], deps=deps)]
