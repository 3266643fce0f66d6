"""What streaming processes know of the families is what the contracts say."""

from media_analytics.contracts.registry import TOPICS
from media_analytics.contracts.topics import families as contracts
from media_analytics.contracts.topics.envelope import PURPOSES
from media_analytics.contracts.topics.user import EVENT_TYPES
from streaming.codecs.families import Rules, families


def test_event_types_are_the_contracts() -> None:
    """A word that only one side knows would be refused by the collector, or end as a dead letter behind it."""
    assert families()["user"].event_types == frozenset(EVENT_TYPES)
    assert families()["content"].event_types == frozenset(contracts.CONTENT_TYPES)
    assert families()["session"].event_types == frozenset(contracts.SESSION_TYPES)
    assert families()["security"].event_types == frozenset(contracts.SECURITY_TYPES)
    assert families()["compliance"].event_types == frozenset(contracts.COMPLIANCE_TYPES)
    assert families()["interactions"].event_types is None


def test_topics_and_keys_are_the_contracts() -> None:
    """Events with another key would be spread over partitions so that one reader's events lose their order."""
    found = {family.topic: family.key for family in families().values()}
    assert found == {
        "user.raw": "visitor_id",
        "content.events": "content_id",
        "session.events": "visitor_id",
        "security.events": "visitor_id",
        "compliance.events": "customer_id",
        "interactions.events": "customer_id",
    }
    assert all(TOPICS[topic].key == key for topic, key in found.items())


def test_every_value_rule_arrives() -> None:
    """A rule lost on the way would let a value into the topic that every table refuses."""
    security = families()["security"].rules
    assert (security["severity"].least, security["severity"].most) == (1, 5)
    assert security["user_agent"] == Rules(longest=2048)
    assert families()["interactions"].rules["status"] == Rules(words=("success", "error"))
    assert families()["interactions"].rules["event_type"] == Rules(pattern=r"^[a-z][a-z0-9_]*$", longest=256)
    assert families()["compliance"].rules["purposes"].items == PURPOSES
    assert families()["user"].rules["properties"] == Rules(entries=64, longest=1024)


def test_what_consent_removes_may_be_null() -> None:
    """Otherwise the collector could not write the event at all."""
    for family in families().values():
        nullable = {c.name for c in TOPICS[family.topic].columns if c.nullable}
        assert set(family.removed_without_analytics) <= nullable, family.name
