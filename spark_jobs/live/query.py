"""A query that runs until it is stopped.

Belongs here: starting it, its new rows, ending it so that nothing stays on the server. Does not belong here: how rows
are shown, where the checkpoint lies.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Literal

from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession

from media_analytics.errors import ServiceError

Mode = Literal["update", "append", "complete"]
_POLL_SECONDS = 0.3


class LiveQuery:
    """One streaming query of one session, with its rows in the server's memory until it ends."""

    def __init__(
        self, spark: SparkSession, sql: str, mode: Mode, trigger_seconds: float, checkpoint: str
    ) -> None:
        """Start it.

        Raises:
            PySparkException: Spark does not take the statement.
            ServiceError: the statement reads no topic.
        """
        self._spark = spark
        self._mode = mode
        self._name = f"live_{uuid.uuid4().hex}"
        frame = spark.sql(sql)
        if not frame.isStreaming:
            raise ServiceError(
                "the statement reads no topic, so nothing would ever be new; name a topic after FROM"
            )
        self.columns = frame.columns
        writer = frame.writeStream.format("memory").queryName(self._name).outputMode(mode)
        writer = writer.option("checkpointLocation", checkpoint)
        self._query = writer.trigger(processingTime=f"{int(trigger_seconds * 1000)} milliseconds").start()

    def batches(
        self, most_seconds: float | None, most_rows: int, is_stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[list[Row]]:
        """New rows as they come; in mode `complete` the whole result each time it changed.

        Ends after `most_seconds`, when `is_stopped`, or when the result has `most_rows` rows: they are kept in the
        server's memory.

        Raises:
            ServiceError: the query failed.
        """
        deadline = None if most_seconds is None else time.monotonic() + most_seconds
        seen, last = 0, -1
        while not is_stopped() and (deadline is None or time.monotonic() < deadline):
            if not self._query.isActive:
                failed = self._query.exception()
                raise ServiceError(f"the query ended: {short(failed) if failed else 'the server stopped it'}")
            progress = self._query.lastProgress
            number = -1 if progress is None else int(progress["batchId"])
            if number != last:
                last = number
                table = self._spark.table(self._name)
                rows = table.collect() if self._mode == "complete" else table.offset(seen).collect()
                seen = len(rows) if self._mode == "complete" else seen + len(rows)
                if rows:
                    yield rows
                if seen >= most_rows:
                    return
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End the query on the server; its state goes with it."""
        self._query.stop()
        self._spark.catalog.dropTempView(self._name)


def short(error: BaseException) -> str:
    """What a person needs of Spark's message: no plan, no stack."""
    text = error.getMessage() if isinstance(error, PySparkException) else None
    lines = [line.strip() for line in (text or str(error)).splitlines() if line.strip()]
    kept: list[str] = []
    for line in lines:
        if line.startswith(("'", "+-", "JVM stacktrace", "at ", "org.apache", "== Physical")):
            break
        kept.append(line)
    return " ".join(kept)[:600] or type(error).__name__
