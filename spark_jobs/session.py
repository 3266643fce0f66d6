"""A Spark session in a process of its own.

Belongs here: how a job's JVM is sized and configured. Does not belong here: the Spark Connect session
of batch assets (`media_analytics.resources.spark`), where Java and the jars come from (the environment:
`JAVA_HOME`, and the folder that `MEDIA_ANALYTICS_SPARK_JARS` names; a cluster's image has them on its
class path).
"""

from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import SparkSession

JARS_VARIABLE = "MEDIA_ANALYTICS_SPARK_JARS"
_CONFIGURATION = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
    # A VACUUM took 114 s with the default parallelism, 7 s with 2.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
_JVM = "-XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true"


def local_session(
    app_name: str,
    scratch: Path,
    jars: str | None = None,
    memory: str = "768m",
    cores: int = 2,
    jvm_options: str = "",
    extra: Mapping[str, str] | None = None,
) -> SparkSession:
    """A classic session whose JVM is a child of this process and ends with it.

    Args:
        app_name: what logs call it.
        scratch: folder for shuffle files and whatever Spark wants to leave behind.
        jars: folder with Delta, Kafka source and Avro; None when they are on Spark's class path already.
        memory: heap of the JVM, as Java writes it.
        cores: threads that tasks run on.
        jvm_options: further options of the JVM.
        extra: further configuration, which wins.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    configuration = _CONFIGURATION | {
        "spark.driver.memory": memory,
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.driver.extraJavaOptions": f"{_JVM} -Dderby.system.home={scratch} {jvm_options}",
    }
    if jars:
        configuration["spark.driver.extraClassPath"] = f"{jars}/*"
    builder = SparkSession.builder.appName(app_name).master(f"local[{cores}]")
    for name, value in (configuration | dict(extra or {})).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
