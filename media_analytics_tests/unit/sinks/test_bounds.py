"""What a flush announces, and what a start reads of it."""

import json

from streaming.sinks.bounds import Bounds, intended, intent, settled

BOUNDS = Bounds("user.latest", "abc", {3: (10, 20), 0: (0, 5)})


def test_the_token_names_every_bound_in_one_order() -> None:
    """Another order of partitions must not be another token: the replay would be stored twice."""
    assert BOUNDS.token == "user.latest/abc/0:0-5,3:10-20"
    assert Bounds("user.latest", "abc", {0: (0, 5), 3: (10, 20)}).token == BOUNDS.token


def test_an_intent_covers_every_partition() -> None:
    """One left out would keep its older intent, and a replay would mix two flushes under a new token."""
    wanted = intent(BOUNDS, {0: 5, 1: 7, 3: 20}, has_rows=True)
    assert {p: offset for p, (offset, _) in wanted.items()} == {0: 0, 1: 7, 3: 10}
    metadata = {p: json.loads(text) for p, (_, text) in wanted.items()}
    assert {p: m.get("end") for p, m in metadata.items()} == {0: 5, 1: None, 3: 20}
    assert all(m["topic_id"] == "abc" and m["has_rows"] for m in metadata.values())


def test_a_start_finds_exactly_the_announced_bounds() -> None:
    committed = intent(BOUNDS, {0: 5, 1: 7, 3: 20}, has_rows=False)
    stored = {p: (offset, json.loads(text)) for p, (offset, text) in committed.items()}
    assert intended("user.latest", "abc", stored) == BOUNDS


def test_settled_offsets_announce_nothing() -> None:
    committed = settled("abc", {0: 5, 1: 7}, has_rows=True)
    stored = {p: (offset, json.loads(text)) for p, (offset, text) in committed.items()}
    assert intended("user.latest", "abc", stored).ranges == {}
    assert {p: offset for p, (offset, _) in committed.items()} == {0: 5, 1: 7}
