"""The Spark Connect server with Delta.

Belongs here: its configuration and command line. Does not belong here: sessions (`media_analytics.resources`), the
streaming sink's own Spark (`spark_jobs`).
"""

import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

import pyspark

from media_analytics.local import java_cache
from media_analytics.local.artifacts import Artifacts
from media_analytics.local.commands import Command
from media_analytics.local.environment import is_debug
from media_analytics.local.files import write_atomically
from media_analytics.local.home import Home

# A heap that need not grow, and room for the classes of Spark: full collections took 3 % of a young server's time.
# Queries of new shapes come all day: the second compiler (C2) took 40 % of the server's CPU time. It starts later, for
# code that is really hot (decision 0048).
_JAVA = (
    "-XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Xms640m -Xmn320m -XX:MetaspaceSize=320m "
    "-XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 "
    "-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)
# A VACUUM took 114 s with the default parallelism of the partition discovery, 7 s with 2.
_DEFAULTS = """spark.master local[2]
spark.driver.memory 1g
spark.driver.extraJavaOptions {java} -Dderby.system.home={folder}{cache}
{ui}spark.ui.showConsoleProgress false
spark.sql.session.timeZone UTC
spark.sql.shuffle.partitions 2
spark.sql.extensions io.delta.sql.DeltaSparkSessionExtension
spark.sql.catalog.spark_catalog org.apache.spark.sql.delta.catalog.DeltaCatalog
spark.databricks.delta.snapshotPartitions 2
spark.sql.sources.parallelPartitionDiscovery.parallelism 2
spark.sql.warehouse.dir {warehouse}
spark.local.dir {scratch}
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.connect.grpc.binding.address 127.0.0.1
spark.connect.grpc.binding.port {port}
spark.connect.authenticate.token {token}
"""

# On loopback (SPARK_LOCAL_IP), for whoever works on this machine; nobody ends a query by a click.
_PAGE = """spark.ui.enabled true
spark.ui.port {port}
spark.port.maxRetries 0
spark.ui.killEnabled false
"""
_NO_PAGE = "spark.ui.enabled false\n"

_LOGGING = """status=error
appender.console.type=Console
appender.console.name=console
appender.console.target=SYSTEM_ERR
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
"""


def command(home: Home, artifacts: Artifacts, environ: Mapping[str, str]) -> Command:
    """Write the configuration (0600, it holds the token) and say how the server is started."""
    folder = home.service_folder("spark")
    scratch = home.service_folder("spark/scratch")
    configuration = home.service_folder("spark/conf")
    write_atomically(
        configuration / "spark-defaults.conf",
        _DEFAULTS.format(
            folder=folder,
            java=_JAVA,
            cache="".join(f" {option}" for option in java_cache.options(artifacts, environ)),
            warehouse=folder / "warehouse",
            scratch=scratch,
            port=home.ports["spark"],
            ui=_PAGE.format(port=home.ports["spark_ui"]) if is_debug(home) else _NO_PAGE,
            token=home.secrets.spark_token,
        ),
    )
    write_atomically(configuration / "log4j2.properties", _LOGGING)
    return Command(
        (
            str(Path(pyspark.__file__).parent / "bin" / "spark-submit"),
            *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
            *("--driver-class-path", java_cache.class_path(artifacts)),
            "spark-internal",
        ),
        folder,
        spark_environment(artifacts, environ) | {"SPARK_CONF_DIR": str(configuration)},
    )


def accepts_token(port: int, token: str, timeout_seconds: float) -> bool:
    """Whether the server on this port knows our token; a stranger's server refuses it."""
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/spark.connect.SparkConnectService/ReleaseSession"
        )
        authorization = (("authorization", f"Bearer {token}"),)
        try:
            call(release_request(str(uuid.uuid4())), timeout=timeout_seconds, metadata=authorization)
        except grpc.RpcError:
            return False
    return True


def release_request(session_id: str) -> bytes:
    """Spark Connect's `ReleaseSessionRequest` of a session that nobody has: answered at once, and nothing is logged.

    By hand, because importing pyspark's own messages takes 1.6 s.
    """
    user = _text_field(1, "readiness")
    return _text_field(1, session_id) + _field(2, user) + _text_field(3, "media-analytics")


def _text_field(number: int, value: str) -> bytes:
    return _field(number, value.encode())


def _field(number: int, data: bytes) -> bytes:
    """A field of a protobuf message: tag of a field with a length below 128, length, bytes."""
    return bytes((number << 3 | 2, len(data))) + data


def spark_environment(artifacts: Artifacts, environ: Mapping[str, str]) -> dict[str, str]:
    """What any process that starts a Spark JVM needs."""
    return {
        "JAVA_HOME": str(artifacts.spark_java_home(environ)),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        # For a Spark of one's own, the streaming sink's: the begin of its class path, and options of its JVM.
        "MEDIA_ANALYTICS_SPARK_CLASS_PATH": java_cache.class_path(artifacts),
        "MEDIA_ANALYTICS_SPARK_JAVA_OPTIONS": " ".join(java_cache.options(artifacts, environ)),
    }
