"""A topic, a lake and a stream process for tests.

Belongs here: producing to `user.latest` as the enricher does, starting and ending the stream, reading bronze without
Spark. Does not belong here: assertions.
"""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
from confluent_kafka import Producer
from deltalake import DeltaTable, write_deltalake

from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.registry import table
from media_analytics.local import artifacts
from media_analytics.local.environment import base_environment
from media_analytics.local.spark import spark_environment
from media_analytics.settings import Settings, load_settings
from media_analytics_tests.builders import streams
from media_analytics_tests.builders.streams import NOON
from media_analytics_tests.services.embedded import Embedded, wait_until
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.registry import RegistryClient

TOPIC = "user.latest"


def latest_event(number: int, **fields: Any) -> dict[str, Any]:
    """A record of `user.latest` whose coordinates follow from its number."""
    event: dict[str, Any] = {f["name"]: None for f in Codec.from_file(TOPIC).schema["fields"]}
    known = {k: v for k, v in streams.raw_event(number).items() if k in event}
    return (
        event
        | known
        | {
            "is_clock_corrected": False,
            "device_type": "desktop",
            "is_bot": False,
            "referrer_medium": "direct",
            "enrichment_version": "1",
            "source_topic": "user.raw",
            "source_partition": number % 6,
            "source_offset": number // 6,
            "appended_at": NOON + 2_000_000,
        }
        | fields
    )


@dataclass
class World:
    """One lake, one topic, at most one stream."""

    stack: Embedded
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.codec = Codec.from_file(TOPIC)
        registry = RegistryClient(self.settings.registry.url)
        self.header = header(registry.id_for(f"{TOPIC}-value", self.codec.schema))
        registry.close()
        self.producer = self.new_producer()

    def new_producer(self) -> Producer:
        config = {"transactional.id": f"test-{uuid.uuid4()}", "linger.ms": 5}
        producer = Producer(self.settings.kafka.client_config() | config)
        producer.init_transactions(30)
        return producer

    @property
    def environment(self) -> dict[str, str]:
        return self.stack.environment | {
            "MEDIA_ANALYTICS_HOME": str(self.folder),
            "MEDIA_ANALYTICS_LAKE__URL": str(self.folder / "lake"),
            "MEDIA_ANALYTICS_STREAM__TRIGGER_SECONDS": "0.5",
            **self.extra,
        }

    @property
    def settings(self) -> Settings:
        return load_settings(self.environment)

    def table(self, name: str) -> str:
        layer, _, table = name.partition(".")
        return self.settings.lake.table_path(layer, table)

    def send(self, events: Sequence[dict[str, Any]], *, commit: bool = True) -> None:
        """One transaction; partition as in the first topic."""
        values = [(self.header + self.codec.encode(e), e["source_partition"]) for e in events]
        self.send_bytes(values, commit=commit)

    def send_bytes(self, values: Sequence[tuple[bytes | None, int]], *, commit: bool = True) -> None:
        self.producer.begin_transaction()
        for value, partition in values:
            self.producer.produce(TOPIC, value, partition=partition)
        if commit:
            self.producer.commit_transaction(30)
        else:
            assert self.producer.flush(30) == 0
            self.producer.abort_transaction(30)

    def fill_first_topic(self, count: int) -> None:
        """Records in every partition of `user.raw`; the stream asks only whether they are there."""
        raw = streams.Raw(self.settings)
        for partition in range(6):
            # Whole events: tests of other folders read the same topic.
            raw.send([streams.raw_event(n) for n in range(count)], partition)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the stream; with arguments the runner that kills itself."""
        module = (
            "media_analytics_tests.integration.stream.runner"
            if arguments
            else "spark_jobs.jobs.user_events_stream"
        )
        return self._popen(module, arguments)

    def command(self, *arguments: str) -> int:
        """Run the stream's command line to its end."""
        return self._popen("spark_jobs.jobs.user_events_stream", arguments).wait(120)

    def _popen(self, module: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        assert self.process is None or self.process.poll() is not None
        fetched = artifacts.Artifacts(artifacts.cache_folder(os.environ))
        environment = base_environment(os.environ) | self.environment | spark_environment(fetched, os.environ)
        with (self.folder / "stream.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], env=environment, stdout=log, stderr=log
            )
        return self.process

    def log(self) -> str:
        return (self.folder / "stream.log").read_text("utf-8", "replace")

    def health(self) -> dict[str, Any]:
        file = self.settings.health_file("stream")
        return json.loads(file.read_text("utf-8")) if file.exists() else {}

    def java_children(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    def rows(
        self, name: str = "bronze.user_events", columns: list[str] | None = None
    ) -> list[dict[str, Any]]:
        return DeltaTable(self.table(name)).to_pyarrow_table(columns=columns).to_pylist()

    def append(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """One commit with rows; a column that a row does not name is null."""
        schema = arrow_schema(table(name))
        data = pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema)
        write_deltalake(DeltaTable(self.table(name)), data, mode="append")

    def coordinates(self) -> list[tuple[int, int]]:
        found = self.rows(columns=["source_partition", "source_offset"])
        return sorted((row["source_partition"], row["source_offset"]) for row in found)

    def wait_for_rows(self, count: int, timeout_seconds: float = 240) -> None:
        def there() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log()[-3000:]
            return DeltaTable(self.table("bronze.user_events")).count() >= count

        wait_until(there, timeout_seconds, lambda: f"{count} rows are not there: {self.log()[-3000:]}")

    def wait_for_end(self, timeout_seconds: float = 240) -> int:
        assert self.process is not None
        return self.process.wait(timeout_seconds)


def expected(events: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    return sorted((e["source_partition"], e["source_offset"]) for e in events)
