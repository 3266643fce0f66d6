"""`python -m spark_jobs.jobs.user_events_stream`: the stream that fills bronze.user_events.

Belongs here: the command line, settings from the environment, the session. Does not belong here: what
the stream does (`spark_jobs.user_events`). With `--go-on-at OFFSETS` (JSON, partition to offset) it
commits a start chosen by a person and ends; the errors of a refused start name this as their fix.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from media_analytics.settings import Settings, load_settings
from spark_jobs.session import local_session
from spark_jobs.user_events.stream import NAME, UserEventsStream
from streaming.runtime import effects
from streaming.runtime.health import Health
from streaming.runtime.main import Process, run
from streaming.runtime.stop import StopSignal

# A broken datum can claim a length of gigabytes; Avro then refuses it instead of filling the heap. The second compiler
# pays for code that runs for minutes (decision 0022); at its usual thresholds it costs more than it saves.
_JVM_OPTIONS = (
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
    # The code of sixty columns is longer than what the compiler takes without being asked.
    "-XX:-DontCompileHugeMethods",
    "-Dorg.apache.avro.limits.string.maxLength=16777216",
    "-Dorg.apache.avro.limits.bytes.maxLength=16777216",
    "-Dorg.apache.avro.limits.collectionItems.maxLength=65536",
)


def process(
    environ: Mapping[str, str], go_on_at: dict[int, int] | None = None, hook: effects.Hook = effects.nothing
) -> Process:
    """What runs under `streaming.runtime.main`. `environ` says where Spark's extra jars are."""

    def stream(settings: Settings, health: Health, stop: StopSignal) -> None:
        health.report("waiting", "starting Spark")
        session = _session(settings, environ)
        try:
            made = UserEventsStream(settings, session, health, stop, hook)
            if go_on_at is None:
                made.run()
            else:
                made.go_on_at(go_on_at)
        finally:
            # A signal to the whole process group ends Java first.
            with suppress(Py4JError, OSError):
                session.stop()

    return stream


def _session(settings: Settings, environ: Mapping[str, str]) -> SparkSession:
    return local_session(
        "media-analytics user events",
        settings.home / "run" / "stream-scratch",
        environ,
        memory=settings.stream.driver_memory,
        cores=settings.spark.cores,
        jvm_options=" ".join(_JVM_OPTIONS),
        extra={
            # Two progress records are enough for health; the default keeps a hundred.
            "spark.sql.streaming.numRecentProgressUpdates": "2",
            # Batches are small: one task finishes them sooner than two start.
            "spark.sql.shuffle.partitions": "1",
            "spark.databricks.delta.snapshotPartitions": "1",
            # Compiling a plan of sixty columns costs seconds each time; interpreting some hundred rows does not. Large
            # batches compile their expressions (`Batches`).
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.adaptive.enabled": "false",
            # A decoded batch is kept for seconds: finding the best compression of each column costs more than it saves.
            "spark.sql.inMemoryColumnarStorage.compressed": "false",
        },
    )


def main(arguments: Sequence[str]) -> int:
    """Parse the arguments and run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m spark_jobs.jobs.user_events_stream")
    parser.add_argument("--go-on-at", metavar="OFFSETS", help='JSON, partition to offset: {"0": 17}')
    given = parser.parse_args(arguments)
    offsets = {int(p): int(o) for p, o in json.loads(given.go_on_at).items()} if given.go_on_at else None
    return run(NAME, load_settings, os.environ, process(os.environ, offsets))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
