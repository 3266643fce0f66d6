"""`python -m streaming.runtime.offsets GROUP TOPIC PARTITION OFFSET`: where a stopped consumer goes on.

Belongs here: the one deliberate change of a committed offset, which the errors of `positions.py` name as their fix.
Does not belong here: anything a running consumer does. Kafka refuses it while the group has a live member.
"""

import argparse
import logging
import os
import sys

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from media_analytics.errors import MediaAnalyticsError, ServiceError
from media_analytics.settings import load_settings
from streaming.runtime import clients
from streaming.runtime.positions import TIMEOUT_SECONDS


def set_offset(admin: AdminClient, group: str, topic: str, partition: int, offset: int) -> None:
    """Commit an offset without metadata: the next start takes the topic as it is.

    Raises:
        ServiceError: Kafka refused, for example because the group has a live member.
    """
    request = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition, offset)])
    try:
        result = admin.alter_consumer_group_offsets([request], request_timeout=TIMEOUT_SECONDS)
        answer = result[group].result()
    except KafkaException as error:
        raise ServiceError(
            f"could not set the offset of group {group}: {error.args[0].str()}; stop the consumer, wait 10 s for its "
            "session to end, try again"
        ) from error
    for found in answer.topic_partitions:
        if found.error is not None:
            raise ServiceError(f"could not set {group} {topic}[{partition}]: {found.error.str()}")


def main() -> int:
    """Parse the arguments, change the offset."""
    parser = argparse.ArgumentParser(
        prog="python -m streaming.runtime.offsets", description=set_offset.__doc__
    )
    parser.add_argument("group")
    parser.add_argument("topic")
    parser.add_argument("partition", type=int)
    parser.add_argument("offset", type=int)
    given = parser.parse_args()
    try:
        settings = load_settings(os.environ)
        errors = clients.Errors(given.group, logging.getLogger(given.group))
        # Only who may alter the cluster may move another process.
        admin = clients.admin(settings.kafka.acting_as("admin"), errors)
        set_offset(admin, given.group, given.topic, given.partition, given.offset)
    except MediaAnalyticsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stderr.write(
        f"group {given.group} goes on at {given.topic}[{given.partition}] offset {given.offset}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
