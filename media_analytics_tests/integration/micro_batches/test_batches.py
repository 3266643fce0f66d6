"""Batches of a micro-batched table: every record is one row or one letter, whatever is repeated or broken off."""

from typing import Any

import pytest

from media_analytics.assets.bronze import content_events, dead_letters
from media_analytics.errors import DataLossError
from media_analytics_tests.integration.micro_batches.world import World, content_event, dead_letter

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

CONTENT, LETTERS = content_events.TABLE, dead_letters.TABLE


class Stop(Exception):
    """What a failpoint raises: the process is gone."""


def failing_at(effect: str) -> Any:
    def hook(happened: str) -> None:
        if happened == effect:
            raise Stop(effect)

    return hook


def catch_up(world: World, hook: Any = None) -> list[Any]:
    writer = world.writer(CONTENT, hook) if hook else world.writer(CONTENT)
    return list(writer.catch_up(world.kafka.end_offsets("content.events")))


def offsets(world: World) -> list[tuple[int, int]]:
    rows = world.rows(CONTENT.contract)
    return sorted((row["source_partition"], row["source_offset"]) for row in rows)


def test_every_record_is_one_row_with_its_coordinates(world: World) -> None:
    """Would catch rows without coordinates, wrong hours, wrong touched dates, types that Delta refuses."""
    world.send("content.events", [content_event(n, consent=["analytics"]) for n in range(5)], 0)
    world.send("content.events", [content_event(9, occurred_at=0)], 2)
    (batch,) = catch_up(world)
    rows = world.rows(CONTENT.contract)
    assert offsets(world) == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (2, 0)]
    assert {row["source_topic"] for row in rows} == {"content.events"}
    assert all(row["appended_hour"] == row["appended_at"].strftime("%Y-%m-%dT%H") for row in rows)
    assert {row["batch_id"] for row in rows} == {CONTENT.batch_id(1)}
    assert rows[0]["authors"] == ["A. Autor"]
    dates = {(d["event_date"].isoformat(), d["source_partition"]): d for d in world.rows(CONTENT.dates)}
    assert set(dates) == {("2026-03-10", 0), ("1970-01-01", 2)}
    assert (dates["2026-03-10", 0]["rows"], dates["2026-03-10", 0]["last_offset"]) == (5, 4)
    assert batch.bounds.end == {0: 5, 1: 0, 2: 1}
    assert catch_up(world) == [], "a repeated run writes nothing"
    assert len(world.rows(CONTENT.contract)) == 6


@pytest.mark.parametrize("effect", ["read", "letters", "dates", "rows"])
def test_a_run_that_dies_between_two_effects_loses_and_repeats_nothing(world: World, effect: str) -> None:
    """Would catch a start that is taken from anywhere but the table, and dates that miss rows."""
    world.send("content.events", [content_event(1), b"not a record", content_event(2)])
    with pytest.raises(Stop):
        catch_up(world, failing_at(effect))
    world.send("content.events", [content_event(3)], 1)
    catch_up(world)
    assert offsets(world) == [(0, 0), (0, 2), (1, 0)]
    announced = [(d["batch_id"], d["rows"]) for d in world.rows(CONTENT.dates)]
    assert sum(n for name, n in announced if not name.endswith("-repeated")) == 3
    # After the dates and before the rows: readers may have seen the dates, so they are written again.
    assert any(name.endswith("-repeated") for name, _ in announced) == (effect == "dates")
    assert len({letter["letter_id"] for letter in world.letters()}) == 1
    assert {(x["source_partition"], x["source_offset"]) for x in world.letters()} == {(0, 1)}


def test_a_broken_record_is_a_letter_with_reason_field_and_coordinates(world: World) -> None:
    """Would catch a record that is dropped silently, and one that takes its neighbours with it."""
    world.send(
        "content.events",
        [
            content_event(0),
            b"",
            b"\x00\x00\x00\x7f\x7fdatum",
            content_event(3, event_type="burned"),
            content_event(4, word_count=-1),
            content_event(5, title="x" * 8193),
            content_event(6),
        ],
    )
    (batch,) = catch_up(world)
    assert offsets(world) == [(0, 0), (0, 6)]
    found = {x["source_offset"]: (x["reason"], x["field"], x["stage"]) for x in world.letters()}
    assert found == {
        1: ("undecodable", None, "lake"),
        2: ("unknown_schema", None, "lake"),
        3: ("unknown_value", "event_type", "lake"),
        4: ("out_of_range", "word_count", "lake"),
        5: ("too_long", "title", "lake"),
    }
    assert {x["source_topic"] for x in world.letters()} == {"content.events"}
    assert (batch.letters, batch.poison) == (5, 0)


@pytest.mark.parametrize("record", [b"not a record", content_event(4, word_count=-1)])
def test_a_batch_of_nothing_but_letters_does_not_stop_the_topic(world: World, record: Any) -> None:
    """Would catch a lonely poison row: at night it is the only one of its batch."""
    world.send("content.events", [record])
    (batch,) = catch_up(world)
    assert (batch.letters, dict(batch.hours)) == (1, {})
    world.send("content.events", [content_event(5)])
    catch_up(world)
    assert offsets(world) == [(0, 1)]
    assert len(world.letters()) == 1


def test_a_part_that_only_the_audit_refuses_costs_its_poison_alone(world: World) -> None:
    """Would catch a topic that stops at one row, and good neighbours that become letters."""
    world.send("content.events", [content_event(n, word_count=666 if n == 5 else n) for n in range(9)])
    writer = world.writer(CONTENT)
    sound = writer._judge.problems
    reads = []

    def problems(rows: Any) -> str:
        reads.append(rows.num_rows)
        return "row: number of the beast" if 666 in rows["word_count"].to_pylist() else sound(rows)

    writer._judge.problems = problems  # the audit's verdict, replaced: no contract has a rule that rows lack
    (batch,) = writer.catch_up(world.kafka.end_offsets("content.events"))
    assert offsets(world) == [(0, n) for n in range(9) if n != 5]
    (letter,) = world.letters()
    assert (letter["reason"], letter["source_offset"]) == ("contract", 5)
    assert reads[:2] == [9, 9], "judged twice, the second time on records read anew"
    assert batch.poison == 1
    for n in range(9, 21):
        world.send("content.events", [content_event(n)])
        list(writer.catch_up(world.kafka.end_offsets("content.events")))
    newest = writer.store.newest()
    assert newest is not None
    assert {n: count for n, (count, _) in newest.poisoned.items()} == {1: 1}, (
        "twelve batches later, on one commit"
    )
    assert newest.poisoned_since(world.now()) == {}


def test_a_long_pause_is_caught_up_in_bounded_commits(world: World) -> None:
    """Would catch a run that holds a week of records in memory."""
    settings = world.settings
    small = settings.model_copy(
        update={"micro_batches": settings.micro_batches.model_copy(update={"max_bytes": 1000})}
    )
    world.settings = small
    world.send("content.events", [content_event(n) for n in range(40)])
    batches = catch_up(world)
    assert len(batches) >= 5
    assert [b.bounds.number for b in batches] == list(range(1, len(batches) + 1))
    assert offsets(world) == [(0, n) for n in range(40)]


def test_a_topic_that_was_created_again_stops_its_table_with_the_fix(world: World) -> None:
    """Would catch a table that mixes offsets of two topics."""
    world.send("content.events", [content_event(1)])
    catch_up(world)
    world.create_topic("content.events")
    world.send("content.events", [content_event(2)])
    with pytest.raises(DataLossError, match=r"created again.*micro_batch_maintenance"):
        catch_up(world)
    assert offsets(world) == [(0, 0)]


def test_two_writers_of_one_table_do_not_write_a_record_twice(world: World) -> None:
    """Would catch a batch number that two processes use for other bounds."""
    world.send("content.events", [content_event(1)])
    other = world.writer(CONTENT)

    def meanwhile(effect: str) -> None:
        if effect == "letters":
            list(other.catch_up(world.kafka.end_offsets("content.events")))

    world.send("content.events", [content_event(2)])
    slow = world.writer(CONTENT, meanwhile)
    with pytest.raises(DataLossError, match="another process"):
        list(slow.catch_up({0: 1, 1: 0, 2: 0}))
    assert offsets(world) == [(0, 0), (0, 1)]


def test_letters_keep_where_the_event_stood_and_where_the_letter_stands(world: World) -> None:
    """Would catch letters whose own coordinates overwrite the event's."""
    world.send("dead_letters", [dead_letter(7), dead_letter(8, source_offset=80)])
    list(world.writer(LETTERS).catch_up(world.kafka.end_offsets("dead_letters")))
    rows = sorted(world.rows(LETTERS.contract), key=lambda row: row["letter_offset"])
    assert [(r["letter_offset"], r["source_topic"], r["source_offset"]) for r in rows] == [
        (0, "user.raw", 7),
        (1, "user.raw", 80),
    ]
    assert rows[0]["original_bytes"] == b"encrypted"
