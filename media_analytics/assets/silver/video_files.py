"""silver.{assets,devices,geo,delivery,metrics} and the quarantine beside each: rows of the video files, cleaned.

Belongs here: the five steps as assets. Does not belong here: what a good row is
(`spark_jobs/transforms/video_files.py`).
"""

import sys

import dagster as dg

from media_analytics.contracts.tables.video_raw import DATASETS
from media_analytics.partitions import Partitions
from media_analytics.video_files.asset import silver_asset


def assets(partitions: Partitions, retries: dg.RetryPolicy) -> list[dg.AssetsDefinition]:
    """One step for each data set."""
    return [silver_asset(dataset, partitions, retries, sys.modules[__name__]) for dataset in DATASETS]
