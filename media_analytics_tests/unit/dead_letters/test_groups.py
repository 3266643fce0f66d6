"""Fingerprints: letters that want the same repair share one."""

from datetime import UTC, datetime
from typing import Any

import pytest

from media_analytics.dead_letters.groups import Selection, family_of, fingerprint

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def letter(**fields: Any) -> dict[str, Any]:
    row = {
        "source": "/v1/events/user?brand=bild",
        "source_topic": None,
        "reason": "unknown_brand",
        "field": "brand",
    }
    return row | {"producer": "browser 2", "stage": "collector"} | fields


@pytest.mark.parametrize(
    ("source", "topic", "family"),
    [
        ("/v1/events/content?brand=bild", None, "content"),
        ("/v1/pixel", None, "user"),
        ("/v1/access-log?brand=bild&site=https://x", None, "user"),
        ("user.raw", "user.raw", "user"),
        ("user.latest", "user.raw", "user"),
        ("interactions.events", "interactions.events", "interactions"),
        ("dead_letters", "dead_letters", "dead_letters"),
    ],
)
def test_the_family_is_that_of_the_event_it_should_have_been(source: str, topic: str, family: str) -> None:
    """Would catch letters of one mistake in two families."""
    assert family_of(source, topic) == family


def test_a_group_is_family_rule_field_and_producer() -> None:
    """Would catch groups that mix two senders, or split one mistake by what else the request said."""
    first = fingerprint(letter())
    assert fingerprint(letter(source="/v1/events/user?brand=welt")) == first
    others = [letter(producer="server 0"), letter(reason="missing_field"), letter(field=None)]
    assert len({first.code, *(fingerprint(other).code for other in others)}) == 4
    # A record has no key; the stage that refused it stands for its producer.
    assert fingerprint(letter(producer=None, stage="enricher")).producer == "enricher"


def test_a_field_that_may_be_personal_is_not_part_of_a_listing() -> None:
    """Would catch an address in the name of an unknown field."""
    assert fingerprint(letter(field="anna@example.org")).field == "<name>"


def test_a_selection_takes_what_matches_everything_it_names() -> None:
    """Would catch a replay of letters that nobody asked for."""
    sign = fingerprint(letter())
    assert Selection(SINCE).takes(sign)
    assert Selection(SINCE, family="user", rule="unknown_brand", group=sign.code).takes(sign)
    assert not Selection(SINCE, family="user", rule="missing_field").takes(sign)
    assert not Selection(SINCE, group="00000000").takes(sign)
