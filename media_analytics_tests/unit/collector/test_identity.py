"""Identifiers as they are published, each recomputed here from its definition."""

import hashlib
import hmac
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from media_analytics.errors import SettingsError
from media_analytics_tests.builders import settings as builder
from streaming.collector import identity
from streaming.collector.answers import Rejection
from streaming.collector.identity import Visitors

NS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:media-analytics:event")
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_line_ids() -> None:
    digest = hashlib.sha256(b"a line").hexdigest()
    assert identity.line_id(b"a line", 3) == str(uuid.uuid5(NS, f"access-log|{digest}|3"))


def test_click_ids() -> None:
    assert identity.click_id("p1", "17") == str(uuid.uuid5(NS, "clickstream|p1|17"))


def test_an_item_without_id_gets_that_of_its_canonical_json_with_brand() -> None:
    canonical = '{"a":1,"b":"ü","brand":"bild"}'
    assert identity.item_id({"b": "ü", "a": 1.0}, "bild") == str(uuid.uuid5(NS, canonical))
    assert identity.item_id({"b": "ü", "a": 1, "brand": "bild"}, "bild") == str(uuid.uuid5(NS, canonical))
    assert identity.item_id({"b": "ü", "a": 1}, "welt") != str(uuid.uuid5(NS, canonical))


def test_numbers_without_canonical_form_are_refused() -> None:
    with pytest.raises(Rejection, match="canonical"):
        identity.item_id({"a": 2**60}, "bild")


def _visitor(visitors: Visitors, **given: object) -> str:
    values = {
        "customer_id": None, "anonymous_id": None, "host": "192.0.2.1", "user_agent": "agent", "received_at": NOW,
        "is_import": False,
    } | given  # fmt: skip
    return visitors.visitor_id(**values)


def _hash(key: str, host: str, agent: str) -> str:
    return "h:" + hmac.new(key.encode(), host.encode() + b"\x00" + agent.encode(), "sha256").hexdigest()[:32]


@pytest.fixture
def visitors(tmp_path: Path) -> Visitors:
    keys = '[{"valid_from": "2000-01-01", "key": "old"}, {"valid_from": "2026-06-02", "key": "new"}]'
    return Visitors(builder.make(tmp_path, PRIVACY__VISITOR_KEYS=keys).privacy)


def test_the_best_known_identity_wins(visitors: Visitors) -> None:
    assert _visitor(visitors, customer_id="7", anonymous_id="x") == "c:7"
    assert _visitor(visitors, anonymous_id="x") == "a:x"
    assert _visitor(visitors) == _hash("old", "192.0.2.1", "agent")


def test_the_key_in_force_at_receipt_counts(visitors: Visitors) -> None:
    last = datetime(2026, 6, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    first = datetime(2026, 6, 2, tzinfo=UTC)
    assert _visitor(visitors, received_at=last) == _hash("old", "192.0.2.1", "agent")
    assert _visitor(visitors, received_at=first) == _hash("new", "192.0.2.1", "agent")
    assert _visitor(visitors, received_at=last) == _hash("old", "192.0.2.1", "agent")


def test_the_order_of_the_list_says_nothing(tmp_path: Path, visitors: Visitors) -> None:
    """Would catch two collectors that name one reader differently because their lists are written differently."""
    keys = '[{"valid_from": "2026-06-02", "key": "new"}, {"valid_from": "2000-01-01", "key": "old"}]'
    other = Visitors(builder.make(tmp_path, PRIVACY__VISITOR_KEYS=keys).privacy)
    for day in (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 2, tzinfo=UTC)):
        assert _visitor(other, received_at=day) == _visitor(visitors, received_at=day)


def test_two_keys_of_one_day_are_refused(tmp_path: Path) -> None:
    """Would catch a rotation in which it is a matter of chance which key counts."""
    keys = '[{"valid_from": "2026-06-02", "key": "a"}, {"valid_from": "2026-06-02", "key": "b"}]'
    with pytest.raises(SettingsError, match="two keys valid from 2026-06-02"):
        builder.make(tmp_path, PRIVACY__VISITOR_KEYS=keys)


def test_imports_use_their_own_key(visitors: Visitors) -> None:
    assert _visitor(visitors, is_import=True) == _hash("import-key", "192.0.2.1", "agent")


def test_host_and_agent_cannot_be_moved_into_each_other(visitors: Visitors) -> None:
    assert _visitor(visitors, host="ab", user_agent="c") != _visitor(visitors, host="a", user_agent="bc")
    assert _visitor(visitors, host=None, user_agent=None) == _hash("old", "", "")


def test_no_key_in_force_is_an_error_with_the_fix(tmp_path: Path) -> None:
    keys = '[{"valid_from": "2090-01-01", "key": "later"}]'
    with pytest.raises(SettingsError, match="visitor_keys"):
        Visitors(builder.make(tmp_path, PRIVACY__VISITOR_KEYS=keys).privacy).require_key_in_force()
