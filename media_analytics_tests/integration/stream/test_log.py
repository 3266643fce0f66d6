"""The log of a table that is written every few seconds stays bounded."""

import os
import re
import time
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from media_analytics.contracts.delta import set_properties_sql
from media_analytics.contracts.registry import table
from media_analytics.contracts.spark import spark_schema
from media_analytics.migrations import lake_tables
from media_analytics.resources.delta_log import DeltaLog
from media_analytics_tests.services.embedded import Embedded
from spark_jobs.user_events import positions
from spark_jobs.user_events.positions import APPLICATION, Bounds

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
CONTRACT = table("ops.user_events_dates")
LONG_AGO = 3 * 86_400
EVERY = 3


def commit(spark: SparkSession, path: str, number: int) -> None:
    """What the stream does with a batch without rows."""
    empty = spark.createDataFrame([], spark_schema(CONTRACT))
    writing = empty.write.format("delta").mode("append")
    writing = writing.option("txnAppId", APPLICATION).option("txnVersion", number)
    writing.option("userMetadata", Bounds(number, "t", {0: number - 1}, {0: number}).note()).save(path)


def test_commits_older_than_the_contract_says_are_removed_and_readers_go_on(
    spark: Embedded, spark_session: SparkSession, tmp_path: Path
) -> None:
    """Would catch a log that grows for ever, and a reader or a start that needs what was cleaned."""
    settings = spark.settings_with(LAKE__URL=str(tmp_path))
    path = settings.lake.table_path("ops", "user_events_dates")
    lake_tables.create(CONTRACT, path)
    # Cleaned with each checkpoint; a checkpoint every third commit keeps the test short.
    spark_session.sql(set_properties_sql({"delta.checkpointInterval": str(EVERY)}, path))
    log = Path(path) / "_delta_log"
    for number in range(1, 5):
        commit(spark_session, path, number)
    aged = DeltaTable(path).version()
    long_ago = time.time() - LONG_AGO
    for file in log.iterdir():
        os.utime(file, (long_ago, long_ago))
    for number in range(5, 5 + 2 * EVERY):
        commit(spark_session, path, number)

    newest = DeltaTable(path).version()
    # Files of commits, their checksums and checkpoints, and the hidden checksums of the local file system.
    versions = {int(found[0]) for file in log.iterdir() if (found := re.search(r"\d{20}", file.name))}
    assert versions == set(range(aged + 1, newest + 1)), sorted(file.name for file in log.iterdir())
    last = positions.last_batch(path)
    assert last is not None
    assert (last.number, last.end) == (4 + 2 * EVERY, {0: 4 + 2 * EVERY})
    reader = DeltaLog(settings)
    assert reader.transaction(CONTRACT, APPLICATION) == (newest, last.number)
    assert not reader.tail(CONTRACT, after=0).is_complete
    assert reader.tail(CONTRACT, after=newest - 1).is_complete
