"""The rules of `user.raw`: each one, and that all of the contract's are applied."""

import math
from typing import Any

import pytest

from media_analytics_tests.builders.streams import NOON, raw_event
from streaming.codecs.families import Rules, families
from streaming.enricher.validation import LATEST, RuleError, Validation

BRANDS = {"bild", "welt"}
EARLIEST = 946_684_800_000_000
MINUTE = 60_000_000
check = Validation(families()["user"], BRANDS, EARLIEST).check


def test_a_plain_event_passes() -> None:
    check(raw_event())


def test_the_widest_event_passes() -> None:
    check(
        raw_event(
            **{
                name: "x" * rule.longest
                for name, rule in families()["user"].rules.items()
                if rule.longest is not None and name not in ("visitor_id", "ip", "properties")
            },
            visitor_id="c:" + "x" * 1024,
            consent=["analytics", "personalisation", "advertising", "ml_training"],
            position=0,
            engaged_seconds=60.0,
            scroll_pct=100.0,
            video_position_seconds=0.0,
            http_status=599,
            bytes_sent=2**62,
            properties={f"{i:01024}": "v" * 1024 for i in range(64)},
            origin="import",
            occurred_at=NOON + 5 * MINUTE,
            received_at=NOON,
        )
    )


@pytest.mark.parametrize(
    ("reason", "field", "change"),
    [
        ("invalid_value", "event_id", {"event_id": "1"}),
        ("invalid_value", "event_id", {"event_id": "00000000-0000-0000-0000-00000000000A"}),
        ("invalid_value", "event_id", {"event_id": "00000000-0000-0000-0000-000000000001\n"}),
        ("unknown_value", "event_type", {"event_type": "view"}),
        ("unknown_value", "brand", {"brand": "spiegel"}),
        ("unknown_value", "origin", {"origin": "replay"}),
        ("unknown_value", "consent", {"consent": ["analytics", "everything"]}),
        ("invalid_value", "visitor_id", {"visitor_id": "x:1"}),
        ("occurred_at_out_of_range", "occurred_at", {"occurred_at": EARLIEST - 1}),
        ("occurred_at_out_of_range", "occurred_at", {"occurred_at": LATEST + 1}),
        (
            "occurred_at_out_of_range",
            "occurred_at",
            {"origin": "import", "occurred_at": NOON + 5 * MINUTE + 1, "received_at": NOON},
        ),
        ("out_of_range", "received_at", {"received_at": -1}),
        ("out_of_range", "received_at", {"received_at": LATEST + 1}),
        ("too_long", "user_agent", {"user_agent": "x" * 2049}),
        ("too_long", "page_url", {"page_url": "x" * 8193}),
        ("out_of_range", "engaged_seconds", {"engaged_seconds": 60.5}),
        ("out_of_range", "engaged_seconds", {"engaged_seconds": -0.1}),
        ("out_of_range", "engaged_seconds", {"engaged_seconds": math.nan}),
        ("out_of_range", "video_position_seconds", {"video_position_seconds": math.inf}),
        ("out_of_range", "scroll_pct", {"scroll_pct": 100.1}),
        ("out_of_range", "http_status", {"http_status": 99}),
        ("out_of_range", "bytes_sent", {"bytes_sent": -1}),
        ("too_many", "properties", {"properties": {str(i): "" for i in range(65)}}),
        ("too_long", "properties", {"properties": {"a": "x" * 1025}}),
        ("too_long", "properties", {"properties": {"a" * 1025: "x"}}),
    ],
)
def test_one_broken_rule(reason: str, field: str, change: dict[str, Any]) -> None:
    with pytest.raises(RuleError) as raised:
        check(raw_event(**change))
    assert (raised.value.reason, raised.value.field) == (reason, field)


def test_a_live_event_of_the_future_is_corrected_later_and_no_letter() -> None:
    check(raw_event(occurred_at=NOON + 999 * MINUTE, received_at=NOON))


def _breaking(name: str, rule: Rules) -> list[tuple[str, object]]:
    """For each limit of a rule the letter's reason and a value just outside."""
    broken: list[tuple[str, object]] = []
    if rule.words is not None:
        broken.append(("unknown_value", rule.words[0] + "x"))
    if rule.items is not None:
        broken.append(("unknown_value", [*rule.items, "x"]))
    if rule.pattern is not None:
        broken.append(("unknown_value" if name == "brand" else "invalid_value", "?"))
    if rule.entries is not None and rule.longest is not None:
        broken.append(("too_many", {str(i): "" for i in range(rule.entries + 1)}))
        broken.append(("too_long", {"a": "x" * (rule.longest + 1)}))
    elif rule.longest is not None:
        broken.append(("too_long", "c:" + "x" * (rule.longest - 1)))
    if rule.least is not None:
        broken.append(("out_of_range", rule.least - 1))
    if rule.most is not None:
        broken.append(("out_of_range", rule.most + 1))
    return broken


@pytest.mark.parametrize("name", families()["user"].rules)
def test_every_rule_of_the_contract_is_applied(name: str) -> None:
    """A limit changed in the contract alone would let rows through that every audit then refuses."""
    broken = _breaking(name, families()["user"].rules[name])
    assert broken, "a rule without a limit"
    for reason, value in broken:
        with pytest.raises(RuleError) as raised:
            check(raw_event(**{name: value}))
        assert (raised.value.reason, raised.value.field) == (reason, name)
