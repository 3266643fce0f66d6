"""A refused input that is judged again becomes the very message it would have been, had it been right at once."""

import gzip
import json
import random
import uuid
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from media_analytics_tests.builders import settings as builder
from media_analytics_tests.builders.hostile import requests
from media_analytics_tests.unit.collector.support import BROWSER, NOW, SERVER, click, context
from media_analytics_tests.unit.collector.test_families import FAMILIES, item
from streaming.codecs.avro import Codec
from streaming.codecs.families import families
from streaming.collector import identity, refused
from streaming.collector.access import Access, Sender
from streaming.collector.again import Again, Refused, is_request
from streaming.collector.answers import Rejection
from streaming.collector.judging import Judge
from streaming.collector.letters import Letters
from streaming.collector.metrics import Metrics
from streaming.collector.refused import Line
from streaming.collector.request import Context, Request
from streaming.collector.server import ROUTES
from streaming.collector.writer import Outgoing, Version
from streaming.dead_letters import redaction
from streaming.dead_letters.letters import original_bytes, sender_bytes
from streaming.dead_letters.patches import KINDS, Patch, PatchError, applied, read

LOG_LINE = '192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "agent"'


def version(topic: str) -> Version:
    return Version(7, Codec.from_file(topic))


class Collector:
    """Judges requests as the collector does, and its letters as a replay does."""

    def __init__(self, folder: Path) -> None:
        self.settings = builder.make(folder)
        access, writer = Access(self.settings), SimpleNamespace(version=version)
        self.judge = Judge(
            self.settings, writer, access, Letters(self.settings, writer, Metrics(folder / "m"))
        )
        self.again = Again(self.settings, version)

    def sent(self, path: str, data: bytes, shared: Context, query: str = "") -> list[Outgoing]:
        """What a request makes of its items: events or letters."""
        from streaming.collector.request import query_of

        request = Request({}, query_of(query), query.encode(), None)
        return self.judge.judge(ROUTES[path], request, data, shared).outgoing

    def letter(self, path: str, data: bytes, shared: Context, query: str = "") -> dict[str, Any]:
        """The letter of a request with one bad item, as bronze has it."""
        ((topic, _, message),) = self.sent(path, data, shared, query)
        assert topic == "dead_letters"
        record = Codec.from_file("dead_letters").decode(message[5:])
        return record | {"received_at": NOW}

    def opened(self, letter: dict[str, Any]) -> Refused:
        key = self.settings.privacy.dead_letter_key
        facts = refused.read(sender_bytes(letter, key) or b"")
        return Refused(letter["source"], original_bytes(letter, key), facts, NOW, is_request(letter))

    def again_with(self, letter: dict[str, Any], patch: str) -> tuple[str, Any]:
        """Topic and events of a patched letter."""
        found = read(patch)
        return self.again.events(self.opened(letter), lambda fields: applied(found, fields))


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Collector:
    return Collector(tmp_path_factory.mktemp("again"))


def body(*items: Any) -> bytes:
    return json.dumps(list(items)).encode()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("sender", [SERVER, BROWSER])
def test_an_item_becomes_the_message_it_would_have_been(
    collector: Collector, family: str, sender: Sender
) -> None:
    """Would catch another visitor, id, brand, time or key than the reader had: address and agent are in the letter."""
    shared = context(sender)
    route = f"/v1/events/{family}"
    ((topic, key, message),) = collector.sent(route, body(item(family)), shared)
    wrong = {**item(family), "not_a_field": 1}
    found, ((event_id, brand, own_key, own),) = collector.again_with(
        collector.letter(route, body(wrong), shared), '[[change]]\ndrop = "not_a_field"'
    )
    assert (found, own_key, own) == (topic, key, message)
    assert (event_id, brand) == (item(family)["event_id"], "bild")
    assert topic == families()[family].topic


def test_an_item_without_an_id_keeps_the_one_of_its_original(collector: Collector) -> None:
    """Would catch one event twice after two replays with different patches."""
    wrong = item("user", event_id=..., position="4")
    letter = collector.letter("/v1/events/user", body(wrong), context(SERVER))
    ids = set()
    for patch in ('[[change]]\ncast = "position"\nto = "integer"', '[[change]]\ndrop = "position"'):
        _, (event,) = collector.again_with(letter, patch)
        ids.add(event[0])
    assert ids == {identity.item_id(wrong, "bild")}


def test_a_patch_cannot_make_another_event_of_it(collector: Collector) -> None:
    """Would catch a replay whose second run, with another patch, is a second event."""
    letter = collector.letter("/v1/events/user", body(item("user", position="4")), context(SERVER))
    patch = f'[[change]]\ndrop = "position"\n[[change]]\nset = "event_id"\nvalue = "{uuid.uuid4()}"'
    _, (event,) = collector.again_with(letter, patch)
    assert event[0] == item("user")["event_id"]


def test_clicks_lines_and_pixels_keep_their_identity(collector: Collector) -> None:
    """Would catch a route whose letters cannot come back, or come back as other events."""
    shared = context(SERVER, "bild")
    good = collector.sent("/v1/clickstream", body(click()), shared)
    letter = collector.letter("/v1/clickstream", body(click(event__position="4")), shared)
    _, ((_, _, key, message),) = collector.again_with(
        letter, '[[change]]\ncast = "event.position"\nto = "integer"'
    )
    assert [("user.raw", key, message)] == good

    def log(line: str) -> bytes:
        lines = [{"line_number": 3, "occurrence": 2, "line": line}]
        return json.dumps({"site": "https://x.org/", "source": "a.log", "lines": lines}).encode()

    cut = LOG_LINE[:-1]
    letter = collector.letter("/v1/access-log", log(cut), shared)
    _, ((event_id, _, key, message),) = collector.again_with(
        letter, f"[[change]]\nset = 'line'\nvalue = '{LOG_LINE}'"
    )
    assert event_id == identity.line_id(cut.encode(), 2)
    ((_, own_key, _),) = collector.sent("/v1/access-log", log(LOG_LINE), shared)
    assert key == own_key

    browser = context(BROWSER)
    query = f"event_id={uuid.UUID(int=5)}&position=4&key=browser-bild"
    good = collector.sent("/v1/pixel", b"", browser, query)
    letter = collector.letter("/v1/pixel", b"", browser, f"{query}&titel=x")
    _, ((_, _, key, message),) = collector.again_with(letter, '[[change]]\ndrop = "titel"')
    assert [("user.raw", key, message)] == good


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_refused_request_becomes_all_its_items(collector: Collector, pack: Any) -> None:
    """Would catch a body of which a replay takes the first item only, or none because it is compressed."""
    facts = refused.read(refused.facts_of(context(SERVER), None))
    items = [item("user", event_id=str(uuid.UUID(int=n))) for n in range(3)]
    letter = Refused("/v1/events/user", pack(body(*items)), facts, NOW, True)
    _, events = collector.again.events(letter)
    assert [event[0] for event in events] == [one["event_id"] for one in items]


def test_what_is_still_wrong_is_named(collector: Collector) -> None:
    """Would catch a replay that lets an input pass because it was looked at before."""
    letter = collector.letter("/v1/events/user", body(item("user", position="4")), context(SERVER))
    with pytest.raises(Rejection) as found:
        collector.again.events(collector.opened(letter))
    assert (found.value.code, found.value.field) == (letter["reason"], letter["field"])
    unread = Refused("/v1/events/user", b"{", collector.opened(letter).facts, NOW, False)
    with pytest.raises(Rejection, match="not JSON"):
        collector.again.events(unread)


def test_a_browser_key_still_cannot_name_an_address_or_another_brand(collector: Collector) -> None:
    """Would catch a replay with more rights than the request had."""
    shared = context(BROWSER)
    letter = collector.letter("/v1/events/user", body(item("user", x=1, ip="192.0.2.200")), shared)
    topic, (event,) = collector.again_with(letter, '[[change]]\ndrop = "x"')
    assert Codec.from_file(topic).decode(event[3][5:])["ip"] == shared.peer
    with pytest.raises(Rejection, match="this key writes for brand"):
        collector.again_with(letter, '[[change]]\ndrop = "x"\n[[change]]\nset = "brand"\nvalue = "welt"')


def test_hostile_letters_are_events_or_refused(collector: Collector) -> None:
    """Would catch one letter that ends the replay of all others, or breaks their listing."""
    chance = random.Random(7)
    facts = refused.read(
        refused.facts_of(context(SERVER, "bild"), Line(1, 0, "bild", "https://x.org", "a.log"))
    )
    casts = "\n".join(
        f'[[change]]\ncast = "{name}"\nto = "{kind}"'
        for name, kind in zip(("position", "occurred_at", "latency_ms", "brand"), KINDS, strict=False)
    )
    patch = read(f'{casts}\n[[change]]\nset = "properties.x"\nvalue = "y"')
    outcomes = Counter[str]()
    for hostile in requests(11, 1200):
        head, _, data = hostile.wire.partition(b"\r\n\r\n")
        path = head.split(b" ")[1].partition(b"?")[0].decode("latin-1")
        letter = Refused(path, data, facts, NOW, chance.random() < 0.8)
        json.dumps(redaction.original(data), allow_nan=False)
        changes = patch if chance.random() < 0.5 else Patch()
        try:
            collector.again.events(letter, partial(applied, changes))
        except (Rejection, PatchError) as error:
            outcomes[type(error).__name__] += 1
        else:
            outcomes["event"] += 1
    assert min(outcomes["event"], outcomes["Rejection"]) >= 10, outcomes


def test_facts_of_a_request_survive_and_are_bounded() -> None:
    """Would catch a letter that forgets its sender, or grows with a header."""
    shared = context(BROWSER, "bild")
    line = Line(3, 1, "bild", "https://x.org", "a.log")
    again = refused.context_of(refused.read(refused.facts_of(shared, line)), NOW)
    assert again == shared
    long = refused.facts_of(Context(SERVER, "b" * 99_999, None, "ä" * 99_999, NOW, 0, ""), None)
    assert len(long) < 5000
