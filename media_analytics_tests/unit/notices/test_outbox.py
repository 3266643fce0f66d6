"""A notice is told once by each channel; what a channel does not take waits; nothing grows without bound."""

from datetime import UTC, datetime, timedelta

import pytest

from media_analytics.automation.notices import message
from media_analytics.automation.notices.message import Kind, Links, Notice
from media_analytics.automation.notices.outbox import (
    MOST_WAITING,
    Channel,
    ChannelFailure,
    Memory,
    deliver,
    load,
)
from media_analytics.environments.operations import Telling
from media_analytics.environments.reading import operations_of

NOW = datetime(2026, 3, 10, 1, 30, tzinfo=UTC)
LINKS = Links(
    environment="prod", dagster_url="https://d.example.org/", runbooks_url="https://w.example.org/r"
)
BOTH: tuple[Channel, ...] = ("email", "slack")
PROD, DEV = operations_of("prod").notifications, operations_of("dev").notifications


def notice(notice_id: str = "run:1:failure", kind: Kind = "failure", **fields: object) -> Notice:
    values = {"subject": "s", "what": "w", "why": "y", "since": NOW, "noticed_at": NOW} | fields
    return Notice.model_validate({"notice_id": notice_id, "kind": kind, **values})


class Mailbox:
    """Takes what its channels take."""

    def __init__(self, down: tuple[Channel, ...] = (), refused: tuple[str, ...] = ()) -> None:
        self.down, self.refused = down, refused
        self.got: list[tuple[Channel, str]] = []
        self.asked: list[tuple[Channel, str]] = []

    def send(self, channel: Channel, one: Notice) -> ChannelFailure | None:
        self.asked.append((channel, one.notice_id))
        if channel in self.down or one.notice_id in self.refused:
            return ChannelFailure(channel=channel, reason="no", is_down=channel in self.down)
        self.got.append((channel, one.notice_id))
        return None

    def tick(self, memory: Memory) -> Memory:
        deliver(memory, self.send, lambda *_: None, lambda: True)
        stored = load(memory.model_dump_json())
        assert stored is not None
        return stored


def test_a_channel_that_is_down_gets_its_notices_later_and_the_other_none_twice() -> None:
    memory, box = Memory(), Mailbox(down=("email",))
    for n in (1, 2):
        memory.put(notice(f"n{n}"), PROD, BOTH)
    memory = box.tick(memory)
    assert box.got == [("slack", "n1"), ("slack", "n2")]
    assert box.asked.count(("email", "n2")) == 0, "a server that is down is asked once a tick"
    box.down = ()
    memory = box.tick(memory)
    memory = box.tick(memory)
    assert sorted(box.got) == sorted((channel, f"n{n}") for channel in BOTH for n in (1, 2))
    assert memory.waiting == []


def test_a_message_that_is_refused_holds_up_no_other() -> None:
    memory, box = Memory(), Mailbox(refused=("bad",))
    memory.put(notice("bad"), PROD, BOTH)
    memory.put(notice("good"), PROD, BOTH)
    memory = box.tick(memory)
    assert [one.notice.notice_id for one in memory.waiting] == ["bad"]
    assert ("email", "good") in box.got


def test_a_tick_without_time_left_sends_nothing_and_loses_nothing() -> None:
    memory, box = Memory(), Mailbox()
    memory.put(notice(), PROD, BOTH)
    deliver(memory, box.send, lambda *_: None, lambda: False)
    assert (box.got, len(memory.waiting)) == ([], 1)


@pytest.mark.parametrize(
    ("telling", "kind", "told"),
    [
        (PROD, "start", BOTH),
        (PROD, "success", BOTH),
        (DEV, "start", ()),
        (DEV, "success", ()),
        (DEV, "failure", BOTH),
        (DEV, "long-run", BOTH),
        (DEV, "sla", BOTH),
        (DEV, "late", BOTH),
    ],
)
def test_each_environment_tells_what_it_promises(
    telling: Telling, kind: Kind, told: tuple[Channel, ...]
) -> None:
    memory, box = Memory(), Mailbox()
    memory.put(notice("n", kind), telling, BOTH)
    box.tick(memory)
    assert [channel for channel, _ in box.got] == list(told)


def test_what_fails_again_and_again_is_told_once_an_hour_with_the_count() -> None:
    """Catches a mail for every run of a job that runs each minute, and a count that is forgotten."""
    memory = Memory()
    minutes = (0, 1, 30, 59, 60, 61, 200)
    assert [memory.repeats("job step", NOW + timedelta(minutes=m)) for m in minutes] == [
        0, None, None, None, 3, None, 1,
    ]  # fmt: skip
    assert memory.repeats("another step", NOW) == 0


def test_what_waits_has_a_bound_and_an_end() -> None:
    memory = Memory()
    for n in range(MOST_WAITING + 5):
        memory.put(notice(f"n{n}"), PROD, BOTH)
    assert [one.notice_id for one in memory.give_up(NOW)] == [f"n{n}" for n in range(5)]
    assert len(memory.give_up(NOW + timedelta(days=8))) == MOST_WAITING
    assert memory.waiting == []


def test_the_words_say_what_why_since_when_what_it_blocks_and_where_to_look() -> None:
    text = message.body(
        notice(what="job failed at gold.a", why="2 rows", blocks=("gold.b", "gold.c"), run_id="r1"), LINKS
    )
    assert text.splitlines() == [
        "What:     job failed at gold.a",
        "Why:      2 rows",
        "Since:    2026-03-10 01:30:00 UTC",
        "Blocks:   gold.b, gold.c (2)",
        "Run:      https://d.example.org/runs/r1",
        "Runbook:  https://w.example.org/r/run-failure.md",
    ]


def test_a_subject_is_one_line_and_slack_gets_no_markup() -> None:
    """Catches an error text that adds a header to a mail, or a link or mention to a message."""
    evil = notice(subject="x\r\nBcc: all@example.org", what="<!channel> & <https://evil.example.org|x>")
    assert "\n" not in message.subject(evil, LINKS)
    assert "\r" not in message.subject(evil, LINKS)
    assert "<" not in message.slack(evil, LINKS)["text"]


def test_every_attempt_has_the_same_message_id_and_two_environments_differ() -> None:
    other = LINKS.model_copy(update={"environment": "uat"})
    ids = [message.message_id(notice("a"), LINKS), message.message_id(notice("a"), LINKS)]
    ids += [message.message_id(notice("b"), LINKS), message.message_id(notice("a"), other)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
