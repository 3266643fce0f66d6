"""A Spark session in a process of its own.

Belongs here: how a job's JVM is sized and configured. Does not belong here: the Spark Connect session
of batch assets (`media_analytics.resources.spark`), where Java and the jars come from (the environment:
`JAVA_HOME`, `MEDIA_ANALYTICS_SPARK_CLASS_PATH` and `MEDIA_ANALYTICS_SPARK_JAVA_OPTIONS`; a cluster's image has all
on its class path).
"""

from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import SparkSession

CLASS_PATH_VARIABLE = "MEDIA_ANALYTICS_SPARK_CLASS_PATH"
JAVA_OPTIONS_VARIABLE = "MEDIA_ANALYTICS_SPARK_JAVA_OPTIONS"
_CONFIGURATION = {
    "spark.ui.showConsoleProgress": "false",
    "spark.ui.enabled": "false",
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
_LOGGING = """status=error
appender.console.type=Console
appender.console.name=console
appender.console.target=SYSTEM_ERR
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
# One warning for each field of each batch, about nulls that the caller has ruled out.
logger.avro.name=org.apache.spark.sql.avro.AvroSerializer
logger.avro.level=error
# A batch that waited for maintenance, and adaptive execution that streams do not have.
logger.plans.name=org.apache.spark.util.SparkStringUtils
logger.plans.level=error
logger.trigger.name=org.apache.spark.sql.execution.streaming.runtime
logger.trigger.level=error
"""
_JVM = "-XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true"


def local_session(
    app_name: str,
    scratch: Path,
    environ: Mapping[str, str],
    memory: str = "768m",
    cores: int = 2,
    jvm_options: str = "",
    extra: Mapping[str, str] | None = None,
) -> SparkSession:
    """A classic session whose JVM is a child of this process and ends with it.

    Args:
        app_name: what logs call it.
        scratch: folder for shuffle files and whatever Spark wants to leave behind.
        environ: names Delta, Kafka source and Avro where they are not on Spark's class path already.
        memory: heap of the JVM, as Java writes it.
        cores: threads that tasks run on.
        jvm_options: further options of the JVM.
        extra: further configuration, which wins.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    logging = scratch / "log4j2.properties"
    logging.write_text(_LOGGING, "utf-8")
    options = (
        *(_JVM, jvm_options, environ.get(JAVA_OPTIONS_VARIABLE, "")),
        f"-Dderby.system.home={scratch}",
        f"-Dlog4j2.configurationFile={logging.as_uri()}",
    )
    configuration = _CONFIGURATION | {
        "spark.driver.memory": memory,
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.driver.extraJavaOptions": " ".join(options),
    }
    if class_path := environ.get(CLASS_PATH_VARIABLE):
        configuration["spark.driver.extraClassPath"] = class_path
    configuration |= object_store(environ)
    builder = SparkSession.builder.appName(app_name).master(f"local[{cores}]")
    for name, value in (configuration | dict(extra or {})).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def object_store(environ: Mapping[str, str]) -> dict[str, str]:
    """Where `s3a://` addresses are when that is not AWS. Hadoop finds keys in the usual variables, not all of this."""
    endpoint = environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return {}
    return {
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": environ.get("AWS_REGION", "us-east-1"),
        # Without it the bucket would be a part of the host's name.
        "spark.hadoop.fs.s3a.path.style.access": "true",
    }
