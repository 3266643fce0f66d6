"""The Kafka broker: one combined KRaft node.

Belongs here: its configuration, formatting its storage once, its command line, whether an answer is ours. Does
not belong here: topics (contracts make them), clients.
"""

import subprocess
from collections.abc import Mapping

from media_analytics.errors import ServiceError
from media_analytics.local.artifacts import Artifacts
from media_analytics.local.commands import Command
from media_analytics.local.files import write_atomically
from media_analytics.local.home import Home
from media_analytics.local.java import bundled_java

_JVM = (
    "-Xms64m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",
)

# The short broker session lets a broker killed by -9 come back in 10 s instead of 15 s.
_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=8
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
log.segment.bytes=67108864
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
transaction.abort.timed.out.transaction.cleanup.interval.ms=2000
num.network.threads=2
num.io.threads=4
"""

_LOGGING = """status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
logger.broker.name=kafka.server.BrokerServer
logger.broker.level=info
logger.loader.name=org.apache.kafka.storage.internals.log.LogManager
logger.loader.level=info
"""


def command(home: Home, artifacts: Artifacts, environ: Mapping[str, str]) -> Command:
    """Write the configuration, format the storage at the first start, and say how the broker is started."""
    folder = home.service_folder("kafka")
    data = folder / "data"
    properties = folder / "server.properties"
    logging = folder / "log4j2.properties"
    write_atomically(
        properties,
        _PROPERTIES.format(broker=home.ports["kafka"], controller=home.ports["kafka_controller"], data=data),
    )
    write_atomically(logging, _LOGGING)
    java = (
        str(bundled_java()),
        *_JVM,
        f"-Dlog4j2.configurationFile={logging}",
        f"-Dkafka.logs.dir={folder}",
        *("-cp", f"{artifacts.kafka_jars}/*"),
    )
    if not (data / "meta.properties").is_file():
        _format(home, java, str(properties), environ)
    return Command((*java, "kafka.Kafka", str(properties)), folder)


def _format(home: Home, java: tuple[str, ...], properties: str, environ: Mapping[str, str]) -> None:
    arguments = ("format", "-t", home.kafka_cluster_id, "-c", properties)
    answer = subprocess.run(
        [*java, "kafka.tools.StorageTool", *arguments],
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if answer.returncode != 0:
        raise ServiceError(
            f"Kafka's storage in {home.path}/kafka/data could not be formatted: "
            f"{(answer.stderr or answer.stdout).strip()[-500:]}"
        )


def cluster_id(bootstrap_servers: str, timeout_seconds: float = 3.0) -> str | None:
    """The id of the cluster that answers at this address; None when nobody does.

    A metadata answer alone was once a stranger's broker on the same port, so callers compare the id.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient(
        {
            "bootstrap.servers": bootstrap_servers,
            "socket.timeout.ms": int(timeout_seconds * 1000),
            "log_level": 0,
        }
    )
    try:
        answer = client.list_topics(timeout=timeout_seconds)
    except KafkaException:
        return None
    return str(answer.cluster_id) if answer.cluster_id else None
