"""Writes records to Kafka and knows when they are safe.

Belongs here: the producer, its delivery reports, whether Kafka can be used now. Does not belong here: HTTP.
Guarantee: `write` returns only after every record was acknowledged by all in-sync replicas. The producer is
idempotent and not transactional, so offsets of its topics are contiguous. A record whose request was
answered 503 may still be stored (at least once, same event id).

Delivery reports are fetched by the event loop itself, every two milliseconds while any is awaited: a thread of its own
would fight for the interpreter lock once per record.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from media_analytics.settings import Settings
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.generate import Schema
from streaming.codecs.registry import RegistryClient, RegistryError, RegistryUnreachableError
from streaming.collector.answers import Unavailable
from streaming.runtime import clients

log = logging.getLogger(__name__)

LINGER_MS = 15
# Records and bytes waiting in this process; one more is answered 503.
_QUEUE_RECORDS = 200_000
_QUEUE_KIBIBYTES = 256 * 1024
_PROBE_SECONDS = 1.0
_PROBE_TIMEOUT_SECONDS = 2.0
_GRACE_SECONDS = 2.0
# How often delivery reports are fetched while a request waits, and the client's errors otherwise.
_POLL_SECONDS = 0.002
_IDLE_SECONDS = 0.1


# One record: topic, key (none: any partition), framed datum.
Outgoing = tuple[str, bytes | None, bytes]


@dataclass(frozen=True)
class Version:
    """A registered schema of a topic: its framing and its codec belong together."""

    schema_id: int
    codec: Codec

    def framed(self, record: dict[str, Any]) -> bytes:
        """The message of a record.

        Raises:
            EncodeError: the record does not fit the schema.
        """
        return header(self.schema_id) + self.codec.encode(record)


class _Pending:
    """Counts the delivery reports of one request. `done` gets the first error, or None."""

    __slots__ = ("_error", "_left", "deadline", "done")

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        self._left = count
        self._error: KafkaError | None = None
        self.deadline = deadline
        self.done: asyncio.Future[KafkaError | None] = loop.create_future()

    def delivered(self, error: KafkaError | None, _message: Message) -> None:
        """One delivery report."""
        if error is not None:
            self._error = error
        self._left -= 1
        if self._left == 0 and not self.done.done():
            self.done.set_result(self._error)


class KafkaWriter:
    """The producer of one collector process. `start` and `stop` bound its life."""

    def __init__(self, settings: Settings, codecs: dict[str, Codec], client_id: str) -> None:
        self._codecs = codecs
        self._timeout_seconds = settings.collector.produce_timeout_seconds
        self._registry = RegistryClient(settings.registry.url, timeout_seconds=_PROBE_TIMEOUT_SECONDS)
        self._config: dict[str, str | int | bool] = {
            **settings.kafka.client_config(),
            "client.id": client_id,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": LINGER_MS,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "message.timeout.ms": int(self._timeout_seconds * 1000),
            "queue.buffering.max.messages": _QUEUE_RECORDS,
            "queue.buffering.max.kbytes": _QUEUE_KIBIBYTES,
            # A broker that comes back is found again within a second.
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1000,
            "socket.connection.setup.timeout.ms": 5000,
        }
        self._versions: dict[str, Version] = {}
        self._problem: str | None = "starting: Kafka was not asked yet"
        self._probe_now = threading.Event()
        self._stopping = threading.Event()
        self._fatal = False
        # What the client last said of its password, certificate or rights.
        self._refusal: str | None = None
        self._kafka = settings.kafka
        self._producer = self._new_producer()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tick: asyncio.TimerHandle | None = None
        # In the order of their deadlines.
        self._waiting: deque[_Pending] = deque()
        self._thread = threading.Thread(target=self._watch, name="kafka-probe", daemon=True)

    def start(self) -> None:
        """Start delivering and probing; called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._tick = self._loop.call_later(_IDLE_SECONDS, self._poll, self._loop)
        self._thread.start()

    def stop(self, timeout_seconds: float) -> int:
        """Deliver what is queued, then stop; returns how many records were not acknowledged in time."""
        left = int(self._producer.flush(timeout_seconds))
        self._stopping.set()
        self._probe_now.set()
        if self._tick is not None:
            self._tick.cancel()
        self._thread.join(_PROBE_TIMEOUT_SECONDS + 1)
        self._registry.close()
        return left

    @property
    def problem(self) -> str | None:
        """Why nothing can be written now, or None."""
        return self._problem

    def version(self, topic: str) -> Version:
        """The schema to write a topic with now; known whenever there is no problem."""
        return self._versions[topic]

    async def write(self, records: Sequence[Outgoing]) -> None:
        """Write records and wait until all are acknowledged.

        Raises:
            Unavailable: 503; none, some or all may have been stored.
        """
        if self._problem is not None:
            raise Unavailable(503, "kafka_unavailable", self._problem)
        if not records:
            return
        loop = self._loop or asyncio.get_running_loop()
        pending = _Pending(len(records), loop, loop.time() + self._timeout_seconds + _GRACE_SECONDS)
        produce, delivered = self._producer.produce, pending.delivered
        try:
            for topic, key, value in records:
                produce(topic, value, key, on_delivery=delivered)
        except (BufferError, KafkaException) as error:
            raise Unavailable(503, "queue_full", f"the local queue did not take a record: {error}") from None
        if not self._waiting and self._tick is not None:
            self._tick.cancel()
            self._tick = loop.call_later(_POLL_SECONDS, self._poll, loop)
        self._waiting.append(pending)
        try:
            failure = await pending.done
        except TimeoutError:
            raise Unavailable(503, "kafka_timeout", "Kafka did not acknowledge in time; send again") from None
        if failure is not None:
            # The next requests are answered at once until a probe succeeds.
            self._problem = f"Kafka did not acknowledge: {failure.str()}"
            self._probe_now.set()
            raise Unavailable(503, "kafka_timeout", f"{self._problem}; send again")

    def _new_producer(self) -> Producer:
        return Producer({**self._config, "error_cb": self._on_error, "logger": log})

    def _on_error(self, error: KafkaError) -> None:
        log.warning("kafka client: %s: %s", error.name(), error.str())
        self._fatal = self._fatal or error.fatal()
        if clients.is_hopeless(error):
            self._refusal = error.str()
        self._probe_now.set()

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the delivery reports that are there, give up what waited too long, come again."""
        self._producer.poll(0)
        waiting, now = self._waiting, loop.time()
        while waiting and (waiting[0].done.done() or waiting[0].deadline <= now):
            oldest = waiting.popleft()
            if not oldest.done.done():
                oldest.done.set_exception(TimeoutError())
        self._tick = loop.call_later(_POLL_SECONDS if waiting else _IDLE_SECONDS, self._poll, loop)

    def _watch(self) -> None:
        """Ask Kafka and the registry every second, sooner after an error; opens and closes the door for requests."""
        while not self._stopping.is_set():
            self._probe_now.clear()
            problem = self._probe()
            if problem != self._problem:
                log.warning("not ready: %s", problem) if problem else log.info(
                    "ready: Kafka and schemas are usable"
                )
            self._problem = problem
            # A healthy broker is asked rarely; errors wake this thread.
            self._probe_now.wait(_PROBE_SECONDS if problem else _PROBE_SECONDS * 10)
            if self._probe_now.is_set():
                time.sleep(0.05)

    def _probe(self) -> str | None:
        if self._fatal:
            log.error("the producer had a fatal error; a new one takes over")
            self._fatal = False
            self._producer = self._new_producer()
        try:
            known = self._producer.list_topics(timeout=_PROBE_TIMEOUT_SECONDS).topics
        except KafkaException as error:
            return self._silence(error.args[0])
        self._refusal = None
        missing = sorted(t for t in self._codecs if t not in known or known[t].error is not None)
        if missing:
            return (
                f"topics {', '.join(missing)} do not exist, or the Kafka user of this process may not write them; run "
                "`media-analytics contracts apply`, and check the rights of the user"
            )
        try:
            self._learn_versions()
        except RegistryUnreachableError as error:
            # Versions are learned once; without the registry the known ones still hold.
            if len(self._versions) < len(self._codecs):
                return str(error)
        except RegistryError as error:
            return str(error)
        return None

    def _silence(self, error: KafkaError) -> str:
        """Why Kafka does not answer; the request's own error is only that time is over."""
        if self._kafka.security_protocol == "PLAINTEXT" and clients.speaks_tls(self._kafka.bootstrap_servers):
            return f"Kafka refuses this process: {clients.TLS_WANTED}"
        if self._refusal is not None:
            return f"Kafka refuses this process: {self._refusal}"
        return f"Kafka does not answer: {error.str()}"

    def _learn_versions(self) -> None:
        """The id of each schema of this release, or a newer version of it that only adds optional fields."""
        for topic, codec in self._codecs.items():
            self._versions[topic] = learned(self._registry, topic, codec, self._versions.get(topic))


def learned(registry: RegistryClient, topic: str, codec: Codec, known: Version | None = None) -> Version:
    """The registered version of a topic's schema to write with: the known one, or a newer one that extends ours.

    Raises:
        RegistryError: the registry does not answer, or does not have our schema.
    """
    subject = f"{topic}-value"
    if known is None:
        known = Version(registry.id_for(subject, codec.schema), codec)
    schema_id, newest = registry.latest(subject)
    if schema_id == known.schema_id or not _extends(newest, codec.schema):
        return known
    log.info("%s is written with schema %d from now on", topic, schema_id)
    return Version(schema_id, Codec(newest))


def _extends(newer: Schema, own: Schema) -> bool:
    """Whether a schema has every field of ours, unchanged, and otherwise only fields with a default."""
    ours = {f["name"]: f["type"] for f in own["fields"]}
    theirs = {f["name"]: f["type"] for f in newer["fields"]}
    added = [f for f in newer["fields"] if f["name"] not in ours]
    return all(theirs.get(name) == kind for name, kind in ours.items()) and all("default" in f for f in added)
