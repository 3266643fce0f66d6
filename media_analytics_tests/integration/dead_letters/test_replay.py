"""A replay sends what was refused to its topic: the event it should have been, once, whatever happens between."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from media_analytics.assets.bronze import content_events
from media_analytics.dead_letters.groups import Selection
from media_analytics.dead_letters.library import DeadLetters
from media_analytics.dead_letters.records import NOBODY
from media_analytics.dead_letters.shelf import Shelf
from media_analytics_tests.builders.family_events import family_event
from media_analytics_tests.builders.latest import Latest
from media_analytics_tests.builders.streams import raw_event
from media_analytics_tests.integration.collector.test_bad_input import event
from media_analytics_tests.integration.dead_letters.world import LetterWorld
from media_analytics_tests.integration.micro_batches.test_completeness import catch_up, judged
from streaming.dead_letters.letters import LetterWriter
from streaming.dead_letters.patches import Patch, read

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

CAST = read('[[change]]\ncast = "position"\nto = "integer"')
BROWSER = {"Origin": "https://www.bild.de", "X-Api-Key": "browser-bild", "User-Agent": "Mozilla/Anna"}


def hour(**named: Any) -> Selection:
    return Selection(datetime.now(UTC) - timedelta(hours=1), **named)


def only(world: LetterWorld, **named: Any) -> dict[str, Any]:
    """The one letter that is selected."""
    (letter,) = Shelf(world.settings).letters(hour(**named))
    return letter


def refused(world: LetterWorld, rule: str, **fields: Any) -> dict[str, Any]:
    """An event that the collector refused, on the shelf."""
    sent = event(**fields)
    assert world.post("/v1/events/user", sent, **BROWSER)["rejected"] == 1
    world.shelve()
    letters = Shelf(world.settings).letters(hour(rule=rule))
    return next(letter for letter in letters if letter["event_id"] == sent["event_id"])


def records(world: LetterWorld, event_id: str, topic: str = "user.raw") -> list[dict[str, Any]]:
    return [record for record in world.events(topic) if record["event_id"] == event_id]


def send_letters(world: LetterWorld, *letters: dict[str, Any]) -> None:
    world.send("dead_letters", list(letters))
    world.shelve()


def test_a_browsers_letter_becomes_the_event_of_the_same_reader(world: LetterWorld, tmp_path: Path) -> None:
    """Would catch a replay as another visitor, at another time, under another id; and a second event when repeated."""
    headers = BROWSER | {"X-Forwarded-For": "198.51.100.77"}
    good = event(anonymous_id=None)
    assert httpx.post(
        world.collector.url + "/v1/events/user", json=good, headers=headers, timeout=30, trust_env=False
    ).is_success
    bad = event(position="4")
    assert world.post("/v1/events/user", bad, **headers)["rejected"] == 1
    world.shelve()
    (group,) = world.answer("list", "--rule", "wrong_type")
    path = tmp_path / "patch.toml"
    begun = world.command("patch", "--new", group["group"])
    path.write_text(begun + '[[change]]\ncast = "position"\nto = "integer"\n', "utf-8")

    letters = DeadLetters(world.settings)
    before = letters.dry_run(hour(group=group["group"]), Patch())
    assert (before["passed"], before["failed"]) == (
        0, [{"rule": "wrong_type", "field": "position", "letters": 1}]
    )  # fmt: skip
    dry = world.answer("replay", "--patch", str(path), "--dry-run")
    assert (dry["letters"], dry["passed"], dry["events"]) == (1, 1, 1)
    assert records(world, bad["event_id"]) == [], "a dry run sends nothing"

    said = world.replay(hour(), read(path.read_text("utf-8")))
    assert (said["passed"], said["recovered_before"]) == (1, 0)
    (record,) = records(world, bad["event_id"])
    (same_reader,) = records(world, good["event_id"])
    assert (record["visitor_id"], record["ip"]) == (same_reader["visitor_id"], "198.51.100.77")
    assert record["_partition"] == same_reader["_partition"]
    assert record["position"] == 4
    assert datetime.fromisoformat(bad["occurred_at"]) == datetime.fromtimestamp(
        record["occurred_at"] / 1e6, UTC
    )
    letter = only(world, letters=frozenset({only(world, rule="wrong_type")["letter_id"]}))
    assert record["received_at"] == int(letter["received_at"].timestamp() * 1_000_000)

    assert world.replay(hour(), read(path.read_text("utf-8")))["recovered_before"] == 1
    assert len(records(world, bad["event_id"])) == 1
    (group,) = world.answer("list", "--rule", "wrong_type")
    assert (group["letters"], group["recovered"]) == (1, 1)


@pytest.mark.parametrize("effect", ["judge", "announce", "send", "recover"])
def test_a_replay_that_is_killed_is_finished_by_the_next_one(world: LetterWorld, effect: str) -> None:
    """Would catch an event that is lost, or sent twice, when the process dies between two effects."""
    letter = refused(world, "out_of_range", scroll_pct=101.0)
    patch = '[[change]]\nset = "scroll_pct"\nvalue = 100.0'
    world.dies(effect, patch, letter["letter_id"])
    said = world.replay(hour(letters=frozenset({letter["letter_id"]})), read(patch))
    assert len(records(world, letter["event_id"])) == 1
    assert (said["settled"], said["dropped"]) == {"send": (1, 0), "announce": (0, 1)}.get(effect, (0, 0))
    done = said["settled"] + said["passed"] + said["recovered_before"]
    assert done in (1, 2)
    (group,) = DeadLetters(world.settings).groups(hour(letters=frozenset({letter["letter_id"]})))
    assert (group.letters, group.recovered) == (1, 1)


def test_a_request_of_which_a_part_was_sent_is_sent_to_its_end(world: LetterWorld) -> None:
    """Would catch a refused body that counts as recovered when one of its events is there, and events sent again."""
    sent = [event(), event()]
    url, kind = f"{world.collector.url}/v1/events/user", {"Content-Type": "application/xml"}
    answer = httpx.post(url, content=json.dumps(sent), headers=kind, timeout=30, trust_env=False)
    assert answer.status_code == 415
    world.shelve()
    letter = only(world, rule="unsupported_type")
    chosen = hour(letters=frozenset({letter["letter_id"]}))
    world.dies("announce", "", letter["letter_id"])
    # The sender sends one of them again, as it should have been.
    assert world.post("/v1/events/user", sent[1])["accepted"] == 1
    said = world.replay(chosen, Patch())
    assert (said["settled"], said["dropped"], said["passed"]) == (1, 1, 1)
    assert [len(records(world, one["event_id"])) for one in sent] == [1, 1]
    assert [g.recovered for g in DeadLetters(world.settings).groups(chosen)] == [1]
    assert world.replay(chosen, Patch())["recovered_before"] == 1


def test_a_record_that_the_enricher_refused_comes_back_as_a_new_coordinate(world: LetterWorld) -> None:
    """Would catch a letter of a record that is judged by other rules than the enricher's, or changes its identity."""
    record = raw_event(91, brand="nobody")
    world.send("user.raw", [record], 1)
    world.enriched()
    chosen = hour(rule="unknown_value", producer="enricher")
    assert world.replay(chosen, Patch())["failed"] == [
        {"rule": "unknown_value", "field": "brand", "letters": 1}
    ]
    patch = '[[change]]\nset = "brand"\nvalue = "bild"\n[[change]]\nset = "event_id"\nvalue = "x"'
    assert world.replay(chosen, read(patch))["passed"] == 1
    old, found = sorted(records(world, record["event_id"]), key=lambda r: r["brand"], reverse=True)
    assert {k: found[k] for k in record} == record | {"brand": "bild"}
    assert (found["_partition"], found["_offset"]) != (old["_partition"], old["_offset"])
    world.enriched()
    latest = [r for r in world.events("user.latest") if r["event_id"] == record["event_id"]]
    assert [(r["source_partition"], r["source_offset"]) for r in latest] == [
        (found["_partition"], found["_offset"])
    ]


@pytest.mark.parametrize("purposes", [["analytics"], ["advertising"]])
def test_a_letter_of_an_enriched_record_goes_back_to_the_first_topic(
    world: LetterWorld, purposes: list[str]
) -> None:
    """Would catch a row under the old coordinates, a corrected time taken for the client's, a lost reader."""
    number = 95 + len(purposes[0])
    collected = raw_event(number)
    removed = (
        {} if "analytics" in purposes else dict.fromkeys(("visitor_id", "anonymous_id", "ip", "user_agent"))
    )
    corrected = {"occurred_at": collected["received_at"], "client_occurred_at": collected["occurred_at"] - 1}
    value = Latest(world.settings).value(
        number, consent=purposes, is_clock_corrected=True, **corrected, **removed
    )
    writer = LetterWriter("lake", world.settings.privacy.dead_letter_key)
    letter = writer.letter(
        value, source="user.latest", place=f"{number}|lake", reason="invalid_row", message="m",
        received_at=datetime.now(UTC), event_id=collected["event_id"],
    )  # fmt: skip
    place = {
        "source_topic": "user.raw",
        "source_partition": 0,
        "source_offset": number,
        "source_appended_at": 1,
    }
    send_letters(world, letter | place)
    assert world.replay(hour(letters=frozenset({letter["letter_id"]})), Patch())["passed"] == 1
    (found,) = records(world, collected["event_id"])
    assert found["occurred_at"] == collected["occurred_at"] - 1
    assert found["received_at"] == collected["received_at"]
    assert found["visitor_id"] == (collected["visitor_id"] if not removed else NOBODY)


def test_letters_of_two_stores_about_one_record_are_one_event_and_completeness_holds(
    world: LetterWorld,
) -> None:
    """Would catch the same record replayed twice, and a minute that is red because its letters came back."""
    start = datetime.now(UTC).replace(second=0, microsecond=0)
    bad = family_event("content", 17, word_count=-1)
    world.send("content.events", [bad], 1)
    catch_up(world, content_events.TABLE)
    world.shelve()
    (lake,) = [x for x in world.letters() if x["event_id"] == bad["event_id"]]
    twin = lake | {
        "letter_id": lake["letter_id"].translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))
    }
    send_letters(world, twin | {"stage": "realtime"})
    chosen = hour(family="content")
    patch = read('[[change]]\nset = "word_count"\nvalue = 1')
    said = world.replay(chosen, patch)
    assert (said["passed"], said["events"]) == (2, 1)
    catch_up(world, content_events.TABLE)
    (row,) = [r for r in world.rows(content_events.TABLE.contract) if r["event_id"] == bad["event_id"]]
    assert row["word_count"] == 1
    report = judged(world, content_events.TABLE, start + timedelta(minutes=10), start - timedelta(minutes=1))
    names = ("kafka_count", "dead_letters_lake", "missing_lake", "duplicates_lake")
    assert [sum(minute[name] for minute in report.rows) for name in names] == [2, 1, 0, 0]
    assert {g.recovered for g in DeadLetters(world.settings).groups(chosen)} == {1}
    assert world.replay(chosen, patch)["recovered_before"] == 2


def test_what_cannot_come_back_says_why(world: LetterWorld) -> None:
    """Would catch letters that a replay drops silently, or sends although they are cut."""
    writer = LetterWriter("collector", world.settings.privacy.dead_letter_key)
    facts = {"reason": "unread", "message": "m", "received_at": datetime.now(UTC)}
    cut = writer.letter(b"x" * 300_000, source="/v1/events/user", place="cut", **facts)
    unknown = writer.letter(b"{}", source="/v1/events/user", place="old", **facts)
    about = LetterWriter("lake", world.settings.privacy.dead_letter_key).record_letter(
        b"?", topic="dead_letters", partition=0, offset=1, appended_at_us=1, reason="unread", message="m"
    )
    old = LetterWriter("collector", SecretStr(Fernet.generate_key().decode()))
    other = old.letter(b"{}", source="/v1/events/user", place="other", sender=b"{}", **facts)
    send_letters(world, cut, unknown, about, other)
    letters = DeadLetters(world.settings)
    failed = letters.dry_run(hour(rule="unread"), Patch())["failed"]
    assert {f["rule"] for f in failed} == {"original_cut", "unknown_sender", "unknown_topic", "another_key"}
    assert any("another key" in str(view.payload) for view in letters.letters(hour(rule="unread"), 9))
