"""The stream page: topics, readers and their lag, schemas, messages.

Belongs here: what an operator asks of the event log. Does not belong here: single dead letters (`letters.py`).
"""

import json
from typing import Any

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.letters import groups_table
from media_analytics.dashboard.page.parts import Cell, come_back, renewed, table, zone
from media_analytics.errors import ServiceError

# A reader this far behind is marked: about 10 s of the newsroom's peak load.
LARGE_LAG = 50_000
MESSAGES = 10
LETTER_DAYS, LETTER_GROUPS = 7, 10


def show(client: Client) -> None:
    """The page."""
    st.title("Streams")
    renewed(lambda: _topics(client))
    renewed(lambda: _letters(client))
    try:
        names = [t["name"] for t in client.get("/v1/streams/topics")["items"]]
    except ServiceError:
        names = []
    if names:
        topic = str(st.selectbox("Topic", names))
        renewed(lambda: _topic(client, topic))
        _browser(client, topic)
    else:
        come_back(lambda: bool(client.get("/v1/streams/topics")["items"]))


def _topics(client: Client) -> None:
    topics = client.get("/v1/streams/topics")["items"]
    groups = client.get("/v1/streams/groups")["items"]
    own = zone()
    first, second, third = st.columns(3)
    first.metric("Messages kept", numbers.count(sum(t["messages"] for t in topics)))
    second.metric("Topics", numbers.count(len(topics)))
    third.metric("Largest lag (messages)", numbers.count(max((g["lag"] for g in groups), default=None)))
    table(
        "Topics",
        ("Topic*", "Partitions#", "Messages#", f"Newest message ({own})", "Kept#", "Key"),
        [
            (
                t["name"],
                numbers.count(len(t["partitions"])),
                numbers.count(t["messages"]),
                numbers.day_and_clock(t["newest_at"], own),
                numbers.duration(3600 * t["retention_hours"]),
                t["key"],
            )
            for t in topics
        ],
        nothing="There are no topics yet: `media-analytics contracts apply` makes them.",
    )
    table(
        "Lag by consumer group and topic",
        ("Group*", "Topic", "State", "Members#", "Lag (messages)#"),
        [
            (
                g["group"],
                topic,
                g["state"],
                numbers.count(g["members"]),
                Cell(numbers.count(lag), "red" if lag > LARGE_LAG else ""),
            )
            for g in groups
            for topic, lag in _by_topic(g).items()
        ],
        nothing="No group has read anything yet.",
    )


def _letters(client: Client) -> None:
    groups = client.get("/v1/dead-letters/groups", days=LETTER_DAYS)["items"]
    groups_table(f"Dead letter groups of the last {LETTER_DAYS} days", groups[:LETTER_GROUPS])
    left = len(groups) - LETTER_GROUPS
    st.caption(
        (f"{left:,} more groups and" if left > 0 else "Single")
        + " letters stand on the page of dead letters."
    )


def _topic(client: Client, topic: str) -> None:
    found = next((t for t in client.get("/v1/streams/topics")["items"] if t["name"] == topic), None)
    groups = client.get("/v1/streams/groups")["items"]
    if found is None:
        st.info(f"{topic} is gone.")
        return
    st.caption(found["grain"])
    readers = {
        (p["partition"], g["group"]): p for g in groups for p in g["partitions"] if p["topic"] == topic
    }
    names = sorted({group for _, group in readers})
    table(
        f"Partitions of {topic}",
        ("Partition#", "First offset#", "End offset#", *(f"Lag of {name}#" for name in names)),
        [
            (
                str(p["partition"]),
                numbers.count(p["first"]),
                numbers.count(p["end"]),
                *(
                    numbers.count(
                        readers[(p["partition"], n)]["lag"] if (p["partition"], n) in readers else None
                    )
                    for n in names
                ),
            )
            for p in found["partitions"]
        ],
    )
    schemas = client.get(f"/v1/streams/topics/{topic}/schemas")
    table(
        f"Schema versions of {schemas['subject']}, compatibility {schemas['compatibility']}",
        ("Version#", "Id#", "Fields#", "New in it*"),
        [
            (str(v["version"]), str(v["schema_id"]), numbers.count(len(v["fields"])), _new_fields(v, older))
            for v, older in zip(schemas["versions"], [*schemas["versions"][1:], None], strict=True)
        ],
        nothing="The registry has no schema of this topic.",
    )


def _browser(client: Client, topic: str) -> None:
    """Messages of a partition. They stand still: a list that moves cannot be read."""
    st.subheader("Messages")
    found = next((t for t in client.get("/v1/streams/topics")["items"] if t["name"] == topic), None)
    partitions = [str(p["partition"]) for p in found["partitions"]] if found else ["0"]
    fullest = max(found["partitions"], key=lambda p: p["end"] - p["first"]) if found else {"partition": 0}
    left, right = st.columns(2)
    partition = left.selectbox(
        "Partition",
        partitions,
        index=partitions.index(str(fullest["partition"])),
        key=f"partition of {topic}",
    )
    before = right.text_input("Before offset", placeholder="newest", key=f"offset of {topic}").strip()
    if before and not before.isdigit():
        st.warning(f"An offset is a number from 0; {before!r} is none.")
        return
    st.button("Read again")
    try:
        page = client.get(
            f"/v1/streams/topics/{topic}/messages", partition=partition, limit=MESSAGES, cursor=before or None
        )
    except ServiceError as error:
        st.error(str(error))
        return
    own = zone()
    table(
        f"Messages of {topic}, partition {partition}",
        ("Offset#", f"Arrived ({own})", "Size#", "Key", "Value*"),
        [
            (
                str(m["offset"]),
                f"{numbers.day_and_clock(m['appended_at'], own)[:10]} {numbers.clock(m['appended_at'], own)}",
                numbers.size(m["bytes"]),
                m["key"] or numbers.NOTHING,
                Cell(m["problem"], "red") if m["value"] is None else _value(m["value"]),
            )
            for m in page["items"]
        ],
        nothing="No messages here.",
    )
    st.caption(
        "Values are decoded by the schema they were written with; what says something about a person is replaced."
    )


def _value(value: dict[str, Any]) -> str:
    """The fields that hold something, in the schema's order."""
    return json.dumps({k: v for k, v in value.items() if v not in (None, {}, [])}, ensure_ascii=False)


def _by_topic(group: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for p in group["partitions"]:
        found[p["topic"]] = found.get(p["topic"], 0) + p["lag"]
    return found


def _new_fields(version: dict[str, Any], older: dict[str, Any] | None) -> str:
    if older is None:
        return "all"
    return ", ".join(f for f in version["fields"] if f not in older["fields"]) or "none"
