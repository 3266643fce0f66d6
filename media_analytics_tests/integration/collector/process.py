"""A collector process for tests, and what it left in Kafka.

Belongs here: starting and ending `python -m streaming.collector`, creating its topics and schemas, reading them back.
Does not belong here: fixtures and tests.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from media_analytics.settings import load_settings
from media_analytics_tests.services.embedded import Embedded, wait_until
from streaming.codecs.avro import Codec
from streaming.codecs.families import families
from streaming.codecs.framing import unframe
from streaming.codecs.registry import RegistryClient

TOPICS = {family.topic: 6 if family.name == "user" else 3 for family in families().values()} | {
    "dead_letters": 1
}


def prepare(home: Embedded) -> None:
    """Create the collector's topics and register its schemas, as `contracts apply` does."""
    admin = AdminClient(home.settings.kafka.client_config())
    known = admin.list_topics(timeout=10).topics
    config = {"message.timestamp.type": "LogAppendTime"}
    wanted = [NewTopic(t, n, 1, config=config) for t, n in TOPICS.items() if t not in known]
    for created in admin.create_topics(wanted).values() if wanted else ():
        created.result(30)
    registry = RegistryClient(home.settings.registry.url)
    for topic in TOPICS:
        registry.id_for(f"{topic}-value", Codec.from_file(topic).schema, register=True)
    registry.close()


class Collector:
    """One collector process. `variables` are settings, without their prefix."""

    def __init__(self, home: Embedded, log: Path, **variables: str) -> None:
        extra = {f"MEDIA_ANALYTICS_{name}": value for name, value in variables.items()}
        # A port of its own: the module's collector may run beside it.
        self.environment = home.environment | {"MEDIA_ANALYTICS_COLLECTOR__URL": _free_url()} | extra
        self.settings = load_settings(self.environment)
        self.url = self.settings.collector.url
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, ready: bool = True) -> "Collector":
        """Start the process and wait until it answers, or until it is ready."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streaming.collector"],
                env={k: v for k, v in os.environ.items() if not k.startswith("MEDIA_ANALYTICS_")}
                | self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        path, wanted = ("/ready", {200}) if ready else ("/ping", {200})
        self.wait_for(path, wanted)
        return self

    def wait_for(self, path: str, statuses: set[int], timeout_seconds: float = 60) -> None:
        """Poll a page until it answers with one of the statuses."""

        def answered() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"the collector ended: {self.log_tail()}"
            try:
                return httpx.get(self.url + path, timeout=5, trust_env=False).status_code in statuses
            except httpx.HTTPError:
                return False

        wait_until(answered, timeout_seconds, lambda: f"{path} never answered {statuses}: {self.log_tail()}")

    def log_tail(self) -> str:
        """The end of the log."""
        return self._log.read_text("utf-8", "replace")[-3000:]

    def rss_kib(self) -> int:
        """Memory the process holds."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(20)
        finally:
            if self.process.poll() is None:
                self.kill()


def _free_url() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{found.getsockname()[1]}"


def metrics_of(client: httpx.Client) -> dict[str, float]:
    """The samples of `/metrics` by name and labels."""
    lines = client.get("/metrics").text.splitlines()
    return {
        name: float(value) for name, _, value in (x.rpartition(" ") for x in lines if not x.startswith("#"))
    }


def ends_of(home: Embedded, topic: str) -> dict[int, int]:
    """Where each partition of the topic ends now.

    Tests of one broker take it first and read from there: others have written to the topic before
    them, letters with keys of their own among it.
    """
    consumer = Consumer({**home.settings.kafka.client_config(), "group.id": "test"})
    try:
        parts = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in parts}
    finally:
        consumer.close()


def read_topic(home: Embedded, topic: str, since: Mapping[int, int] | None = None) -> list[dict[str, Any]]:
    """Every record from `since` (or the first) to the end of now, decoded, with its coordinates.

    The coordinates are `_partition` and `_offset`.
    """
    config = {
        "group.id": "test",
        "enable.auto.commit": False,
        "fetch.wait.max.ms": 50,
        "enable.partition.eof": True,
    }
    consumer = Consumer({**home.settings.kafka.client_config(), **config})
    registry = RegistryClient(home.settings.registry.url)
    codecs: dict[int, Codec] = {}
    records: list[dict[str, Any]] = []
    try:
        parts = sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        starts = since or {}
        consumer.assign([TopicPartition(topic, p, starts.get(p, 0)) for p in parts])
        deadline = time.monotonic() + 60
        ended: set[int] = set()
        while len(ended) < len(parts):
            assert time.monotonic() < deadline, f"{topic} was not read to its end in 60 s"
            for message in consumer.consume(1000, 0.1):
                error = message.error()
                if error is not None:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    ended.add(message.partition())
                    continue
                schema_id, datum = unframe(message.value())
                if schema_id not in codecs:
                    codecs[schema_id] = Codec(registry.schema_by_id(schema_id))
                record = codecs[schema_id].decode(datum)
                records.append(record | {"_partition": message.partition(), "_offset": message.offset()})
        return records
    finally:
        consumer.close()
        registry.close()
