"""The API's view of the event log, against a real Kafka and registry with known messages."""

import json
from datetime import UTC, datetime

import pytest

from media_analytics_tests.builders import streams
from media_analytics_tests.integration.dashboard.planted import PERSON, Api

pytestmark = pytest.mark.integration


def test_topics_have_the_offsets_that_kafka_has(api: Api, sent: list[streams.Placed]) -> None:
    """Catches an end that is one off, a partition left out, a time in the wrong unit."""
    topics = {t["name"]: t for t in api.get_fresh("/v1/streams/topics")["items"]}
    assert set(streams.PARTITIONS) <= set(topics)
    raw = topics["user.raw"]
    assert [p["partition"] for p in raw["partitions"]] == list(range(6))
    assert raw["partitions"][2]["end"] == sent[-1].offset + 1
    assert raw["messages"] == sum(p["end"] - p["first"] for p in raw["partitions"])
    assert (raw["key"], raw["retention_hours"]) == ("visitor_id", 168)
    newest = datetime.fromisoformat(raw["newest_at"])
    assert 0 <= (datetime.now(UTC) - newest).total_seconds() < 120
    assert topics["content.events"]["newest_at"] is None
    first = api.get("/v1/streams/topics", limit=1)
    assert len(first["items"]) == 1
    assert api.get("/v1/streams/topics", limit=1, cursor=first["next"])["items"] != first["items"]


def test_the_lag_of_a_group_is_what_it_has_not_read(api: Api, sent: list[streams.Placed], group: str) -> None:
    """Catches lag counted from the first offset, or summed over partitions it never read."""
    found = next(g for g in api.get_fresh("/v1/streams/groups")["items"] if g["group"] == group)
    behind = sent[-1].offset + 1 - sent[2].offset
    assert (found["lag"], found["state"], found["members"]) == (behind, "empty", 0)
    assert [(p["topic"], p["partition"], p["lag"]) for p in found["partitions"]] == [("user.raw", 2, behind)]


def test_messages_are_decoded_and_say_nothing_of_a_person(api: Api, sent: list[streams.Placed]) -> None:
    """Catches a classified field that is shown, a key that names a visitor, a poison message that hides others."""
    path = "/v1/streams/topics/user.raw/messages"
    page = api.get(path, partition=2, limit=3)
    assert [m["offset"] for m in page["items"]] == [p.offset for p in sent[:2:-1]]
    poison, newest = page["items"][:2]
    assert (poison["value"], poison["bytes"]) == (None, 7)
    assert "magic byte" in poison["problem"]
    assert newest["value"]["title"] == "Title 5"
    assert newest["value"]["ip"] == "[redacted: network_address]"
    assert newest["value"]["visitor_id"] == newest["key"] == "[redacted: pseudonym]"
    assert newest["value"]["customer_id"] is None
    assert datetime.fromisoformat(newest["value"]["received_at"]).tzinfo is not None
    rest = api.get(path, partition=2, limit=50, cursor=page["next"])
    assert [m["offset"] for m in rest["items"]][:3] == [p.offset for p in sent[2::-1]]
    shown = json.dumps([page, rest])
    assert [text for text in PERSON if text in shown] == []


def test_an_unknown_place_is_said_to_be_unknown(api: Api) -> None:
    """Catches a 500 for a typo."""
    for path, parameters, status in (
        ("/v1/streams/topics/nothing/messages", {}, 404),
        ("/v1/streams/topics/user.raw/messages", {"partition": 99}, 404),
        ("/v1/streams/topics/user.raw/messages", {"partition": -1}, 422),
        ("/v1/streams/topics/user.raw/messages", {"cursor": "-5"}, 422),
        ("/v1/streams/topics/user.raw/messages", {"limit": 5000}, 422),
        ("/v1/streams/topics/nothing/schemas", {}, 404),
    ):
        assert api.http.get(path, params=parameters).status_code == status, (path, parameters)
    beyond = api.get("/v1/streams/topics/user.raw/messages", partition=0, cursor="999999")
    assert beyond["next"] is None


def test_schemas_have_their_versions_and_the_rule_of_the_next(api: Api) -> None:
    """Catches the global rule shown as none, and a version without its fields."""
    found = api.get("/v1/streams/topics/user.raw/schemas")
    assert (found["subject"], found["compatibility"]) == ("user.raw-value", "BACKWARD")
    newest = found["versions"][0]
    assert newest["version"] == len(found["versions"])
    assert "visitor_id" in newest["fields"]
    assert newest["avro"]["type"] == "record"
