"""The Kafka brokers: one combined KRaft node, or three.

Belongs here: their configuration, formatting their storage once, their command line, whether an answer is ours. Does
not belong here: topics (contracts make them), users and their rights (`kafka_users`), clients.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from media_analytics.errors import ServiceError
from media_analytics.local import kafka_security
from media_analytics.local.artifacts import Artifacts
from media_analytics.local.commands import Command
from media_analytics.local.files import write_atomically
from media_analytics.local.home import Home
from media_analytics.local.java import bundled_java
from media_analytics.local.services import BROKERS
from media_analytics.settings import Kafka

_PORTS = tuple(name.replace("-", "_") for name in BROKERS)

_JVM = (
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",
)
# Of one broker alone, and of each of three: together they then use 600 MB instead of 200.
_HEAP_ALONE, _HEAP_OF_SEVERAL = "-Xmx384m", "-Xmx256m"

# The short broker session lets a broker killed by -9 come back in 10 s instead of 15 s.
_PROPERTIES = """process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=BROKER://127.0.0.1:{port}
listener.security.protocol.map={protocols}
controller.listener.names=CONTROLLER
inter.broker.listener.name=BROKER
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=8
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}
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

# Deny by default: a user may do what `migrations.access` grants. Brokers meet by the certificate that only they have.
_SECURITY = """sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.broker.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule \
  required username="{user}" password="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={key}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.controller.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:{admin};User:{user};User:CN={certificate}
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
logger.authorizer.name=kafka.authorizer.logger
logger.authorizer.level=info
"""


def command(home: Home, artifacts: Artifacts, environ: Mapping[str, str], node: int = 1) -> Command:
    """Write the configuration, format the storage at the first start, and say how broker `node` (1 to 3) is started.

    Raises:
        ServiceError: the storage cannot be formatted, or was formatted without the users that a secured log needs.
    """
    folder = home.service_folder(BROKERS[node - 1])
    data = folder / "data"
    properties = folder / "server.properties"
    logging = folder / "log4j2.properties"
    write_atomically(properties, configuration(home, node))
    write_atomically(logging, _LOGGING)
    java = (
        str(bundled_java()),
        *_JVM,
        _HEAP_ALONE if home.kafka.brokers == 1 else _HEAP_OF_SEVERAL,
        f"-Dlog4j2.configurationFile={logging}",
        f"-Dkafka.logs.dir={folder}",
        *("-cp", f"{artifacts.kafka_jars}/*"),
    )
    if not (data / "meta.properties").is_file():
        _format(home, folder, java, environ)
    elif home.kafka.secure and not knows_first_users(home):
        raise ServiceError(
            f"the event log in {data} was made before its users were; start it once without security, which "
            "adds them: `media-analytics down; media-analytics up --no-secure && media-analytics down && "
            "media-analytics up --secure`"
        )
    return Command((*java, "kafka.Kafka", str(properties)), folder)


def configuration(home: Home, node: int) -> str:
    """The text of `server.properties`. Secured, it holds a password: the file is 0600."""
    mode = home.kafka
    ports = [(home.ports[n], home.ports[f"{n}_controller"]) for n in _PORTS[: mode.brokers]]
    port, controller_port = ports[node - 1]
    text = _PROPERTIES.format(
        node=node,
        voters=",".join(f"{number}@127.0.0.1:{p}" for number, (_, p) in enumerate(ports, 1)),
        port=port,
        controller_port=controller_port,
        protocols="BROKER:SASL_SSL,CONTROLLER:SSL"
        if mode.secure
        else "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        data=home.path / BROKERS[node - 1] / "data",
        copies=mode.replication_factor,
        in_sync=max(1, mode.replication_factor - 1),
    )
    if not mode.secure:
        return text
    return text + _SECURITY.format(
        user=kafka_security.BROKER,
        password=kafka_security.password(home, kafka_security.BROKER),
        key=kafka_security.broker_file(home),
        authority=kafka_security.ca_file(home),
        admin=kafka_security.ADMIN,
        certificate=kafka_security.BROKER_NAME,
    )


def knows_first_users(home: Home) -> bool:
    """Whether the log holds the users, with our passwords, that are needed to make all others."""
    file = _first_users_file(home)
    return file.is_file() and file.read_text("utf-8") == kafka_security.first_users(home)


def remember_first_users(home: Home) -> None:
    """Note that the log holds them."""
    write_atomically(_first_users_file(home), kafka_security.first_users(home))


def _first_users_file(home: Home) -> Path:
    return home.service_folder(BROKERS[0]) / "first-users"


def _format(home: Home, folder: Path, java: tuple[str, ...], environ: Mapping[str, str]) -> None:
    """Format a storage with the first users in it, so that the log can be secured now or later."""
    arguments = folder / "format.arguments"
    users = [
        f"SCRAM-SHA-512=[name={user},password={kafka_security.password(home, user)}]"
        for user in kafka_security.FIRST_USERS
    ]
    words = ["format", "-t", home.kafka_cluster_id, "-c", str(folder / "server.properties")]
    # Passwords come in a file: everybody can list the arguments of a process.
    write_atomically(
        arguments, "\n".join([*words, *(word for user in users for word in ("--add-scram", user))])
    )
    try:
        answer = subprocess.run(
            [*java, "kafka.tools.StorageTool", f"@{arguments}"],
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        arguments.unlink()
    if answer.returncode != 0:
        raise ServiceError(
            f"Kafka's storage in {folder}/data could not be formatted: "
            f"{(answer.stderr or answer.stdout).strip()[-500:]}"
        )
    remember_first_users(home)


def address(home: Home, node: int = 1) -> Kafka:
    """How the stack itself reaches a broker: as admin, where the log is secured."""
    plain = Kafka(bootstrap_servers=f"127.0.0.1:{home.ports[_PORTS[node - 1]]}")
    if not home.kafka.secure:
        return plain
    return plain.model_copy(
        update={
            "security_protocol": "SASL_SSL",
            "ssl_ca_location": kafka_security.ca_file(home),
            "sasl_username": kafka_security.ADMIN,
            "sasl_password": SecretStr(kafka_security.password(home, kafka_security.ADMIN)),
        }
    )


def cluster_id(kafka: Kafka, timeout_seconds: float = 3.0) -> str | None:
    """The id of the cluster that answers at this address; None when nobody does.

    A metadata answer alone was once a stranger's broker on the same port, so callers compare the id.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient(
        {
            **kafka.client_config(),
            "socket.timeout.ms": int(timeout_seconds * 1000),
            "log_level": 0,
        }
    )
    try:
        answer = client.list_topics(timeout=timeout_seconds)
    except KafkaException:
        return None
    return str(answer.cluster_id) if answer.cluster_id else None
