"""Single services of a temporary home: each starts alone, is ours, and listens on loopback only."""

import signal
from collections.abc import Callable

import psutil
import pytest

from media_analytics.local import kafka as kafka_service
from media_analytics.local import spark as spark_service
from media_analytics.local.services import service
from media_analytics_tests.services.embedded import Embedded

pytestmark = pytest.mark.integration


def _listening(embedded: Embedded, name: str) -> set[str]:
    process = psutil.Process(embedded.processes[name].pid)
    return {c.laddr.ip for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}


def test_kafka_answers_with_the_cluster_id_of_its_home(kafka: Embedded) -> None:
    found = kafka_service.cluster_id(kafka.settings.kafka)
    assert found == kafka.home.kafka_cluster_id


@pytest.mark.parametrize("name", ["kafka", "registry", "spark", "clickhouse"])
def test_a_service_listens_on_loopback_only(embedded: Embedded, name: str) -> None:
    embedded.start(name)
    assert _listening(embedded, name) <= {"127.0.0.1", "::ffff:127.0.0.1"}


@pytest.mark.parametrize("name", ["kafka", "registry", "spark", "clickhouse"])
def test_a_service_becomes_the_process_that_was_started(embedded: Embedded, name: str) -> None:
    embedded.start(name)
    process = psutil.Process(embedded.processes[name].pid)
    assert "media_analytics.local.launch" not in process.cmdline()
    assert process.nice() == min(19, psutil.Process().nice() + service(name).nice)


def test_a_service_ends_when_told_although_a_shell_started_it_in_the_background(
    make_embedded: Callable[..., Embedded],
) -> None:
    """Signals that are ignored stay ignored across exec: Java would be killed after its time to stop."""
    stack = make_embedded()
    stood = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        stack.begin("kafka")
    finally:
        signal.signal(signal.SIGTERM, stood)
    stack.wait_ready("kafka")
    assert stack.stop("kafka") == 128 + signal.SIGTERM


def test_java_services_get_no_secret(kafka: Embedded) -> None:
    environment = psutil.Process(kafka.processes["kafka"].pid).environ()
    names = {name for name in environment if name.startswith("MEDIA_ANALYTICS_")}
    assert names == {"MEDIA_ANALYTICS_HOME", "MEDIA_ANALYTICS_SUPERVISED"}


def test_the_spark_server_knows_its_token_and_is_asked_quietly(spark: Embedded) -> None:
    """Would catch a stranger's server taken for ours, and a start that fills the log with stack traces."""
    port, token = spark.home.ports["spark"], spark.home.secrets.spark_token
    # Other tests of this server fill its log, too.
    before = len(spark.home.log_file("spark").read_text("utf-8"))
    assert spark_service.accepts_token(port, token, 5)
    assert not spark_service.accepts_token(port, f"{token}x", 5)
    log = spark.home.log_file("spark").read_text("utf-8")[before:]
    assert "INVALID_HANDLE" not in log
    assert "\tat org.apache.spark.sql.connect" not in log
