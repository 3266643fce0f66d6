"""Topics, readers of topics, schemas.

Belongs here: offsets, lag, schema versions of the topics that have a contract. Does not belong here: messages
(`messages.py`), dead letters.
"""

from collections.abc import Mapping
from datetime import timedelta

from media_analytics.contracts.model import TopicContract
from media_analytics.contracts.registry import TOPICS
from media_analytics.dashboard.answers import (
    GroupNow,
    GroupPartition,
    PartitionNow,
    SchemaVersion,
    TopicNow,
    TopicSchemas,
)
from media_analytics.dashboard.reading.kept import Kept, KeptByName
from media_analytics.resources.kafka import KafkaLog
from media_analytics.resources.registry import SchemaRegistry

KEPT_SECONDS = 0.8
SCHEMAS_SECONDS = 15.0

Extents = Mapping[str, Mapping[int, tuple[int, int]]]


class Streams:
    """Answers about the event log. Nothing is asked before first use."""

    def __init__(self, kafka: KafkaLog, registry: SchemaRegistry) -> None:
        """Ask nothing yet."""
        self._kafka = kafka
        self._registry = registry
        self._extents: Kept[Extents] = Kept(lambda: kafka.extents(list(TOPICS)), KEPT_SECONDS)
        self._groups = Kept(self._ask_groups, KEPT_SECONDS)
        self._topics = Kept(self._ask_topics, KEPT_SECONDS)
        self._schemas = KeptByName(self._ask_schemas, SCHEMAS_SECONDS)

    def topics(self) -> list[TopicNow]:
        """Every topic of a contract that exists, in the contracts' order.

        Raises:
            ServiceError: the cluster does not answer.
        """
        return self._topics.get()

    def extent(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """Offsets of a topic's partitions; empty when it does not exist."""
        return self._extents.get().get(topic, {})

    def groups(self) -> list[GroupNow]:
        """Consumer groups with a position in one of the topics; the one that is furthest behind first.

        Raises:
            ServiceError: the cluster does not answer.
        """
        return self._groups.get()

    def schemas(self, topic: TopicContract) -> TopicSchemas:
        """Versions of a topic's schema.

        Raises:
            ServiceError: the registry does not answer.
        """
        return self._schemas.get(topic.subject)

    def _ask_topics(self) -> list[TopicNow]:
        extents = self._extents.get()
        return [
            TopicNow(
                name=contract.name,
                grain=contract.grain,
                messages=sum(end - first for first, end in extents[contract.name].values()),
                retention_hours=contract.retention / timedelta(hours=1),
                key=contract.key,
                newest_at=self._kafka.newest_append(contract.name),
                partitions=[
                    PartitionNow(partition=p, first=first, end=end)
                    for p, (first, end) in extents[contract.name].items()
                ],
            )
            for contract in TOPICS.values()
            if contract.name in extents
        ]

    def _ask_groups(self) -> list[GroupNow]:
        extents = self._extents.get()
        found = []
        for group in self._kafka.groups():
            committed = self._kafka.committed(group.name)
            partitions = [
                GroupPartition(
                    topic=topic,
                    partition=partition,
                    committed=offset,
                    end=extents[topic][partition][1],
                    lag=max(0, extents[topic][partition][1] - offset),
                )
                for topic, offsets in sorted(committed.items())
                for partition, offset in sorted(offsets.items())
                if partition in extents.get(topic, {})
            ]
            if partitions:
                found.append(
                    GroupNow(
                        group=group.name,
                        state=group.state.lower(),
                        members=group.members,
                        lag=sum(p.lag for p in partitions),
                        partitions=partitions,
                    )
                )
        return sorted(found, key=lambda g: (-g.lag, g.group))

    def _ask_schemas(self, subject: str) -> TopicSchemas:
        versions = self._registry.versions(subject)
        return TopicSchemas(
            subject=subject,
            compatibility=self._registry.compatibility(subject),
            versions=[
                SchemaVersion(
                    version=v.number,
                    schema_id=v.schema_id,
                    fields=[f["name"] for f in v.schema.get("fields", [])],
                    avro=v.schema,
                )
                for v in reversed(versions)
            ],
        )
